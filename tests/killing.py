"""Ends commands at random moments and begins them again, until one comes to its end."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np

COMMAND = (sys.executable, "-m", "keras_lightnets.cli.main")
# What differs from run to run, or with the clock: the recommended file is chosen by its measured latency.
TIMES = (
    "seconds",
    "images_per_second",
    "latency_ms",
    "training_seconds",
    "zipped_bytes",
    "size_bytes",
    "bytes",
    "recommended",
)


def start(arguments):
    """Starts a command, and returns once it takes its own errors and signals."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever starts the tests in the background has Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and os.readlink(f"/proc/{process.pid}/fd/2") != os.devnull:
        time.sleep(0.01)
    return process


def end_at_random(arguments, output, times, seed, number=signal.SIGKILL):
    """Begins a run again and again, each ended at a random moment of it, and yields after each that came to its end.

    Args:
        arguments: function from whether the run was begun before to the command.
        output: Path of its folder, which is removed before a run is begun afresh.
        times: int, how often a run is ended.
        seed: int, decides the moments.
        number: signal that ends it. Defaults to SIGKILL.
    """
    chance, ended = random.Random(seed), 0
    length = None
    while ended < times:
        if output.exists():
            shutil.rmtree(output)
        finished = False
        while not finished:
            begin, begun = time.monotonic(), output.exists()
            process = start(arguments(begun))
            try:
                # The first run of all is not ended: it tells how long one takes. Nor is a run that is killed enough.
                process.wait(chance.uniform(0, length) if length and ended < times else None)
                finished = True
            except subprocess.TimeoutExpired:
                process.send_signal(number)
                ended += 1
            _, stderr = process.communicate(timeout=300)
            check_last_words(process.returncode, stderr, finished, number)
            if finished and not begun:
                # Again, as the machine may be busier or quieter by now.
                length = time.monotonic() - begin
        yield ended


def check_last_words(returncode, stderr, finished, number):
    """Whether a command ended well, or as the signal makes it, with one line at most."""
    if number == signal.SIGKILL and not finished:
        assert returncode == -signal.SIGKILL or (returncode, stderr) == (0, "")
    elif returncode:
        # It may end well before the signal arrives.
        assert not finished and returncode == 1, (returncode, stderr)
        assert stderr.startswith("error: ") and stderr.count("\n") == 1, stderr
    else:
        assert stderr == ""


def result(output):
    """Returns what two runs of one command must have in common: names of files, reports and weights."""
    names = sorted(str(path.relative_to(output)) for path in output.rglob("*") if "tensorboard" not in path.parts)
    assert not [name for name in names if "partial" in name or "lock" in name]
    reports = {path.name: _timeless(json.loads(path.read_text())) for path in sorted(output.glob("*.json"))}
    weights = []
    if (output / "model.keras").exists():
        weights = keras.saving.load_model(output / "model.keras", compile=False).get_weights()
    return names, reports, weights


def assert_same(one, other):
    """Whether two results of `result` are equal, the weights bit for bit."""
    assert one[0] == other[0]
    assert one[1] == other[1]
    for mine, theirs in zip(one[2], other[2], strict=True):
        np.testing.assert_array_equal(mine, theirs)


def _timeless(value):
    if isinstance(value, dict):
        return {name: _timeless(part) for name, part in value.items() if name not in TIMES}
    return [_timeless(part) for part in value] if isinstance(value, list) else value
