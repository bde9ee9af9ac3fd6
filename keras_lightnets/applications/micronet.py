"""MicroNet: image recognition with extremely low FLOPs (Li et al., ICCV 2021, arXiv 2108.05894).

Four networks of 4 to 21 million multiply-adds. Convolutions are factorised (`k x k` depthwise into `k x 1` and `1 x k`,
1x1 into grouped squeeze and expand), and most activations are Dynamic Shift-Max. Layers, order and numbers are
those of the authors' code (https://github.com/liyunsheng13/micronet), whose rows cut the paper's blocks elsewhere:
a row is (expand of the previous block, depthwise, squeeze). Input `(batch, 224, 224, 3)` by default, RGB pixels
normalised by `preprocess_input`.

Published ImageNet top-1 (authors' README): M0 46.6 %, M1 51.4 %, M2 59.4 %, M3 62.5 %.
"""

from typing import NamedTuple

import keras
from keras import layers

from keras_lightnets.applications.catalog.micronet import FAMILY
from keras_lightnets.applications.contract import (
    ARGUMENTS,
    finish,
    image_input,
    open_weights,
    pooled,
    refuse_channels_first,
)
from keras_lightnets.applications.decoding import decode_predictions as decode_predictions
from keras_lightnets.layers import (
    AxialDepthwiseConv2D,
    BatchNormalization,
    ChannelShuffle,
    DynamicShiftMax,
    GroupedConv2D,
)

preprocess_input = FAMILY.preprocessing


class Lite(NamedTuple):
    """Row of an early stage (Micro-Block-A): depthwise expansion by 2 x 2, then a grouped squeeze."""

    stride: int
    kernel: int
    out: int
    squeeze_groups: int
    middle: int  # hidden units of the Dynamic Shift-Max after the depthwise convolution; 0: ReLU6
    last: int  # the same after the squeeze; 0: nothing


class Micro(NamedTuple):
    """Row of a later stage (Micro-Block-B/C): grouped expansion, depthwise, grouped squeeze."""

    stride: int
    kernel: int
    out: int
    expansion: int
    expand_groups: int
    squeeze_groups: int
    first: int  # hidden units of the Dynamic Shift-Max after the expansion; 0: ReLU6
    middle: int
    last: int


class Final(NamedTuple):
    """The last row: a grouped expansion alone."""

    expansion: int
    expand_groups: int
    last: int


class Config(NamedTuple):
    """One network; `offsets_*` start the first and middle Dynamic Shift-Max of every block."""

    stem: tuple[int, int]  # filters of the 3x1 convolution, and how many the 1x3 makes of each
    rows: tuple
    units: int
    dropout: float
    offsets_a: tuple[float, float] = (1.0, 1.0)
    offsets_b: tuple[float, float] = (0.0, 0.0)


_M0 = Config(
    stem=(2, 2),
    rows=(
        Lite(2, 3, 8, 2, 0, 4),
        Lite(2, 3, 12, 4, 4, 4),
        Lite(2, 5, 16, 4, 8, 4),
        Micro(1, 5, 32, 4, 4, 4, 8, 8, 8),
        Micro(2, 5, 64, 4, 8, 8, 16, 16, 16),
        Micro(1, 3, 96, 4, 8, 8, 16, 16, 12),
        Final(4, 12, 24),
    ),
    units=640,
    dropout=0.05,
)
_M1 = Config(
    stem=(3, 2),
    rows=(
        Lite(2, 3, 8, 2, 0, 4),
        Lite(2, 3, 16, 4, 4, 4),
        Lite(2, 5, 16, 4, 8, 4),
        Micro(1, 5, 32, 6, 4, 4, 12, 12, 8),
        Micro(2, 5, 64, 6, 8, 8, 24, 24, 16),
        Micro(1, 3, 96, 6, 8, 8, 24, 24, 12),
        Final(6, 12, 36),
    ),
    units=960,
    dropout=0.05,
)
_M2 = Config(
    stem=(4, 2),
    rows=(
        Lite(2, 3, 12, 4, 0, 4),
        Lite(2, 3, 16, 4, 8, 4),
        Lite(1, 3, 24, 4, 8, 8),
        Micro(2, 5, 32, 6, 6, 4, 20, 20, 8),
        Micro(1, 5, 32, 6, 8, 4, 12, 12, 4),
        Micro(1, 5, 64, 6, 8, 8, 12, 12, 8),
        Micro(2, 5, 96, 6, 8, 8, 24, 24, 12),
        Micro(1, 3, 128, 6, 12, 8, 36, 36, 16),
        Final(6, 16, 48),
    ),
    units=1024,
    dropout=0.1,
)
_M3 = Config(
    stem=(4, 3),
    rows=(
        Lite(2, 3, 16, 4, 8, 0),
        Lite(2, 3, 24, 4, 8, 0),
        Lite(1, 3, 24, 4, 12, 0),
        Micro(2, 5, 32, 6, 6, 4, 0, 20, 0),
        Micro(1, 5, 32, 6, 8, 4, 0, 12, 0),
        Micro(1, 5, 64, 6, 8, 8, 0, 12, 0),
        Micro(1, 5, 80, 6, 8, 8, 0, 24, 0),
        Micro(1, 5, 80, 6, 10, 8, 0, 32, 0),
        Micro(2, 5, 120, 6, 10, 10, 0, 32, 0),
        Micro(1, 5, 120, 6, 12, 10, 0, 44, 0),
        Micro(1, 3, 144, 6, 12, 12, 0, 44, 0),
        Final(6, 12, 0),
    ),
    units=1024,
    dropout=0.1,
    offsets_a=(1.0, 0.5),
    offsets_b=(0.0, 0.5),
)


