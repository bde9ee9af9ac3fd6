"""Weights made from names: the same numbers on every machine, healthy enough that every layer moves the output."""

import warnings
import zlib

import keras
import numpy as np

from keras_lightnets.layers import AxialDepthwiseConv2D, MicroFactorizedDepthwiseConv2D

_DEPTHWISE = keras.layers.DepthwiseConv2D | AxialDepthwiseConv2D | MicroFactorizedDepthwiseConv2D


def seeded_array(path, shape, scale=1.0, depthwise=False):
    """Returns the float32 array for the Keras variable at `path`.

    Args:
        path: str, path of the variable.
        shape: tuple, its shape.
        scale: the standard deviation that the statistics of a batch normalisation shall describe. Defaults to 1.
        depthwise: bool, whether the variable is a kernel `(height, width, channels, multiplier)`, which sums over its
            window only. Defaults to False.
    """
    # The legacy generator is frozen: its streams never change between NumPy versions.
    random = np.random.RandomState(zlib.crc32(path.encode()))
    kind = path.rsplit("/", 1)[-1]
    if kind == "gamma":
        array = random.uniform(0.8, 1.2, shape)
    elif kind == "moving_variance":
        array = scale**2 * random.uniform(0.7, 1.4, shape)
    elif kind == "moving_mean":
        array = scale * 0.2 * random.standard_normal(shape)
    elif kind in ("beta", "bias"):
        array = 0.2 * random.standard_normal(shape)
    else:
        fan_in = np.prod(shape[:2] if depthwise else shape[:-1])
        array = random.standard_normal(shape) / np.sqrt(fan_in)
    return array.astype("float32")


def seed_weights(model, scales):
    """Gives every variable of `model` its seeded array, except the states of random generators.

    Args:
        model: a Keras model or layer.
        scales: dict from layer name to the scale of its batch normalisation; 1 where missing.

    Returns:
        The arrays, a dict by path of the variable.
    """
    variables = {v.path: v for v in model.variables if "seed_generator" not in v.path}
    layers = [layer for layer in getattr(model, "layers", [model]) if isinstance(layer, _DEPTHWISE)]
    depthwise = {weight.path for layer in layers for weight in layer.weights}
    arrays = {
        path: seeded_array(path, variable.shape, scales.get(path.split("/")[0], 1.0), path in depthwise)
        for path, variable in variables.items()
    }
    for path, variable in variables.items():
        variable.assign(arrays[path])
    return arrays


def calibrated_scales(model, images):
    """Returns the scales that keep the output of every batch normalisation near a standard deviation of one.

    Without them the signal of a deep network with random weights explodes or vanishes, and a comparison proves nothing.
    """
    scales = {}
    seed_weights(model, scales)

    def calibrating(layer, call):
        def calibrated_call(*args, **kwargs):
            features = keras.ops.convert_to_numpy(call(*args, **kwargs))
            scales[layer.name] = float(f"{features.std():.3g}")
            seed_weights(layer, scales)
            return call(*args, **kwargs)

        return calibrated_call

    # A single eager pass: whatever stands before a layer is calibrated when its turn comes.
    normalizations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in normalizations:
        layer.call = calibrating(layer, layer.call)
    model(images)
    for layer in normalizations:
        del layer.call
    return scales


def seeded_images(shape, seed=0):
    """Returns float32 images with standard normal pixels."""
    return np.random.RandomState(seed).standard_normal(shape).astype("float32")


def run(model, images):
    """Returns the outputs of `model` for one batch as arrays, without a graph, which would take seconds to trace."""
    # Fused models have a list of one input, which Keras remarks on.
    with warnings.catch_warnings(action="ignore"):
        return keras.tree.map_structure(keras.ops.convert_to_numpy, model(images, training=False))
