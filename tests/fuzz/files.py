"""Images, weight files and models: how they are made and opened, and what must hold if they are not refused."""

import contextlib
import functools
import importlib.util
import io
import json
import os
import pickle
import sys
import zlib

import h5py
import keras
import numpy as np
from PIL import Image

from keras_lightnets.errors import UserError
from tests.fuzz.samples import checksums_hold, png_is_whole, tiny_network
from tests.fuzz.target import Target, expect

# Images.


def _images(folder):
    noise = Image.effect_noise((21, 30), 80)
    photo = Image.merge("RGB", (noise, noise.rotate(90, expand=False), noise.rotate(180)))
    exif = Image.Exif()
    exif[0x0112] = 6
    palette = photo.quantize(16)
    palette.info["transparency"] = 3
    files = {
        "photo.jpg": (photo, {"exif": exif}),
        "cmyk.jpg": (photo.convert("CMYK"), {}),
        "colour.png": (photo, {}),
        "alpha.png": (Image.merge("RGBA", (*photo.split(), noise)), {}),
        "palette.png": (palette, {}),
        "deep.png": (Image.fromarray((np.arange(630).reshape(30, 21) * 100).astype("uint16")), {}),
        "colour.bmp": (photo, {}),
        "palette.gif": (palette, {}),
        "colour.webp": (photo, {}),
        "colour.tif": (photo, {}),
        "packed.tiff": (photo, {"compression": "tiff_lzw"}),
    }
    for name, (image, arguments) in files.items():
        image.save(folder / name, **arguments)
    return {name: (folder / name).read_bytes() for name in files}


@functools.cache
def _in_graph():
    """The way of the input pipeline to the pixels."""
    import tensorflow as tf

    from keras_lightnets.data.images import decode_window

    def whole(shape):
        return tf.stack([0, 0, shape[0], shape[1]])

    return tf.function(lambda content: decode_window(content, whole), [tf.TensorSpec((), tf.string)])


def _check_image(path):
    import tensorflow as tf

    from keras_lightnets.data.images import read_image

    content = path.read_bytes()
    try:
        shown = _in_graph()(tf.constant(content)).numpy()
    except tf.errors.OpError:
        shown = None
    try:
        pixels = read_image(path)
    except UserError:
        expect(shown is None, "training takes an image that is refused elsewhere")
        raise
    expect(shown is not None, "training refuses an image that is read elsewhere")
    expect(pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3, f"{pixels.dtype} {pixels.shape}")
    expect(np.array_equal(pixels, shown), "training sees other pixels")
    if path.suffix == ".png":
        expect(png_is_whole(content), "a PNG with a wrong checksum was read")


# Weights.


def _keras_weights(folder):
    network = tiny_network()
    network.save_weights(folder / "three.weights.h5")
    keras.saving.save_model(network, folder / "two.h5")
    return {name: (folder / name).read_bytes() for name in ("three.weights.h5", "two.h5")}


def _safetensors(folder):
    import safetensors.numpy

    from keras_lightnets.weights import save_safetensors

    save_safetensors(tiny_network(), folder / "ours.safetensors")
    state = {"conv.weight": np.ones((2, 3, 1, 1), "f4"), "conv.bias": np.arange(2, dtype="f4")}
    safetensors.numpy.save_file({**state, "half": np.ones(3, "f2")}, folder / "torch.safetensors")
    return {name: (folder / name).read_bytes() for name in ("ours.safetensors", "torch.safetensors")}


def _pth(folder):
    import torch

    state = {"conv.weight": torch.arange(24.0).reshape(2, 3, 2, 2), "conv.bias": torch.ones(2)}
    torch.save({"state_dict": state, "epoch": 3}, folder / "zip.pth")
    torch.save(state, folder / "old.pth", _use_new_zipfile_serialization=False)
    return {name: (folder / name).read_bytes() for name in ("zip.pth", "old.pth")}


def _pdparams(folder):
    state = {"conv.weight": np.arange(24, dtype="f4").reshape(2, 3, 2, 2), "conv.bias": np.ones(2, "f4")}
    for protocol in (2, 4, 5):
        (folder / f"{protocol}.pdparams").write_bytes(pickle.dumps(state, protocol))
    return {f"{protocol}.pdparams": (folder / f"{protocol}.pdparams").read_bytes() for protocol in (2, 4, 5)}


@functools.cache
def _receiver():
    return tiny_network()