def _batch_norm(name):
    return BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)


def _normal(fan_out):
    """The authors' initialiser: all output channels count as fan-out, whatever the groups."""
    return keras.initializers.RandomNormal(stddev=(2.0 / fan_out) ** 0.5)


def _pointwise(x, filters, groups, name):
    conv = GroupedConv2D(filters, groups=groups, use_bias=False, kernel_initializer=_normal(filters), name=name)
    return _batch_norm(f"{name}_bn")(conv(x))


def _depthwise(x, kernel, stride, multipliers, name):
    """Micro-factorised depthwise convolution: no activation between the two factors."""
    for window, axis, multiplier in zip(("kx1", "1xk"), ("height", "width"), multipliers, strict=True):
        conv = AxialDepthwiseConv2D(
            kernel,
            axis,
            stride=stride,
            depth_multiplier=multiplier,
            depthwise_initializer=_normal(kernel * x.shape[-1] * multiplier),
            name=f"{name}_{window}",
        )
        x = _batch_norm(f"{name}_{window}_bn")(conv(x))
    return x


def _squeeze(x, row, name):
    """Grouped squeeze, an optional linear mix of channels, and the shuffles that follow them."""
    x = _pointwise(x, row.out, row.squeeze_groups, f"{name}_squeeze")
    if row.last:
        x = DynamicShiftMax(row.squeeze_groups, row.last, pieces=1, name=f"{name}_last_act")(x)
    x = ChannelShuffle(row.squeeze_groups, name=f"{name}_squeeze_shuffle")(x)
    if row.last:
        x = ChannelShuffle(row.out // 2, name=f"{name}_last_shuffle")(x)
    return x


def _lite_block(x, row, config, name):
    channels = x.shape[-1]
    shortcut = x
    x = _depthwise(x, row.kernel, row.stride, (2, 2), f"{name}_depthwise")
    x = _activation(x, row.middle, channels, config, f"{name}_middle_act")
    x = ChannelShuffle(channels, name=f"{name}_middle_shuffle")(x)
    if row.middle:
        x = ChannelShuffle(2 * channels, name=f"{name}_middle_shuffle_2")(x)
    x = _squeeze(x, row, name)
    return _add(x, shortcut, row, name)


def _micro_block(x, row, config, name):
    expanded = row.expansion * x.shape[-1]
    shortcut = x
    x = _pointwise(x, expanded, row.expand_groups, f"{name}_expand")
    x = _activation(x, row.first, row.expand_groups, config, f"{name}_first_act")
    x = ChannelShuffle(row.expand_groups, name=f"{name}_expand_shuffle")(x)
    x = _depthwise(x, row.kernel, row.stride, (1, 1), f"{name}_depthwise")
    x = _activation(x, row.middle, expanded // row.expand_groups, config, f"{name}_middle_act")
    # Every Micro row of the four networks has a middle Shift-Max; the second one of a block halves the shuffle.
    x = ChannelShuffle(expanded // (4 if row.first else 2), name=f"{name}_middle_shuffle")(x)
    x = _squeeze(x, row, name)
    return _add(x, shortcut, row, name)


def _final_block(x, row, config, name):
    x = _pointwise(x, row.expansion * x.shape[-1], row.expand_groups, f"{name}_expand")
    if row.last:
        x = DynamicShiftMax(row.expand_groups, row.last, pieces=1, name=f"{name}_last_act")(x)
    return x


def _activation(x, units, groups, config, name):
    if not units:
        return layers.ReLU(6.0, name=name)(x)
    return DynamicShiftMax(groups, units, 2, config.offsets_a, config.offsets_b, name=name)(x)


def _add(x, shortcut, row, name):
    if row.stride == 1 and shortcut.shape[-1] == row.out:
        x = layers.Add(name=f"{name}_add")([x, shortcut])
    return x


_BLOCKS = {Lite: _lite_block, Micro: _micro_block, Final: _final_block}


def _stem(x, filters, multiplier):
    """3x1 then grouped 1x3 convolution, each with stride 2 along its axis."""
    x = layers.ZeroPadding2D(((1, 1), (0, 0)), name="stem_pad")(x)
    conv = layers.Conv2D(
        filters,
        (3, 1),
        strides=(2, 1),
        use_bias=False,
        kernel_initializer=_normal(3 * filters),
        name="stem_3x1",
    )
    x = _batch_norm("stem_3x1_bn")(conv(x))
    conv = AxialDepthwiseConv2D(
        3,
        "width",
        stride=2,
        depth_multiplier=multiplier,
        depthwise_initializer=_normal(3 * filters * multiplier),
        name="stem_1x3",
    )
    x = _batch_norm("stem_1x3_bn")(conv(x))
    x = ChannelShuffle(filters, name="stem_shuffle")(x)
    return layers.ReLU(6.0, name="stem_relu6")(x)


def _head(x, config, classes, classifier_activation):
    """Two rounds of dense layer, batch normalisation and hard swish: the logits are never below -0.375."""
    x = layers.Activation("hard_swish", name="pool_hard_swish")(x)
    for name, units in (("fc", config.units), ("logits", classes)):
        dense = layers.Dense(units, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01), name=name)
        x = _batch_norm(f"{name}_bn")(dense(x))
        x = layers.Activation("hard_swish", name=f"{name}_hard_swish")(x)
        if name == "fc":
            x = layers.Dropout(config.dropout, name="dropout")(x)
    return layers.Activation(classifier_activation, name="predictions")(x)


def _micronet(
    builder,
    config,
    include_top,
    weights,
    input_tensor,
    input_shape,
    pooling,
    classes,
    classifier_activation,
    name,
):
    refuse_channels_first("MicroNet")
    source, classes = open_weights(builder, {}, weights, include_top, classes, classifier_activation)
    inputs = image_input(input_tensor, input_shape, include_top)
    x = _stem(inputs, *config.stem)
    for number, row in enumerate(config.rows, 1):
        x = _BLOCKS[type(row)](x, row, config, f"block{number}")
    x = layers.ReLU(6.0, name="features_relu6")(x)
    x = _head(pooled(x, "avg"), config, classes, classifier_activation) if include_top else pooled(x, pooling)
    return finish(inputs, x, name, source)


def MicroNetM0(
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="micronet_m0",
):
    """MicroNet-M0: 1.02 million parameters, 4.1 million multiply-adds at 224x224."""
    return _micronet(
        "MicroNetM0",
        _M0,
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name,
    )


def MicroNetM1(
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="micronet_m1",
):
    """MicroNet-M1: 1.78 million parameters, 6.1 million multiply-adds at 224x224."""
    return _micronet(
        "MicroNetM1",
        _M1,
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name,
    )


def MicroNetM2(
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="micronet_m2",
):
    """MicroNet-M2: 2.39 million parameters, 12.7 million multiply-adds at 224x224."""
    return _micronet(
        "MicroNetM2",
        _M2,
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name,
    )


def MicroNetM3(
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="micronet_m3",
):
    """MicroNet-M3: 2.62 million parameters, 20.8 million multiply-adds at 224x224."""
    return _micronet(
        "MicroNetM3",
        _M3,
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name,
    )


_DOCSTRING = """{summary}

{arguments}
Reference:
    Li et al., MicroNet: Improving Image Recognition with Extremely Low FLOPs, ICCV 2021; layers and numbers from the
    authors' code.

Example:

>>> model = keras_lightnets.{name}(weights=None, input_shape=(64, 64, 3), classes=10)
>>> model.output_shape
(None, 10)
"""

for _builder in (MicroNetM0, MicroNetM1, MicroNetM2, MicroNetM3):
    _builder.__doc__ = _DOCSTRING.format(summary=_builder.__doc__, name=_builder.__name__, arguments=ARGUMENTS)
