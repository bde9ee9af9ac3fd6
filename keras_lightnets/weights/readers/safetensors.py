"""The `.safetensors` files of others and our own."""

import json

import numpy as np

from keras_lightnets.errors import UserError
from keras_lightnets.weights.readers.tensors import MissingExtra, Tensors, bfloat16, plain_names

_TYPES = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8"}


def read_safetensors(content):
    """Returns the `Tensors` of a `.safetensors` file, given its bytes."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingExtra("reading .safetensors needs the extra [hub]: pip install 'keras_lightnets[hub]'") from error
    try:
        found = dict(safetensors.numpy.deserialize(content))
    except safetensors.SafetensorError as error:
        raise UserError(f"it is no whole .safetensors file ({error})") from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")], object_pairs_hook=_unlike)
    metadata = header.get("__metadata__", {})
    if metadata.get("format") != "keras_lightnets":
        return Tensors({name: _array(name, tensor) for name, tensor in plain_names(found).items()}, "torch")
    layers = json.loads(metadata["layers"])
    if not isinstance(layers, list) or not all(isinstance(layer, str) for layer in layers):
        raise UserError(f"its header has {metadata['layers'][:40]!r} for a list of layers")
    return Tensors({name: _array(name, tensor) for name, tensor in found.items()}, "variables", tuple(layers))


def _array(name, tensor):
    if tensor["dtype"] not in _TYPES:
        raise UserError(f"the tensor {name!r} has values of type {tensor['dtype']}, which are no weights")
    array = np.frombuffer(tensor["data"], _TYPES[tensor["dtype"]]).reshape(tensor["shape"])
    return bfloat16(array) if tensor["dtype"] == "BF16" else array


def _unlike(pairs):
    """The dict of pairs whose names differ."""
    names = [name for name, _ in pairs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"it has two tensors of the name {twice!r}")
    return dict(pairs)
