"""What a weights file holds, and what every reader refuses."""

from typing import NamedTuple

import numpy as np

from keras_lightnets.errors import UserError

# A file may ask for so many times its bytes, and some to start with: compressed zeros are real, a bomb is not.
_RATIO, _FREE = 100, 1 << 26


class Tensors(NamedTuple):
    """What a weights file holds.

    Attributes:
        arrays: dict from name to array, in the order of the file.
        layout: "torch" or "paddle" for the names and axes of PyTorch or PaddlePaddle. The others have Keras' axes:
            "slots" for names like `layer/0`, "variables" for names like `layer/kernel`, and "topological" for the names
            of a Keras 2 file.
        layers: names of all layers, those without weights too, where the file tells them.
    """

    arrays: dict[str, np.ndarray]
    layout: str
    layers: tuple[str, ...] = ()


class MissingExtra(UserError):
    """A file of a format whose library is not installed."""


def check_size(declared, stored):
    """Refuses a file of `stored` bytes that asks for `declared` bytes of memory, unless it may be compressed so far."""
    if declared > _FREE + _RATIO * stored:
        raise UserError(f"it has {stored:,} bytes and asks for {declared:,} bytes of memory")


def check_type(name, dtype):
    """Refuses a tensor whose NumPy type is none of float16, float32 and float64."""
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise UserError(f"the tensor {name!r} has values of type {dtype}, which are no weights")


def check_values(arrays):
    """Refuses values that are no number, or none of float32."""
    for name, array in arrays.items():
        with np.errstate(over="ignore"):
            finite = np.isfinite(array.astype("float32", copy=False))
        if not finite.all():
            raise UserError(f"the tensor {name!r} has the value {array[~finite].ravel()[0]}, which no weight can have")


def bfloat16(array):
    """Returns the numbers in float32 of an array of two-byte values in bfloat16."""
    return (array.view("uint16").astype("uint32") << 16).view("float32")


def plain_names(state):
    """Returns a PyTorch state without the prefix of parallel training and without counters, which are no weights."""
    state = {n: tensor for n, tensor in state.items() if n.split(".")[-1] not in ("num_batches_tracked", "n_averaged")}
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return state
