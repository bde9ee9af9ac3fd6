"""What the tests of training share: a small data set of photos, the options of a short run, and a small model file."""

import keras
import numpy as np
from PIL import Image

from keras_lightnets.files import add_metadata
from tools.seeded import seed_weights

TINY = ("--recipe", "cifar10", "--model", "MobileNet-alpha=0.25", "--size", "32", "--batch-size", "16")


def write_images(folder, counts, suffix=".jpg"):
    """Writes images of a few classes, each of its own brightness, one folder a class."""
    random = np.random.default_rng(0)
    for part, count in counts.items():
        for number, name in enumerate("abc"):
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 60, (36, 40, 3)) + 80 * number
                Image.fromarray(pixels.astype("uint8")).save(folder / part / name / f"{i:03d}{suffix}")
    return folder


def small_network(size=16):
    """Returns a classifier of three classes, as `train` would save it."""
    inputs = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(12, 3, strides=2, padding="same", use_bias=False, name="stem")(inputs)
    x = keras.layers.ReLU(6.0, name="stem_act")(keras.layers.BatchNormalization(name="stem_norm")(x))
    x = keras.layers.Conv2D(24, 1, activation="relu", name="pointwise")(x)
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="head")(x), name="tiny")
    seed_weights(model, {})
    return model


def save_model(model, path, labels=("a", "b", "c")):
    """Writes a model as `train` does; photos are scaled as for MobileNet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    about = {"size": model.input_shape[1], "mean": [127.5] * 3, "std": [127.5] * 3}
    add_metadata(path, {"model": "MobileNet-alpha=0.25", "labels": list(labels), "input": about})
    return path
