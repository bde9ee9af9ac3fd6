"""The HDF5 files of Keras 2 and 3."""

import contextlib
import io
import math
import re

import h5py

from keras_lightnets.errors import UserError
from keras_lightnets.weights.readers.tensors import Tensors, bfloat16, check_size, check_type

# How a heap of texts of variable length begins.
_HEAP = b"GCOL\x01\0\0\0"


def read_hdf5(content):
    """Returns the `Tensors` of an HDF5 file, given its bytes."""
    with _opened(content) as file:
        group = file.get("model_weights", file)
        if "layer_names" in group.attrs:
            return _read_topological(group)
        if "layers" not in file:
            raise UserError("it is an .h5 file, but not one of Keras' weights")
        return _read_slots(file["layers"])


def check_hdf5(content):
    """Refuses an HDF5 file, given its bytes, in which anything is not stored in the file itself, once and whole."""
    with _opened(content):
        pass


@contextlib.contextmanager
def _opened(content):
    _check_heaps(content)
    with h5py.File(io.BytesIO(content)) as file:
        _check(file, len(content))
        yield file


def _check_heaps(content):
    """Refuses a heap of texts with a free block of no bytes, over which the library would walk for ever."""
    start = content.find(_HEAP)
    while start >= 0:
        end = start + int.from_bytes(content[start + 8 : start + 16], "little")
        block = start + 16
        while block + 16 <= min(end, len(content)):
            size = int.from_bytes(content[block + 8 : block + 16], "little")
            used = content[block : block + 2] != bytes(2)
            if not used and size == 0:
                raise UserError("it is damaged: it has a heap that never ends")
            block += 16 + -(-size // 8) * 8 if used else size
        start = content.find(_HEAP, start + 1)


def _check(file, size):
    declared, seen, groups = 0, {_address(file)}, [file]
    while groups:
        group = groups.pop()
        for name in group:
            place = f"{group.name.rstrip('/')}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise UserError(f"{place!r} is a link to another place or file, which is not followed")
            item = group[name]
            if _address(item) in seen:
                raise UserError(f"{place!r} is there under another name too")
            seen.add(_address(item))
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif isinstance(item, h5py.Dataset):
                _check_storage(place, item)
                declared += item.nbytes
    check_size(declared, size)


def _address(item):
    return h5py.h5o.get_info(item.id).addr


def _check_storage(place, dataset):
    if dataset.external or dataset.is_virtual:
        raise UserError(f"the values of {place!r} are in another file, which is not read")
    if dataset.shape is None:
        raise UserError(f"{place!r} has no values")
    parts, written = 1, dataset.id.get_storage_size() > 0
    if dataset.chunks:
        parts = math.prod(math.ceil(side / chunk) for side, chunk in zip(dataset.shape, dataset.chunks, strict=True))
        written = dataset.id.get_num_chunks()
    if dataset.size and written < parts:
        raise UserError(f"values of {place!r}, of shape={dataset.shape}, were never written")


def _read_topological(group):
    layers, arrays = tuple(map(_text, group.attrs["layer_names"])), {}
    for layer in layers:
        for name in map(_text, group[layer].attrs["weight_names"]):
            _add(arrays, re.sub(r":\d+$", "", name), group[layer][name])
    return Tensors(arrays, "topological", layers)


def _read_slots(groups):
    layers, arrays = [], {}
    for group in groups.values():
        name = _text(group["vars"].attrs["name"])
        if name in layers:
            raise UserError(f"it has two layers of the name {name!r}")
        layers.append(name)
        group.visititems(lambda path, item, name=name: _collect(arrays, name, path, item))
    return Tensors(arrays, "slots", tuple(layers))


def _collect(arrays, layer, path, item):
    # The states of random generators are no weights.
    if isinstance(item, h5py.Dataset) and "seed_generator" not in path:
        _add(arrays, f"{layer}/{path.replace('vars/', '')}", item)


def _add(arrays, name, dataset):
    if name in arrays:
        raise UserError(f"it has two tensors of the name {name!r}")
    if dataset.attrs.get("dtype") == "bfloat16" and dataset.dtype.itemsize == 2:
        arrays[name] = bfloat16(dataset[()])
    else:
        check_type(name, dataset.dtype)
        arrays[name] = dataset[()]


def _text(name):
    return name.decode() if isinstance(name, bytes) else str(name)
