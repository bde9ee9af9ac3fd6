"""Parameters and multiply-adds of a model, layer by layer, from shapes alone."""

import math
from typing import NamedTuple

import keras

from keras_lightnets.layers import AxialDepthwiseConv2D, DynamicShiftMax


class LayerCost(NamedTuple):
    """Cost of one layer: `madds` of its convolutions and dense products, `mix_madds` of Dynamic Shift-Max's mixing."""

    name: str
    kind: str
    output_shape: tuple
    params: int
    madds: int
    mix_madds: int


class Complexity(NamedTuple):
    """Cost of a model: trainable parameters, other numbers, multiply-adds at batch 1, and the layers they come from."""

    params: int
    non_trainable_params: int
    madds: int
    mix_madds: int
    layers: tuple[LayerCost, ...]


def complexity(model):
    """Counts the parameters and multiply-adds of a functional model.

    Multiply-adds are those of convolutions and dense layers at batch 1, and apart from them (`mix_madds`) Dynamic
    Shift-Max's multiplies of pixels by coefficients. Normalisation, biases, pooling and activations count nothing.

    Args:
        model: a built functional `keras.Model` with one image input. Where its height and width are unknown, it is
            counted at 224x224.

    Returns:
        A `Complexity`.

    Raises:
        ValueError: if the model has several inputs.

    Example:

    >>> keras_lightnets.complexity(keras_lightnets.MicroNetM0(weights=None)).params
    1019590
    """
    if len(model.inputs) != 1:
        raise ValueError(f"`complexity` counts models with one input. Received: {len(model.inputs)} inputs")
    shape = [224 if side is None else side for side in model.inputs[0].shape[1:]]
    taps = keras.Model(model.inputs, [layer.output for layer in model.layers])
    shapes = taps.compute_output_shape((1, *shape))
    costs = tuple(_layer_cost(*pair) for pair in zip(model.layers, shapes, strict=True))
    trainable = sum(math.prod(w.shape) for w in model.trainable_weights)
    return Complexity(
        params=trainable,
        non_trainable_params=sum(math.prod(w.shape) for w in model.non_trainable_weights),
        madds=sum(cost.madds for cost in costs),
        mix_madds=sum(cost.mix_madds for cost in costs),
        layers=costs,
    )


def _layer_cost(layer, output_shape):
    madds = mix = 0
    if isinstance(layer, DynamicShiftMax):
        madds = math.prod(layer.squeeze.kernel.shape) + math.prod(layer.excite.kernel.shape)
        mix = 2 * layer.pieces * math.prod(output_shape)
    elif isinstance(layer, keras.layers.DepthwiseConv2D | AxialDepthwiseConv2D):
        madds = math.prod(output_shape) * math.prod(layer.kernel.shape[:2])
    elif isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
        madds = math.prod(output_shape) * math.prod(layer.kernel.shape[:-1])
    params = sum(math.prod(w.shape) for w in layer.trainable_weights)
    return LayerCost(layer.name, type(layer).__name__, tuple(output_shape), params, madds, mix)
