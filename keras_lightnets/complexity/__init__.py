"""What a model costs, layer by layer, from shapes alone: parameters, multiply-adds, memory and traffic."""

import math
import sys
import types

import keras

from keras_lightnets.complexity.calls import read_calls
from keras_lightnets.complexity.memory import plan
from keras_lightnets.complexity.parts import parts
from keras_lightnets.complexity.records import Complexity as Complexity
from keras_lightnets.complexity.records import LayerCost as LayerCost
from keras_lightnets.complexity.records import PartCost as PartCost
from keras_lightnets.complexity.rules import products
from keras_lightnets.graph import functional
from keras_lightnets.warning import warn

_SIDE = 224


def complexity(model: keras.Model, input_shape: tuple | list | None = None) -> Complexity:
    """Counts what one image costs in a functional model.

    Multiply-adds are counted for convolutions and dense layers at batch 1. `mix_madds` counts Dynamic Shift-Max's
    multiplies of pixels by coefficients apart. Normalisation, biases, pooling and activations count nothing.

    Bytes are for float32. Normalisation, activations, dropout, padding and reshapes count as done in place, if nothing
    else reads their input. Every other layer reads its inputs and its weights once, and writes its outputs once.
    `peak_memory` is the most that the activations take at one time. Layers run one after another in Keras' order. A
    tensor, the image too, is kept from the layer that writes it to the last layer that reads it.

    Args:
        model: `keras.Model`, models inside it included: functional, or `Sequential`, or subclassed and called before.
        input_shape: tuple `(height, width, channels)` to count at. For several inputs, a list of tuples. Defaults to
            None: the model's own, with 224 where it is open.

    Returns:
        A `Complexity`.

    Raises:
        UserError: if the shape of the model's input is unknown, or the model does not take `input_shape`.

    Warns:
        UserWarning: names the layers that it cannot count. They are in `unknown`, and in no sum.

    Example:

    >>> keras_lightnets.complexity(keras_lightnets.MicroNetM0(weights=None)).params
    1019590
    """
    model = functional(model)
    calls = read_calls(model, input_shape, _SIDE)
    counted = [products(call) for call in calls]
    layers, seen = [], set()
    for call, part, memory, product in zip(calls, parts(calls, counted), plan(calls), counted, strict=True):
        own = {id(weight): math.prod(weight.shape) for weight in getattr(call.operation, "trainable_weights", ())}
        madds, mix = product or (0, 0)
        layers.append(
            LayerCost(
                name=call.name,
                kind=type(call.operation).__name__,
                output_shape=tuple(call.outputs[0].shape),
                params=sum(size for weight, size in own.items() if weight not in seen),
                madds=madds,
                mix_madds=mix,
                part=part,
                activations=sum(math.prod(tensor.shape) for tensor in call.outputs),
                bytes_moved=memory.moved,
                memory=memory.live,
            )
        )
        seen |= set(own)
    unknown = {layer.name: layer.kind for layer in layers if layer.part == "unknown"}
    if unknown:
        names = ", ".join(f"{name} ({kind})" for name, kind in unknown.items())
        warn(f"The multiply-adds of {model.name} lack these layers, which are unknown: {names}")
    return Complexity(
        params=sum(math.prod(weight.shape) for weight in model.trainable_weights),
        non_trainable_params=sum(math.prod(weight.shape) for weight in model.non_trainable_weights),
        madds=sum(layer.madds for layer in layers),
        mix_madds=sum(layer.mix_madds for layer in layers),
        layers=tuple(layers),
        name=model.name,
        peak_memory=max((layer.memory for layer in layers), default=0),
        unknown=tuple(unknown),
    )


class _Package(types.ModuleType):
    """This package, which is called like its function: `keras_lightnets.complexity(model)`."""

    def __call__(self, model, input_shape=None):
        return complexity(model, input_shape)


sys.modules[__name__].__class__ = _Package
