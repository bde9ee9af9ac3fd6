"""The files that the clients open: a released network in every arithmetic, photos, and what Python says of them."""

from pathlib import Path

import numpy as np
from PIL import Image

import keras_lightnets as kl
from keras_lightnets.data.windows import load_square
from keras_lightnets.export.metadata import Metadata
from keras_lightnets.preprocessing import IMAGENET_STATISTICS

SIZE = 32
LABELS = [f"class {number}" for number in range(10)]
# The arguments `quantization` and `io` of `to_tflite`, by file.
FILES = {
    "model_float32.tflite": (None, None),
    "model_float16.tflite": ("float16", None),
    "model_dynamic.tflite": ("dynamic", None),
    "model_int8.tflite": ("int8", None),
    "model_int8_ends.tflite": ("int8", "int8"),
}
# Height and width of the photos. The first two need no scaling.
_PHOTOS = {"square.png": (SIZE, SIZE), "wide.png": (SIZE, 3 * SIZE // 2), "large.png": (200, 300)}


def export(folder, names=tuple(FILES)):
    """Writes files of MicroNetM0, with the names of its classes, into a folder; returns the Keras model."""
    model = kl.MicroNetM0(weights="cifar10", classes=10, input_shape=(SIZE, SIZE, 3))
    about = Metadata("MicroNetM0", LABELS, SIZE, 1.0, IMAGENET_STATISTICS).to_dict()
    random = np.random.default_rng(1)
    images = IMAGENET_STATISTICS(np.stack([np.asarray(_photo(random, SIZE, SIZE), "float32") for _ in range(100)]))
    for name in names:
        kind, io = FILES[name]
        data = images if kind == "int8" else None
        kl.export.to_tflite(model, Path(folder) / name, kind, data, metadata=about, io=io)
    return model


def write_photos(folder):
    """Writes a square photo of the network's size, a photo of 3:2 as high, and a larger one; returns their paths."""
    random, paths = np.random.default_rng(0), [Path(folder) / name for name in _PHOTOS]
    for path, shape in zip(paths, _PHOTOS.values(), strict=True):
        _photo(random, *shape).save(path)
    return paths


def _photo(random, height, width):
    blocks = Image.fromarray(random.integers(0, 256, (4, 6, 3)).astype("uint8"))
    return blocks.resize((width, height), Image.Resampling.BICUBIC)


def squares(photos):
    """Returns the squares of photos that `predict` shows the network, uint8 `(n, SIZE, SIZE, 3)`."""
    return np.stack([load_square(photo, SIZE) for photo in photos])


def as_taken(file, photos):
    """Returns photos as a `ModelFile` takes them, in its own type, and its scores in the LiteRT interpreter."""
    images, taken = file.metadata.preprocessing(squares(photos)), file.network.ends[0]
    scores = file.predict(images)
    if taken["scale"]:
        limits = np.iinfo(taken["dtype"])
        images = np.clip(np.round(images / taken["scale"]) + taken["zero"], limits.min, limits.max)
    return images.astype(taken["dtype"]), scores


def as_scores(file, outputs):
    """Returns the scores that outputs mean, which a `ModelFile` gave in its own type."""
    given, outputs = file.network.ends[1], np.asarray(outputs, "float32")
    return (outputs - given["zero"]) * given["scale"] if given["scale"] else outputs
