"""Networks whose last features stay large, for segmentation: dilated convolutions in the place of strided ones."""

import keras

from keras_lightnets import graph
from keras_lightnets.applications.pyramid import strides_of
from keras_lightnets.errors import UserError
from keras_lightnets.layers import AxialDepthwiseConv2D, DepthwiseConv2D

_STRIDES = (8, 16)
_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, DepthwiseConv2D)
_POOLS = (keras.layers.AveragePooling2D, keras.layers.MaxPooling2D)


def with_output_stride(model: keras.Model, output_stride: int = 16) -> keras.Model:
    """Returns a copy of a network whose features are never smaller than `1 / output_stride` of the image.

    Layers that would stride further do not stride, and their kernels and those behind them are dilated instead, so that
    they see as much of the image as before. The strided convolution itself is dilated too, as torchvision has it.

    Args:
        model: a functional `keras.Model` with the image as its only input, such as the builders return. It is not
            changed.
        output_stride: 8 or 16. Defaults to 16.

    Returns:
        A functional `keras.Model` with the layers' names and copies of the weights of `model`.

    Raises:
        UserError: for another `output_stride`, or a model with a strided layer that cannot be dilated.

    Reference:
        Chen et al., DeepLab, 2016 (https://arxiv.org/abs/1606.00915), section 3.1.

    Example:

    >>> model = keras_lightnets.MobileNetV2(alpha=0.35, weights=None, include_top=False, input_shape=(64, 64, 3))
    >>> keras_lightnets.with_output_stride(model).output_shape
    (None, 4, 4, 1280)
    """
    if output_stride not in _STRIDES:
        raise UserError(f"`output_stride` must be one of {_STRIDES}. Received: output_stride={output_stride}")
    strides = strides_of(model)
    rates = {tensor: tuple(max(side // output_stride, 1) for side in sides) for tensor, sides in strides.items()}
    dilated = {
        call.inputs[0]
        for call in graph.calls(model)
        if isinstance(call.operation, _CONVOLUTIONS) and rates[call.outputs[0]] != (1, 1)
    }

    def visit(call, values):
        layer, rate = call.operation, rates[call.outputs[0]]
        if isinstance(layer, keras.layers.ZeroPadding2D) and call.outputs[0] in dilated:
            # The convolution behind it pads itself.
            return values
        if not isinstance(layer, keras.layers.Layer):
            return call.again(values)
        copy = _copied(layer) if rate == (1, 1) else _dilated(layer, rate, model.name)
        outputs = call.again(values, copy)
        copy.set_weights(layer.get_weights())
        return outputs

    image = keras.Input(batch_shape=model.input.shape, name=model.input.name)
    outputs = keras.tree.pack_sequence_as(model.output, graph.run(model, [image], visit))
    return keras.Model(image, outputs, name=model.name)


def _copied(layer):
    return type(layer).from_config(layer.get_config())


def _dilated(layer, rate, name):
    """Returns a layer without strides, whose kernel is dilated by `rate` along height and width."""
    config = layer.get_config()
    if isinstance(layer, AxialDepthwiseConv2D):
        length, axis = config.pop("kernel_size"), config.pop("axis")
        del config["stride"]
        window = (length, 1) if axis == "height" else (1, length)
        return keras.layers.DepthwiseConv2D(window, padding="same", dilation_rate=_along(window, rate), **config)
    if isinstance(layer, _POOLS):
        return type(layer).from_config({**config, "strides": (1, 1)})
    if type(layer) in _CONVOLUTIONS:
        along = _along(layer.kernel_size, rate)
        return type(layer).from_config({**config, "strides": (1, 1), "padding": "same", "dilation_rate": along})
    if set(getattr(layer, "strides", (1,))) != {1} or set(getattr(layer, "kernel_size", (1,))) != {1}:
        raise UserError(f"{layer.name} ({type(layer).__name__}) in {name} cannot be dilated.")
    return _copied(layer)


def _along(window, rate):
    """The rate, without the sides along which a kernel has no extent."""
    return tuple(step if side > 1 else 1 for side, step in zip(window, rate, strict=True))
