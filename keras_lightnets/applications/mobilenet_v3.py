"""MobileNetV3: searching for MobileNetV3 (Howard et al., ICCV 2019, https://arxiv.org/abs/1905.02244).

Inverted residuals found by an architecture search, with squeeze-excite and hard swish where they pay. The builders are
those of `keras.applications`: their arguments, layers, names of the layers with weights, and weight files.
`minimalistic` leaves out squeeze-excite, hard swish and 5x5 kernels, for chips that are slow at them. Input
`(batch, height, width, 3)` of any size, RGB pixels 0-255; with `include_preprocessing=False` pixels in [-1, 1]; both
data formats.

Published ImageNet top-1 at 224x224 (paper; minimalistic: TensorFlow's released models): Large 75.2 %, 0.75 73.3 %,
minimalistic 72.3 %; Small 67.4 %, 0.75 65.4 %, minimalistic 61.9 %.
"""

from typing import NamedTuple

import keras
from keras import layers

from keras_lightnets.applications.catalog.mobilenet_v3 import FAMILY
from keras_lightnets.applications.contract import (
    ARGUMENTS,
    channel_axis,
    check_alpha,
    finish,
    image_input,
    keras_donor,
    open_weights,
    pooled,
)
from keras_lightnets.applications.decoding import decode_predictions as decode_predictions
from keras_lightnets.applications.mobilenet_v2 import batch_norm, depthwise, make_divisible

preprocess_input = FAMILY.preprocessing


class Row(NamedTuple):
    """Row of Tables 1 and 2."""

    kernel: int
    expanded: int
    out: int
    squeeze_excite: bool
    activation: str
    stride: int


class Config(NamedTuple):
    """One network."""

    rows: tuple[Row, ...]
    units: int  # of the hidden layer in the classifier
    activation: str = "hard_swish"  # of the stem and the last layers


_STEM = 16
_LARGE = Config(
    rows=(
        Row(3, 16, 16, False, "relu", 1),
        Row(3, 64, 24, False, "relu", 2),
        Row(3, 72, 24, False, "relu", 1),
        Row(5, 72, 40, True, "relu", 2),
        Row(5, 120, 40, True, "relu", 1),
        Row(5, 120, 40, True, "relu", 1),
        Row(3, 240, 80, False, "hard_swish", 2),
        Row(3, 200, 80, False, "hard_swish", 1),
        Row(3, 184, 80, False, "hard_swish", 1),
        Row(3, 184, 80, False, "hard_swish", 1),
        Row(3, 480, 112, True, "hard_swish", 1),
        Row(3, 672, 112, True, "hard_swish", 1),
        Row(5, 672, 160, True, "hard_swish", 2),
        Row(5, 960, 160, True, "hard_swish", 1),
        Row(5, 960, 160, True, "hard_swish", 1),
    ),
    units=1280,
)
_SMALL = Config(
    rows=(
        Row(3, 16, 16, True, "relu", 2),
        Row(3, 72, 24, False, "relu", 2),
        Row(3, 88, 24, False, "relu", 1),
        Row(5, 96, 40, True, "hard_swish", 2),
        Row(5, 240, 40, True, "hard_swish", 1),
        Row(5, 240, 40, True, "hard_swish", 1),
        Row(5, 120, 48, True, "hard_swish", 1),
        Row(5, 144, 48, True, "hard_swish", 1),
        Row(5, 288, 96, True, "hard_swish", 2),
        Row(5, 576, 96, True, "hard_swish", 1),
        Row(5, 576, 96, True, "hard_swish", 1),
    ),
    units=1024,
)


def _minimalistic(config):
    rows = tuple(row._replace(kernel=3, squeeze_excite=False, activation="relu") for row in config.rows)
    return config._replace(rows=rows, activation="relu")


def _activation(x, kind, name):
    return layers.ReLU(name=name)(x) if kind == "relu" else layers.Activation(kind, name=name)(x)


def _pointwise(x, filters, name, use_bias=False):
    return layers.Conv2D(filters, 1, padding="same", use_bias=use_bias, name=name)(x)


def _squeeze_excite(x, name):
    """Scales the channels by a hard sigmoid, squeezing them to a quarter."""
    channels = x.shape[channel_axis()]
    scale = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_avg_pool")(x)
    scale = _pointwise(scale, make_divisible(channels / 4), f"{name}_conv", use_bias=True)
    scale = layers.ReLU(name=f"{name}_relu")(scale)
    scale = _pointwise(scale, channels, f"{name}_conv_1", use_bias=True)
    scale = layers.ReLU(6.0, name=f"{name}_relu6")(scale + 3.0) * (1 / 6)
    return layers.Multiply(name=f"{name}_mul")([x, scale])