def _check_weights(path):
    from keras_lightnets.weights import load_safetensors, readers

    network = _receiver()
    network.set_weights([np.full(array.shape, -7.0) for array in network.get_weights()])
    try:
        tensors = readers.read(path)
    except UserError:
        with contextlib.suppress(UserError):
            load_safetensors(network, path)
            expect(False, "a file was loaded that is refused elsewhere")
        raise
    for name, array in tensors.arrays.items():
        expect(array.dtype.kind in "fiub", f"{name} has the type {array.dtype}")
        expect(np.isfinite(array).all(), f"{name} is not finite")
    content = path.read_bytes()
    if content.startswith(b"PK"):
        expect(checksums_hold(path), "an archive with a wrong checksum was read")
    elif path.suffix == ".h5":
        known = _h5_values(content)
        wrong = [name for name, array in tensors.arrays.items() if _value(array) not in known]
        expect(not wrong, f"{wrong} is nowhere in the file")
    elif path.suffix == ".safetensors":
        known = _safetensors_values(content)
        wrong = [name for name, array in tensors.arrays.items() if known[name] != _value(array)]
        expect(not wrong, f"{wrong} differs from the file")
    if path.suffix != ".pth" and path.name != "torch.safetensors":
        load_safetensors(network, path)
        held = {_value(array) for array in tensors.arrays.values() if array.dtype.kind == "f"}
        expect(all(_value(array) in held for array in network.get_weights()), "a weight is not that of the file")


def _value(array):
    return array.shape, array.astype("f4").tobytes()


def _h5_values(content):
    values = []
    with h5py.File(io.BytesIO(content)) as file:
        # Group by group: `visititems` fails where damage leaves the values whole.
        groups = [file]
        while groups:
            for item in groups.pop().values():
                if isinstance(item, h5py.Group):
                    groups.append(item)
                elif isinstance(item, h5py.Dataset):
                    values.append(_value(item[()]))
    return values


def _safetensors_values(content):
    size = int.from_bytes(content[:8], "little")
    values, types = {}, {"F64": "f8", "F32": "f4", "F16": "f2"}
    for name, entry in json.loads(content[8 : 8 + size]).items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            array = np.frombuffer(content[8 + size + start : 8 + size + end], types[entry["dtype"]])
            values[name] = _value(array.reshape(entry["shape"]))
    return values


# Models.

_METADATA = {"labels": ["a", "b", "c"], "input": {"size": 16, "mean": [0, 0, 0], "std": [1, 1, 1]}}


def _keras_models(folder):
    from keras_lightnets.files import add_metadata

    tiny_network().save(folder / "model.keras")
    add_metadata(folder / "model.keras", _METADATA)
    return {"model.keras": (folder / "model.keras").read_bytes()}


def _tflite_models(folder):
    from keras_lightnets.export import interpreter, to_tflite
    from keras_lightnets.files import add_metadata

    network, images = tiny_network(), np.random.RandomState(0).standard_normal((8, 16, 16, 3)).astype("f4")
    to_tflite(network, folder / "float.tflite")
    to_tflite(network, folder / "int8.tflite", quantization="int8", representative_data=images)
    for name in ("float.tflite", "int8.tflite"):
        add_metadata(folder / name, _METADATA)
    interpreter._try_in_child = functools.partial(_try_in_fork, interpreter._try_in_child)
    return {name: (folder / name).read_bytes() for name in ("float.tflite", "int8.tflite")}


def _try_in_fork(in_child, path):
    """Does what `in_child` does in a hundredth of the time, but for one file in a hundred."""
    from keras_lightnets.export import trial

    if zlib.crc32(path.read_bytes()) % 100 == 0:
        return in_child(path)
    pid = os.fork()
    if not pid:
        sys.argv, status = ["trial.py", str(path)], 1
        with contextlib.suppress(BaseException):
            trial.main()
            status = 0
        os._exit(status)
    if os.waitpid(pid, 0)[1]:
        raise UserError(f"{path} is damaged.")
    return None


def _check_model(path):
    from keras_lightnets.evaluation.opening import ModelFile

    model = ModelFile(path)
    metadata = model.metadata
    expect(len(metadata.labels) == 3 and min(metadata.preprocessing.std) > 0, f"metadata {metadata}")
    scores = model.predict(metadata.preprocessing(np.full((2, 16, 16, 3), 100, "f4")))
    expect(scores.shape == (2, 3) and np.isfinite(scores).all(), f"scores {scores}")
    if path.suffix == ".keras":
        expect(checksums_hold(path), "an archive with a wrong checksum was read")
        for weights in model.network.get_weights():
            expect(np.isfinite(weights).all(), "a weight is not finite")


TARGETS = {
    "images": Target(_images, _check_image, quick=250),
    "h5": Target(_keras_weights, _check_weights),
    "safetensors": Target(_safetensors, _check_weights),
    "pdparams": Target(_pdparams, _check_weights),
    **({"pth": Target(_pth, _check_weights)} if importlib.util.find_spec("torch") else {}),
    "keras": Target(_keras_models, _check_model, quick=60),
    "tflite": Target(_tflite_models, _check_model, quick=80),
}
