"""Warnings that point at the line of the user, however deep in the package or in Keras they arise."""

import os
import sys
import sysconfig
import warnings
from pathlib import Path

import keras

# The package and Keras, and with them what is installed: Keras calls back through other packages.
_FOLDERS = {
    *(str(Path(file).parent) for file in (__file__, keras.__file__)),
    *map(sysconfig.get_path, ("purelib", "platlib")),
}
_OTHERS = tuple(f"{folder}{os.sep}" for folder in _FOLDERS)


def warn(message):
    """Warns with the innermost line that is neither in the package nor in an installed library."""
    level, frame = 2, sys._getframe(1)  # noqa: SLF001
    while frame.f_back and frame.f_code.co_filename.startswith(_OTHERS):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