def _block(x, row, ratio, alpha, name):
    """Inverted residual that widens by `ratio`, or starts with the depthwise convolution if that is 1."""
    shortcut = x
    channels = x.shape[channel_axis()]
    out = make_divisible(row.out * alpha)
    if ratio != 1:
        x = _pointwise(x, make_divisible(channels * ratio), f"{name}_expand")
        x = batch_norm(x, f"{name}_expand_bn")
        x = _activation(x, row.activation, f"{name}_expand_act")
    x = depthwise(x, row.kernel, row.stride, f"{name}_depthwise", f"{name}_depthwise_pad")
    x = batch_norm(x, f"{name}_depthwise_bn")
    x = _activation(x, row.activation, f"{name}_depthwise_act")
    if row.squeeze_excite:
        x = _squeeze_excite(x, f"{name}_squeeze_excite")
    x = _pointwise(x, out, f"{name}_project")
    x = batch_norm(x, f"{name}_project_bn")
    if row.stride == 1 and channels == out:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _features(x, config, alpha):
    # The stem keeps its channels at every alpha.
    x = layers.Conv2D(_STEM, 3, strides=2, padding="same", use_bias=False, name="conv")(x)
    x = batch_norm(x, "conv_bn")
    x = _activation(x, config.activation, "conv_act")
    base = _STEM
    for number, row in enumerate(config.rows):
        # What alpha scales and rounds is the ratio of the widths, not the widths of the table.
        x = _block(x, row, row.expanded / base, alpha, f"expanded_conv_{number}" if number else "expanded_conv")
        base = row.out
    x = _pointwise(x, make_divisible(6 * x.shape[channel_axis()]), "conv_1")
    x = batch_norm(x, "conv_1_bn")
    return _activation(x, config.activation, "conv_1_act")


def _head(x, units, activation, dropout_rate, classes, classifier_activation):
    x = layers.GlobalAveragePooling2D(keepdims=True, name="avg_pool")(x)
    x = _pointwise(x, units, "conv_2", use_bias=True)
    x = _activation(x, activation, "conv_2_act")
    if dropout_rate > 0:
        x = layers.Dropout(dropout_rate, name="dropout")(x)
    x = _pointwise(x, classes, "logits", use_bias=True)
    x = layers.Flatten(name="flatten")(x)
    return layers.Activation(classifier_activation, name="predictions")(x)


def _mobilenet_v3(
    config,
    keras_builder,
    input_shape,
    alpha,
    minimalistic,
    include_top,
    weights,
    input_tensor,
    classes,
    pooling,
    dropout_rate,
    classifier_activation,
    include_preprocessing,
    name,
):
    check_alpha(alpha)
    arguments = {"alpha": alpha, "minimalistic": minimalistic}
    source, classes = open_weights(
        keras_builder.__name__, arguments, weights, include_top, classes, classifier_activation, donated=True
    )
    donor = keras_donor(
        keras_builder,
        weights,
        input_tensor,
        input_shape=input_shape,
        alpha=alpha,
        minimalistic=minimalistic,
        include_top=include_top,
        include_preprocessing=include_preprocessing,
    )
    if minimalistic:
        config = _minimalistic(config)
    x = inputs = image_input(input_tensor, input_shape, include_top, default_size=None)
    if include_preprocessing:
        x = layers.Rescaling(1 / 127.5, offset=-1.0, name="rescaling")(x)
    x = _features(x, config, alpha)
    if include_top:
        units = make_divisible(config.units * max(alpha, 1.0))
        x = _head(x, units, config.activation, dropout_rate, classes, classifier_activation)
    else:
        x = pooled(x, pooling)
    return finish(inputs, x, name, source, donor)


def MobileNetV3Small(
    input_shape=None,
    alpha=1.0,
    minimalistic=False,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    classes=1000,
    pooling=None,
    dropout_rate=0.2,
    classifier_activation="softmax",
    include_preprocessing=True,
    name="MobileNetV3Small",
):
    """MobileNetV3-Small, 2.5 million parameters and 56 million multiply-adds at 224x224."""
    return _mobilenet_v3(
        _SMALL,
        keras.applications.MobileNetV3Small,
        input_shape,
        alpha,
        minimalistic,
        include_top,
        weights,
        input_tensor,
        classes,
        pooling,
        dropout_rate,
        classifier_activation,
        include_preprocessing,
        name,
    )


def MobileNetV3Large(
    input_shape=None,
    alpha=1.0,
    minimalistic=False,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    classes=1000,
    pooling=None,
    dropout_rate=0.2,
    classifier_activation="softmax",
    include_preprocessing=True,
    name="MobileNetV3Large",
):
    """MobileNetV3-Large, 5.5 million parameters and 217 million multiply-adds at 224x224."""
    return _mobilenet_v3(
        _LARGE,
        keras.applications.MobileNetV3Large,
        input_shape,
        alpha,
        minimalistic,
        include_top,
        weights,
        input_tensor,
        classes,
        pooling,
        dropout_rate,
        classifier_activation,
        include_preprocessing,
        name,
    )


_ARGUMENTS = ARGUMENTS.replace(
    "Args:",
    """Args:
    alpha: positive number, multiplies the channels of every block, rounded to multiples of 8; "imagenet" has 0.75
        and 1.0. Defaults to 1.0.
    minimalistic: bool, whether to leave out squeeze-excite, hard swish and 5x5 kernels; "imagenet" has alpha 1.0.
        Defaults to False.
    dropout_rate: float, rate of the dropout before the classifier. Defaults to 0.2.
    include_preprocessing: bool, whether the model takes pixels 0-255 and scales them itself; else it takes pixels in
        [-1, 1]. Defaults to True.""",
).replace("`(224, 224, 3)` with the\n        classifier, `(None, None, 3)` without", "`(None, None, 3)`")

for _builder in (MobileNetV3Small, MobileNetV3Large):
    _builder.__doc__ += f"""

{_ARGUMENTS}
Reference:
    Howard et al., Searching for MobileNetV3, ICCV 2019, Tables 1 and 2; layers and weights from `keras.applications`.

Example:

>>> model = keras_lightnets.{_builder.__name__}(input_shape=(64, 64, 3), weights=None, classes=10)
>>> model.output_shape
(None, 10)
"""
