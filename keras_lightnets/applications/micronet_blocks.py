"""The stem, the three kinds of blocks and the classifier of MicroNet. See `micronet.py`."""

import keras
from keras import layers

from keras_lightnets.applications.contract import pooled
from keras_lightnets.layers import (
    AxialDepthwiseConv2D,
    BatchNormalization,
    ChannelShuffle,
    DynamicShiftMax,
    MicroFactorizedDepthwiseConv2D,
    MicroFactorizedPointwiseConv2D,
)


def _batch_norm(name):
    return BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)


def _normal(fan_out):
    """The authors' initialiser: all output channels count as fan-out, whatever the groups."""
    return keras.initializers.RandomNormal(stddev=(2.0 / fan_out) ** 0.5)


# The micro-factorised layers have nothing between their factors. The network has batch normalisation there, the
# halves of a pointwise one even lie in two rows: so it lays out the factors of those layers, not the layers.


def _pointwise(x, filters, groups, name):
    """Half of a micro-factorised pointwise convolution: the other half is in the next or the previous row."""
    conv = MicroFactorizedPointwiseConv2D.factor(filters, groups, name, kernel_initializer=_normal(filters))
    return _batch_norm(f"{name}_bn")(conv(x))


def _depthwise(x, kernel, stride, multipliers, name):
    """Micro-factorised depthwise convolution: no activation between the two factors."""
    first = x.shape[-1] * multipliers[0]
    factors = MicroFactorizedDepthwiseConv2D.factors(
        kernel,
        stride,
        multipliers,
        names=(f"{name}_kx1", f"{name}_1xk"),
        initializers=(_normal(kernel * first), _normal(kernel * first * multipliers[1])),
    )
    for conv in factors:
        x = _batch_norm(f"{conv.name}_bn")(conv(x))
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


def lite_block(x, row, config, name):
    """Micro-Block-A: depthwise expansion by 2 x 2, then a grouped squeeze."""
    channels = x.shape[-1]
    shortcut = x
    x = _depthwise(x, row.kernel, row.stride, (2, 2), f"{name}_depthwise")
    x = _activation(x, row.middle, channels, config, f"{name}_middle_act")
    x = ChannelShuffle(channels, name=f"{name}_middle_shuffle")(x)
    if row.middle:
        x = ChannelShuffle(2 * channels, name=f"{name}_middle_shuffle_2")(x)
    x = _squeeze(x, row, name)
    return _add(x, shortcut, row, name)


def micro_block(x, row, config, name):
    """Micro-Block-B or C: grouped expansion, depthwise, grouped squeeze."""
    expanded = row.expansion * x.shape[-1]
    shortcut = x
    x = _pointwise(x, expanded, row.expand_groups, f"{name}_expand")
    x = _activation(x, row.first, row.expand_groups, config, f"{name}_first_act")
    x = ChannelShuffle(row.expand_groups, name=f"{name}_expand_shuffle")(x)
    x = _depthwise(x, row.kernel, row.stride, (1, 1), f"{name}_depthwise")
    x = _activation(x, row.middle, expanded // row.expand_groups, config, f"{name}_middle_act")
    if row.middle:
        # The second Shift-Max of a block halves the shuffle.
        x = ChannelShuffle(expanded // (4 if row.first else 2), name=f"{name}_middle_shuffle")(x)
    x = _squeeze(x, row, name)
    return _add(x, shortcut, row, name)


def final_block(x, row, config, name):
    """The last row: a grouped expansion alone."""
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


def stem(x, filters, multiplier):
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


def head(x, config, classes, classifier_activation):
    """Two rounds of dense layer, batch normalisation and hard swish: the logits are never below -0.375."""
    x = pooled(x, "avg")
    x = layers.Activation("hard_swish", name="pool_hard_swish")(x)
    for name, units in (("fc", config.units), ("logits", classes)):
        dense = layers.Dense(units, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01), name=name)
        x = _batch_norm(f"{name}_bn")(dense(x))
        x = layers.Activation("hard_swish", name=f"{name}_hard_swish")(x)
        if name == "fc":
            x = layers.Dropout(config.dropout, name="dropout")(x)
    return layers.Activation(classifier_activation, name="predictions")(x)
