"""The `.pdparams` files of PaddlePaddle: a pickle of a dict of NumPy arrays, read without running any of it."""

import io
import math
import pickle
from typing import ClassVar

import numpy as np

from keras_lightnets.errors import UserError
from keras_lightnets.weights.readers.tensors import Tensors, check_type

# Beside the arrays: the names that parameters had in the training program.
_NAMES = "StructuredToParameterName@@"


def read_paddle(content):
    """Returns the `Tensors` of a `.pdparams` file, given its bytes."""
    state = _Unpickler(io.BytesIO(content), encoding="latin1").load()
    if not isinstance(state, dict):
        raise UserError("it holds no dict of arrays")
    arrays = {}
    for name, value in state.items():
        if name == _NAMES:
            continue
        # What is saved beside a layer's own dict has its name with it.
        value = value[1] if isinstance(value, tuple) and len(value) == 2 else value
        if not isinstance(name, str) or not isinstance(value, _Array):
            raise UserError(f"its entry {name!r} is no array")
        arrays[name] = value.numpy(name)
    if not arrays:
        raise UserError("it holds no arrays")
    return Tensors(arrays, "paddle")


class _Type:
    """Stands for `numpy.dtype` in the file."""

    def __init__(self, code, align=False, copy=False):
        self.code = code

    def __setstate__(self, state):
        self.code = state[1].replace("|", "") + self.code


class _Array:
    """Stands for `numpy.ndarray` in the file, and for the functions that make one."""

    def __init__(self, *arguments):
        # The arguments of `numpy._frombuffer`, or those that make an empty array, whose state comes later.
        if len(arguments) == 4:
            data, kind, shape, order = arguments
            self.__setstate__((1, shape, kind, order == "F", data))

    def __setstate__(self, state):
        _, self.shape, self.kind, self.fortran, self.data = state

    def numpy(self, name):
        """Returns the array. Raises a UserError unless its bytes are as many as its shape says."""
        dtype = np.dtype(self.kind.code)
        check_type(name, dtype)
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data
        if len(data) != math.prod(self.shape) * dtype.itemsize:
            raise UserError(f"the tensor {name!r} of shape={self.shape} has {len(data)} bytes, it may be truncated")
        return np.frombuffer(data, dtype).reshape(self.shape, order="F" if self.fortran else "C")


def _encoded(text, encoding):
    """Stands for `_codecs.encode`, by which pickles of protocol 2 hold bytes."""
    return text.encode("latin1")


_CORES = ("numpy.core", "numpy._core")
_STANDS_FOR = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encoded,
    ("collections", "OrderedDict"): dict,
    ("builtins", "tuple"): tuple,
    **{(f"{core}.multiarray", "_reconstruct"): _Array for core in _CORES},
    **{(f"{core}.numeric", "_frombuffer"): _Array for core in _CORES},
}


# The one in Python: that in C reserves as much memory as a file says.
class _Unpickler(pickle._Unpickler):  # noqa: SLF001
    """Makes plain containers and the two classes above, and calls nothing of the file's choice."""

    dispatch: ClassVar[dict] = dict(pickle._Unpickler.dispatch)  # noqa: SLF001

    def find_class(self, module, name):
        if (module, name) not in _STANDS_FOR:
            raise UserError(f"it holds more than arrays, which is not run ({module}.{name})")
        return _STANDS_FOR[module, name]

    def load_build(self):
        # A state for anything else would change what stands here for all files.
        if not isinstance(self.stack[-2], _Array | _Type):
            raise UserError("it holds more than arrays, which is not run")
        super().load_build()

    dispatch[pickle.BUILD[0]] = load_build
    # Python's own opcode for byte arrays makes one of the length that the file says before it reads.
    dispatch[pickle.BYTEARRAY8[0]] = dispatch[pickle.BINBYTES8[0]]
