"""Opens thousands of damaged files and prints what went wrong; exits with 1 if anything did.

python -m tests.fuzz --seed 7 --count 10000            # of every target
python -m tests.fuzz --seed 7 --target keras --only 123 --keep FOLDER
"""

import argparse
import itertools
import re
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.running import run
from tests.fuzz.targets import TARGETS


def _kind(fault):
    return re.sub(r"""['"].*['"]|\d+(?! s)""", "", fault.what)


def main():
    """Reads the arguments, and runs target after target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", default="0", help="the same seed makes the same files")
    parser.add_argument("--count", type=int, default=10_000, help="damaged files of every target")
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="default: all")
    parser.add_argument("--only", type=int, help="number of the one file to open")
    parser.add_argument("--keep", type=Path, help="folder to leave the last file in")
    arguments = parser.parse_args()
    first, last = (0, arguments.count) if arguments.only is None else (arguments.only, arguments.only + 1)
    count = 0
    for name in arguments.target or TARGETS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = arguments.keep or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            start = time.monotonic()
            faults = run([(name, first, last)], arguments.seed, folder)
        print(f"{name}: {last - first} files, {len(faults)} faults, {time.monotonic() - start:.0f} s", flush=True)
        # The same fault is found a hundred times: its texts differ in numbers and names.
        for _, alike in itertools.groupby(sorted(faults, key=_kind), _kind):
            shown, *others = alike
            print(f"  --only {shown.number} and {len(others)} like it: {shown.what}", flush=True)
        count += len(faults)
    sys.exit(bool(count))


if __name__ == "__main__":
    main()
