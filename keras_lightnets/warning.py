"""Warnings that point at the line of the user, however deep in the package or in Keras they arise."""

import os
import sys
import warnings
from pathlib import Path

import keras

_OURS = tuple(f"{Path(file).parent}{os.sep}" for file in (__file__, keras.__file__))


def warn(message):
    """Warns with the innermost line that is neither the package's nor Keras'."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(_OURS):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
