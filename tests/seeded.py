"""Weights made from names: the same numbers on every machine, healthy enough that every layer moves the output."""

import zlib

import numpy as np


def seeded_array(path, shape):
    """Returns the float32 array for the variable at `path`, a Keras variable path without the model's name."""
    # The legacy generator is frozen: its streams never change between NumPy versions.
    random = np.random.RandomState(zlib.crc32(path.encode()))
    kind = path.rsplit("/", 1)[-1]
    if kind == "gamma":
        array = random.uniform(0.8, 1.2, shape)
    elif kind == "moving_variance":
        array = random.uniform(0.7, 1.4, shape)
    elif kind in ("beta", "moving_mean", "bias"):
        array = 0.2 * random.standard_normal(shape)
    else:
        # A depthwise kernel (height, width, channels, multiplier) sums over its window only.
        depthwise = "depthwise" in path or kind == "depthwise_kernel" or "stem_1x3" in path
        fan_in = np.prod(shape[:2] if depthwise else shape[:-1])
        array = random.standard_normal(shape) * np.sqrt(2.0 / fan_in)
    return array.astype("float32")


def seed_weights(model):
    """Gives every variable of `model` its seeded array, except the states of random generators."""
    for variable in model.variables:
        if not variable.path.rsplit("/", 1)[-1].startswith("seed_generator"):
            variable.assign(seeded_array(variable.path, variable.shape))


def seeded_images(shape, seed=0):
    """Returns float32 images with standard normal pixels."""
    return np.random.RandomState(seed).standard_normal(shape).astype("float32")
