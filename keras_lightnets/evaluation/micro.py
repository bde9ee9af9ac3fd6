"""The memory that TensorFlow Lite Micro needs to run a file."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from keras_lightnets.errors import UserError
from keras_lightnets.export.interpreter import TFLiteModel

_TRIAL = Path(__file__).with_name("micro_trial.py")


class Arena(NamedTuple):
    """The arena of a file in bytes: RAM, beside the file itself, which stays in flash.

    Attributes:
        total: int, the smallest arena in which the file runs.
        activations: int, of the total, what is used again from operator to operator.
        file: int, size of the file.
    """

    total: int
    activations: int
    file: int


def measure_arena(path: str | os.PathLike) -> Arena:
    """Runs a `.tflite` file in TensorFlow Lite Micro's interpreter for Python, and reads what it took.

    Pointers have 8 bytes on this machine. On a microcontroller of 32 bits the arena is smaller.

    Args:
        path: str or Path of a `.tflite` file.

    Returns:
        An `Arena`.

    Raises:
        UserError: if the file cannot be read, or TensorFlow Lite Micro is missing or lacks an operator of the file.

    Example:

    >>> measure_arena("out/model_int8.tflite").total  # doctest: +SKIP
    122416
    """
    # Names what is wrong with files that are damaged or missing.
    TFLiteModel(path)
    # Run by its path, it imports nothing of this package. The interpreter ends the process at some files.
    run = subprocess.run([sys.executable, "-P", _TRIAL, path], capture_output=True, text=True, errors="replace")
    if "ModuleNotFoundError" in run.stderr:
        raise UserError("--micro needs TensorFlow Lite Micro: pip install 'keras_lightnets[micro]' (Linux).")
    found = re.search(r"Arena allocation total (\d+) bytes\s.*Arena allocation head (\d+) bytes", run.stderr)
    if run.returncode or found is None:
        said = (run.stderr.strip().splitlines() or [f"status {run.returncode}"])[-1]
        raise UserError(f"{path} does not run in TensorFlow Lite Micro ({said:.200}). Export it with int8 throughout.")
    return Arena(int(found[1]), int(found[2]), os.path.getsize(path))
