"""Reads weight files of every format into arrays by name; the content of a file, not its ending, tells its format."""

import io
import json
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from keras_lightnets.errors import UserError

_HDF5, _ZIP, _PICKLE = b"\x89HDF", b"PK\x03\x04", b"\x80"
_FORMATS = ".weights.h5, .h5, .keras, .safetensors, .pth, .pth.tar, or one of them in a .zip"


class Tensors(NamedTuple):
    """What a weights file holds.

    Attributes:
        arrays: dict from name to array, in the order of the file.
        layout: "torch" for PyTorch's names and axes; else Keras' axes, and "slots" for names `layer/0`, `layer/1`,
            "variables" for names `layer/kernel`, "topological" for those of a Keras 2 file.
        layers: names of all layers, those without weights too, where the file tells them.
    """

    arrays: dict[str, np.ndarray]
    layout: str
    layers: tuple[str, ...] = ()


def read(path):
    """Returns the `Tensors` of a weights file.

    Raises:
        UserError: if the file is damaged, of no known format, or holds more than tensors, naming it.
    """
    try:
        return _read(Path(path).read_bytes())
    except UserError as error:
        raise UserError(f"The weights file {path} cannot be used: {error}") from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"The weights file {path} cannot be read, it may be truncated: {reason}") from error


def unzipped(source):
    """Returns the bytes of the one file inside a zip archive, given its path or a binary file.

    Raises:
        UserError: if there is not exactly one.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            if len(names) != 1:
                raise UserError(f"a .zip must hold one weights file, and this has {len(names)}")
            return archive.read(names[0])
    except zipfile.BadZipFile as error:
        raise UserError(f"it is no whole .zip ({error})") from error


def _read(content):
    if content.startswith(_HDF5):
        with h5py.File(io.BytesIO(content)) as file:
            return _read_h5(file)
    if content.startswith(_ZIP):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if "model.weights.h5" in names:
                return _read(archive.read("model.weights.h5"))
        if any(name.endswith("/data.pkl") for name in names):
            return _read_torch(content)
        return _read(unzipped(io.BytesIO(content)))
    if content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content):
        return _read_safetensors(content)
    if content.startswith(_PICKLE):
        return _read_torch(content)
    kind = "a web page" if content.lstrip()[:1] == b"<" else "neither of " + _FORMATS
    raise UserError(f"it is {kind} (its first bytes are {content[:12]!r})")


def _read_h5(file):
    group = file.get("model_weights", file)
    if "layer_names" in group.attrs:
        layers = tuple(map(_text, group.attrs["layer_names"]))
        arrays = {
            re.sub(r":\d+$", "", _text(name)): np.asarray(group[layer][_text(name)])
            for layer in layers
            for name in group[layer].attrs["weight_names"]
        }
        return Tensors(arrays, "topological", layers)
    if "layers" not in file:
        raise UserError("it is an .h5 file, but not one of Keras' weights")
    arrays, layers = {}, []
    for group in file["layers"].values():
        name = _text(group["vars"].attrs["name"])
        layers.append(name)
        group.visititems(lambda path, item, name=name: _collect(arrays, name, path, item))
    return Tensors(arrays, "slots", tuple(layers))


def _collect(arrays, layer, path, item):
    # The states of random generators are no weights.
    if isinstance(item, h5py.Dataset) and "seed_generator" not in path:
        arrays[f"{layer}/{path.replace('vars/', '')}"] = np.asarray(item)


def _text(name):
    return name.decode() if isinstance(name, bytes) else str(name)


def _read_safetensors(content):
    try:
        import safetensors.numpy
    except ImportError as error:
        raise UserError("reading .safetensors needs the extra [hub]: pip install 'keras_lightnets[hub]'") from error
    try:
        arrays = safetensors.numpy.load(content)
    except safetensors.SafetensorError as error:
        raise UserError(f"it is no whole .safetensors file ({error})") from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = header.get("__metadata__", {})
    if metadata.get("format") == "keras_lightnets":
        return Tensors(arrays, "variables", tuple(json.loads(metadata["layers"])))
    return Tensors(_plain(arrays), "torch")


def _read_torch(content):
    try:
        import torch
    except ImportError as error:
        raise UserError(
            "reading PyTorch files needs the extra [torch]: pip install 'keras_lightnets[torch]'"
        ) from error
    try:
        with warnings.catch_warnings(action="ignore"):
            state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).split("WeightsUnpickler error:")[-1].split("\n")[0].strip()
        raise UserError(
            f"it holds more than tensors, which is not run ({reason}); save the state_dict alone if you trust it"
        ) from error
    except RuntimeError as error:
        raise UserError(f"PyTorch cannot read it, it may be truncated ({str(error).splitlines()[0]})") from error
    while isinstance(state, dict) and (inner := next((key for key in ("state_dict", "model") if key in state), None)):
        state = state[inner]
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise UserError("it holds no state_dict: a dict of tensors, or one with a state_dict inside")
    return Tensors(_plain({name: tensor.detach().float().numpy() for name, tensor in state.items()}), "torch")


def _plain(arrays):
    """Without the prefix of parallel training, and the counters that Keras' batch normalisation does not have."""
    if all(name.startswith("module.") for name in arrays):
        arrays = {name.removeprefix("module."): array for name, array in arrays.items()}
    return {name: array for name, array in arrays.items() if not name.endswith("num_batches_tracked")}
