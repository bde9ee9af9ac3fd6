"""What is damaged, how it is opened, and what must hold if it is not refused."""

import contextlib
import functools
import importlib.util
import io
import json
import os
import pickle
import re
import sys
import tomllib
import zipfile
import zlib

import h5py
import keras
import numpy as np
from PIL import Image

from keras_lightnets.errors import UserError
from tests.fuzz.target import Target, expect


def _checksums_hold(path):
    """Whether every member of an archive has its checksum; for what zipfile cannot open, False."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:
        return False


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
        expect(_png_is_whole(content), "a PNG with a wrong checksum was read")


def _png_is_whole(content):
    """Whether every chunk that decides the pixels has its checksum."""
    start, kind = 8, b""
    while start < len(content) and kind != b"IEND":
        size, kind = int.from_bytes(content[start : start + 4]), content[start + 4 : start + 8]
        body, checksum = content[start + 4 : start + 8 + size], content[start + 8 + size : start + 12 + size]
        if kind in (b"IHDR", b"PLTE", b"IDAT") and zlib.crc32(body).to_bytes(4) != checksum:
            return False
        start += 12 + size
    return True


# Weights.


def _network():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3), name="images")
    x = keras.layers.Conv2D(4, 3, strides=4, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="logits")(x), name="tiny")


def _keras_weights(folder):
    network = _network()
    network.save_weights(folder / "three.weights.h5")
    keras.saving.save_model(network, folder / "two.h5")
    return {name: (folder / name).read_bytes() for name in ("three.weights.h5", "two.h5")}


def _safetensors(folder):
    import safetensors.numpy

    from keras_lightnets.weights import save_safetensors

    save_safetensors(_network(), folder / "ours.safetensors")
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
    return _network()


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
        expect(_checksums_hold(path), "an archive with a wrong checksum was read")
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
        file.visititems(lambda _, item: values.append(_value(item[()])) if isinstance(item, h5py.Dataset) else None)
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

    _network().save(folder / "model.keras")
    add_metadata(folder / "model.keras", _METADATA)
    return {"model.keras": (folder / "model.keras").read_bytes()}


def _tflite_models(folder):
    from keras_lightnets.export import interpreter, to_tflite
    from keras_lightnets.files import add_metadata

    network, images = _network(), np.random.RandomState(0).standard_normal((8, 16, 16, 3)).astype("f4")
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
        expect(_checksums_hold(path), "an archive with a wrong checksum was read")
        for weights in model.network.get_weights():
            expect(np.isfinite(weights).all(), "a weight is not finite")


# Settings.


def _recipes(folder):
    text = (
        'model = "MicroNetM0"\ndata = "photos"\nsize = 64\nepochs = 3\nbatch_size = 8\noptimizer = "adamw"\n'
        'learning_rate = 0.01\nschedule = "step"\nstep_epochs = 1.5\nflip = false\nema = 0.9\ncrop_area = 0.3\n'
        'holdout = 0.1\nstrategy = "none"\n\n[about]\nsource = "here"\ntop1 = 0.5\n'
    )
    return {"recipe.toml": text.encode()}


def _check_recipe(path):
    from keras_lightnets.training import load_recipe

    _check_config(load_recipe(str(path)), tomllib.loads(path.read_text("utf-8")))


def _check_config(config, values):
    config.record  # noqa: B018
    for name, value in values.items():
        found = getattr(config, name)
        expect(found == value, f"{name} is {found!r}, not {value!r}")
        if isinstance(found, int | float):
            expect(np.isfinite(found), f"{name} is {found}")


def _set_values(folder):
    values = {"size": "64", "learning_rate": "0.01", "flip": "false", "model": "MicroNetM1", "optimizer": "sgd"}
    return {"set.json": json.dumps(values).encode()}


def _check_set(path):
    from keras_lightnets.training import load_recipe

    try:
        values = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        # A command line has nothing but text.
        return
    config = load_recipe("cifar10", **values)
    _check_config(config, {})
    for name, value in values.items():
        found = getattr(config, name)
        expect(found == value if isinstance(found, str) else found == tomllib.loads(f"x = {value}")["x"], name)


def _clusters(folder):
    workers = {"cluster": {"worker": ["127.0.0.1:40001", "127.0.0.1:40002"]}, "task": {"type": "worker", "index": 1}}
    slurm = {
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_STEP_NODELIST": "gpu[1-2,07],rack3",
        "SLURM_STEP_TASKS_PER_NODE": "1(x4)",
        "SLURM_PROCID": "1",
        "SLURM_JOB_ID": "12345",
    }
    return {
        "TF_CONFIG.json": json.dumps({"TF_CONFIG": json.dumps(workers)}).encode(),
        "SLURM_.json": json.dumps(slurm).encode(),
    }


def _check_cluster(path):
    from keras_lightnets.training import distribution

    names = re.compile("TF_CONFIG|SLURM_")
    for name in [name for name in os.environ if names.match(name)]:
        del os.environ[name]
    try:
        values = json.loads(path.read_bytes())
        os.environ.update({name: value.replace("\x00", "") for name, value in values.items() if names.match(name)})
    except (ValueError, AttributeError, RecursionError):
        # Not what an environment can hold.
        return
    cluster = distribution._cluster()
    if cluster is not None:
        addresses, worker = cluster
        expect(0 <= worker < len(addresses), f"worker {worker} of {len(addresses)}")
        expect(all(re.fullmatch(r"[^\s:]+:\d+", address) for address in addresses), f"addresses {addresses}")


# Checkpoints.

_SETTINGS = {"model": "MicroNetM0", "seed": 3}


def _checkpoints(folder):
    from keras_lightnets.training.checkpoint import Checkpoint

    checkpoint = Checkpoint(folder / "run", _SETTINGS)
    checkpoint.open(["a.png"])
    network = _trained()
    checkpoint.history.append({"epoch": 1, "val_accuracy": 0.5, "val_loss": 1.0})
    checkpoint.save(network, 1, "fine")
    checkpoint.keep(network)
    checkpoint.close()
    names = ("run.json", "last.npz", "kept.npz")
    return {f"run/checkpoint/{name}": (folder / "run" / "checkpoint" / name).read_bytes() for name in names}


@functools.cache
def _trained():
    network = _network()
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    network.train_on_batch(np.zeros((2, 16, 16, 3), "f4"), np.zeros(2))
    return network


def _check_checkpoint(path):
    from keras_lightnets.training.checkpoint import Checkpoint

    checkpoint = Checkpoint(path.parents[1], _SETTINGS)
    checkpoint.check(resume=True)
    try:
        checkpoint.open(["a.png"])
        for restore in (lambda network: checkpoint.restore(network, checkpoint.phase), checkpoint.load_kept):
            restore(_trained())
            expect(all(np.isfinite(array).all() for array in _trained().get_weights()), "a weight is not finite")
    finally:
        checkpoint.close()
    expect(isinstance(checkpoint.step, int) and checkpoint.step >= 0, f"step {checkpoint.step!r}")
    expect(all(isinstance(epoch, dict) for epoch in checkpoint.history), f"history {checkpoint.history!r}")
    if path.suffix == ".npz":
        expect(_checksums_hold(path), "an archive with a wrong checksum was read")


def _reports(folder):
    from keras_lightnets.weights.records import shipped

    (folder / "done").mkdir()
    return {"done/report.json": (shipped.FOLDER / "MicroNetM0" / "report.json").read_bytes()}


def _check_report(path):
    from keras_lightnets.training.compare import _row, read_runs

    (report,) = read_runs([path.parent])
    row = _row(path.parent, report)
    for name in ("top1", "parameters", "madds", "latency_ms", "size_bytes"):
        expect(isinstance(row[name], int | float) and np.isfinite(row[name]), f"{name} is {row[name]!r}")


TARGETS = {
    "images": Target(_images, _check_image, quick=250),
    "h5": Target(_keras_weights, _check_weights),
    "safetensors": Target(_safetensors, _check_weights),
    "pdparams": Target(_pdparams, _check_weights),
    **({"pth": Target(_pth, _check_weights)} if importlib.util.find_spec("torch") else {}),
    "keras": Target(_keras_models, _check_model, quick=60),
    "tflite": Target(_tflite_models, _check_model, quick=80),
    "recipe": Target(_recipes, _check_recipe, named=False),
    "set": Target(_set_values, _check_set, named=False),
    "cluster": Target(_clusters, _check_cluster, named=False),
    "checkpoint": Target(_checkpoints, _check_checkpoint),
    "report": Target(_reports, _check_report),
}
