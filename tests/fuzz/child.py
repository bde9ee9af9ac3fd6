"""The process that opens damaged input: python -m tests.fuzz.child TABLE SEED FOLDER TASKS.

TASKS is a JSON list of triples: name of a target, first number and the one after the last.

A crash ends this process and not its parent, which reads from the output what was begun: "TARGET NUMBER" before each
file, and a line of JSON for each fault.
"""

import importlib
import json
import os
import random
import resource
import sys
import traceback
from pathlib import Path

# Libraries print to standard output too, which belongs to the protocol.
_REPORTS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

from keras_lightnets.errors import UserError  # noqa: E402
from tests.fuzz.mutations import damage  # noqa: E402

# A damaged file may ask for any amount; more than this is a fault.
_BYTES = 2 << 30
# Characters of an error message.
_LONGEST = 1000


def _limit_memory():
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + _BYTES, resource.RLIM_INFINITY))


def _fault(target, path, folder):
    """Opens the damaged file at `path`; returns what is wrong with that, or None."""
    try:
        target.check(path)
    except UserError as error:
        if "\n" in str(error):
            return f"more than one line: {str(error)[:300]!r}"
        if len(str(error)) > _LONGEST:
            return f"a line that nobody reads: {str(error)[:300]!r}"
        named = path.name in str(error) or str(folder) in str(error)
        return None if named or not target.named else f"the file is not named: {str(error)[:300]!r}"
    except AssertionError as error:
        return f"wrong: {error}"
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in where if "/keras_lightnets/" in frame.filename] or where
        return f"{type(error).__name__}: {str(error)[:200]!r} at {Path(ours[-1].filename).name}:{ours[-1].lineno}"
    return None


def main():
    """Works off the tasks."""
    table, seed, folder, tasks = sys.argv[1:]
    targets, folder, samples = importlib.import_module(table).TARGETS, Path(folder), {}
    for name, first, last in json.loads(tasks):
        target = targets[name]
        if name not in samples:
            samples[name] = target.samples(folder)
            _limit_memory()
        for number in range(first, last):
            _REPORTS.write(f"{name} {number}\n")
            path = _damaged(target, samples[name], random.Random(f"{seed} {name} {number}"), folder)
            if fault := _fault(target, path, folder):
                _REPORTS.write(json.dumps(fault) + "\n")
        _REPORTS.write("done\n")


def _damaged(target, samples, generator, folder):
    for name, content in samples.items():
        (folder / name).write_bytes(content)
    name = generator.choice(sorted(samples))
    (folder / name).write_bytes(damage(name, samples[name], generator))
    return folder / name


if __name__ == "__main__":
    main()
