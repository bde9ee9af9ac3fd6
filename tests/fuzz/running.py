"""Opens damaged files in child processes, and reports what went wrong."""

import json
import queue
import signal
import subprocess
import sys
import threading
from typing import NamedTuple

SECONDS = 20
# Keras and TensorFlow are imported and the samples made before the first file.
_START = 1200


class Fault(NamedTuple):
    """One input that was not refused or read as it should be."""

    target: str
    number: int
    what: str


def run(tasks, seed, folder, table="tests.fuzz.targets"):
    """Opens damaged files.

    Args:
        tasks: list of triples: name of a target, first number and the one after the last.
        seed: int or str; with the same one, a number is the same damage again.
        folder: Path of a folder for the files.
        table: name of the module with the `TARGETS`.

    Returns:
        A list of `Fault`.
    """
    faults, waiting = [], list(tasks)
    while waiting:
        waiting = _run_child(waiting, [table, str(seed), str(folder)], folder, faults)
    return faults


def _run_child(tasks, arguments, folder, faults):
    """Runs one child until all is done or it dies; returns the tasks that are left."""
    command = [sys.executable, "-m", "tests.fuzz.child", *arguments, json.dumps(tasks)]
    errors = folder / "errors.txt"
    with errors.open("wb") as log:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
    lines = queue.Queue()
    threading.Thread(target=_pass_on, args=(child.stdout, lines), daemon=True).start()
    left, begun, hung = list(tasks), None, False
    while left:
        try:
            line = lines.get(timeout=SECONDS if begun else _START)
        except queue.Empty:
            hung = True
            child.kill()
            continue
        if line is None:
            break
        if line == "done\n":
            left, begun = left[1:], None
        elif line.startswith('"'):
            faults.append(Fault(*begun, json.loads(line)))
        else:
            name, number = line.split()
            begun = name, int(number)
    status = child.wait()
    if not left:
        return []
    if begun is None:
        raise RuntimeError(f"the child died before its first file: {errors.read_text(errors='replace')[-2000:]}")
    died = signal.Signals(-status).name if status < 0 else f"exit {status}"
    faults.append(Fault(*begun, f"hung for {SECONDS} s" if hung else f"died: {died}"))
    name, number = begun
    return [(name, number + 1, left[0][2]), *left[1:]]


def _pass_on(stream, lines):
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)
