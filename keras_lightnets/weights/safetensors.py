"""Weights of any model in a `.safetensors` file."""

import json
import os

import keras
import numpy as np

from keras_lightnets.errors import UserError
from keras_lightnets.files import replacing
from keras_lightnets.weights.load import load, targets
from keras_lightnets.weights.opening import Source
from keras_lightnets.weights.readers import read


def save_safetensors(model: keras.Model, path: str | os.PathLike) -> None:
    """Writes the weights of a model under the paths of its variables, whole or not at all.

    Args:
        model: a built Keras model.
        path: file to write.

    Raises:
        UserError: if two variables have the same path, the file cannot be written, or safetensors is not installed.

    Example:

    >>> model = keras_lightnets.MicroNetM0(weights=None, include_top=False)
    >>> keras_lightnets.weights.save_safetensors(model, "m0.safetensors")
    >>> copy = keras_lightnets.MicroNetM0(weights="m0.safetensors", include_top=False)
    """
    try:
        import safetensors.numpy
    except ImportError as error:
        raise UserError("Writing .safetensors needs the extra [hub]: pip install 'keras_lightnets[hub]'") from error
    arrays = {}
    for target in targets(model.layers):
        if target.path in arrays:
            raise UserError(f"{model.name} has two variables named {target.path}: give their layers unlike names.")
        array = keras.ops.convert_to_numpy(target.variable)
        # NumPy has no bfloat16 of its own, and files hold floating-point numbers only: float64 is exact for counters.
        other = {"bfloat16": "float32"}.get(array.dtype.name, None if array.dtype.kind == "f" else "float64")
        arrays[target.path] = np.asarray(array, other, order="C")
    layers = json.dumps([layer.name for layer in model.layers])
    metadata = {"format": "keras_lightnets", "model": model.name, "layers": layers}
    with replacing(path) as temporary:
        safetensors.numpy.save_file(arrays, temporary, metadata)


def load_safetensors(model: keras.Model, path: str | os.PathLike) -> None:
    """Loads the weights that `save_safetensors` wrote from a model with the same variables.

    Args:
        model: a built Keras model.
        path: file to read.

    Raises:
        UserError: if a variable is missing, left over, or of another shape, naming it. The model is as before then.

    Example:

    >>> model = keras_lightnets.MicroNetM0(weights=None, include_top=False)
    >>> keras_lightnets.weights.save_safetensors(model, "m0.safetensors")
    >>> keras_lightnets.weights.load_safetensors(model, "m0.safetensors")
    """
    load(Source(path, model.name, read(path), None, ""), model.layers, model.name)
