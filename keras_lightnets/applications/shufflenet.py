"""ShuffleNet: an extremely efficient CNN for mobile devices (Zhang et al., CVPR 2018, https://arxiv.org/abs/1707.01083).

Residual units of grouped 1x1 convolutions, with a channel shuffle so that the groups hear of each other. Units, widths
at 1x and order are the paper's. The batch normalisation and ReLU of the stem, which it does not print, are in every
implementation. Input `(batch, 224, 224, 3)` by default, RGB pixels normalised by `preprocess_input`.
"""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
from keras import layers

from keras_lightnets.applications.catalog.shufflenet import FAMILY
from keras_lightnets.applications.contract import Arguments, assemble, check_alpha, pooled
from keras_lightnets.applications.decoding import decode_predictions as decode_predictions
from keras_lightnets.applications.orders import check_colours, ordered
from keras_lightnets.layers import BatchNormalization, ChannelShuffle, DepthwiseConv2D, GroupedConv2D
from keras_lightnets.weights.name_maps import ORDER_MARKS

preprocess_input = FAMILY.preprocessing

# Table 1: channels of stage 2 at 1x by number of groups. Stages 3 and 4 have twice and four times as many.
_STAGE_2 = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
_STEM = 24


class Variant(NamedTuple):
    """Depth of a network, and how much wider it is than `alpha` says."""

    units: tuple[int, int, int]  # of stages 2, 3 and 4, the first of each with stride 2
    widening: float


# The paper's first version (arXiv v1) drops units and widens the maps to restore the complexity, but not by how much.
_VARIANTS = {
    "standard": Variant((4, 8, 4), 1.0),
    # Gives tensorpack's 224-416-832 channels at 0.5x g=8, and the paper's 40 million multiply-adds for other groups.
    "arch2": Variant((4, 6, 4), 1.0625),
    # Gives 180-360-720 channels at 0.5x g=3, as at 0.75x, and 41.6 million where the paper has 40.
    "shallow": Variant((2, 4, 2), 1.5),
}


class Config(NamedTuple):
    """One network: channels of the stem and of stages 2, 3 and 4, and units of these stages."""

    groups: int
    stem: int
    stages: tuple[int, int, int]
    units: tuple[int, int, int]


class Order(NamedTuple):
    """Where implementations differ without saying so. Weights of one fit no other."""

    inverse_shuffle: bool  # channels viewed as (n, groups) instead of (groups, n)
    shuffle_after_depthwise: bool
    shortcut_first: bool  # in the concatenation of a strided unit


# The order of the paper, pytorchcv and tf2cv, of the first author's laboratory (megvii-model/ShuffleNet-Series), and
# of mmpretrain. Weights choose among them.
PAPER = Order(inverse_shuffle=False, shuffle_after_depthwise=False, shortcut_first=False)
MEGVII = Order(inverse_shuffle=True, shuffle_after_depthwise=True, shortcut_first=True)
MMPRETRAIN = Order(inverse_shuffle=False, shuffle_after_depthwise=True, shortcut_first=True)
_ORDERS = {"": PAPER, "megvii": MEGVII, "mmpretrain": MMPRETRAIN}


def config(groups, alpha, variant):
    """Returns the `Config` of a public network.

    Channels are rounded up to what the groups divide everywhere: a quarter of each stage, and what a stage adds.

    Raises:
        ValueError: for other groups or variants, or an `alpha` that is not positive.
    """
    if groups not in tuple(_STAGE_2):
        raise ValueError(f"`groups` must be one of {', '.join(map(str, _STAGE_2))}. Received: groups={groups!r}")
    check_alpha(alpha)
    if variant not in _VARIANTS:
        raise ValueError(f"`variant` must be one of {', '.join(map(repr, _VARIANTS))}. Received: variant={variant!r}")
    units, widening = _VARIANTS[variant]
    stages = tuple(_multiple(_STAGE_2[groups] * 2**stage * alpha * widening, 4 * groups) for stage in range(3))
    return Config(groups, _multiple(_STEM * alpha, groups), stages, units)


def _multiple(channels, divisor):
    """The next multiple of `divisor`. 240.00000000000003 channels are 240."""
    return math.ceil(round(channels / divisor, 6)) * divisor


def normal(stddev):
    """The initialiser of the authors' code, where `stddev` is 0.01 for the ends and 1 / inputs in between."""
    return keras.initializers.RandomNormal(stddev=stddev)


def batch_norm(name):
    """Batch normalisation with PyTorch's constants and the authors' initial offset."""
    return BatchNormalization(momentum=0.9, epsilon=1e-5, beta_initializer=keras.initializers.Constant(1e-4), name=name)


def stem(x, filters, source):
    """3x3 convolution and 3x3 maximum, each with stride 2."""
    order = source.order if source else ""
    if order == "megvii":
        # Their zero padding is black where ours is the mean, so that no change of weights makes up for the mean.
        check_colours(x, source, -1)
        # Pixels in units of the standard deviation. The first kernel has the deviation and the order of the channels.
        mean, std = preprocess_input
        x = layers.Rescaling(1.0, [m / s for m, s in zip(mean, std, strict=True)], name="add_mean")(x)
    x = layers.ZeroPadding2D(1, name=ORDER_MARKS.get(order, "stem_pad"))(x)
    x = layers.Conv2D(filters, 3, strides=2, use_bias=False, kernel_initializer=normal(0.01), name="stem_conv")(x)
    x = batch_norm("stem_bn")(x)
    x = layers.ReLU(name="stem_relu")(x)
    # Nothing is below zero after the ReLU, so zeros pad the maximum as well as minus infinity would.
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    return layers.MaxPooling2D(3, 2, name="stem_pool")(x)


def depthwise(x, stride, name):
    """3x3 depthwise convolution, padded by one on every side, and batch normalisation without activation."""
    if stride == 2:
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    conv = DepthwiseConv2D(
        3,
        strides=stride,
        padding="valid" if stride == 2 else "same",
        use_bias=False,
        depthwise_initializer=normal(1.0),
        name=name,
    )
    return batch_norm(f"{name}_bn")(conv(x))


def classifier(x, classes, classifier_activation):
    """Dense layer and activation, on pooled features."""
    x = layers.Dense(classes, kernel_initializer=normal(0.01), name="logits")(x)
    return layers.Activation(classifier_activation, name="predictions")(x)


def head(x, classes, classifier_activation):
    """Average pooling and the classifier."""
    return classifier(pooled(x, "avg"), classes, classifier_activation)


def _pointwise(x, filters, groups, name):
    conv = GroupedConv2D(
        filters, groups=groups, use_bias=False, kernel_initializer=normal(groups / x.shape[-1]), name=name
    )
    return batch_norm(f"{name}_bn")(conv(x))


def _shuffle(x, groups, inverse, name):
    if groups == 1:
        return x
    return ChannelShuffle(x.shape[-1] // groups if inverse else groups, name=name)(x)


def _unit(x, out, stride, first_groups, groups, order, name):
    """ShuffleNet unit (Figure 2): the bottleneck has a quarter of the output channels."""
    shortcut = x
    x = _pointwise(x, out // 4, first_groups, f"{name}_compress")
    x = layers.ReLU(name=f"{name}_compress_relu")(x)
    if not order.shuffle_after_depthwise:
        x = _shuffle(x, groups, order.inverse_shuffle, f"{name}_shuffle")
    x = depthwise(x, stride, f"{name}_depthwise")
    if order.shuffle_after_depthwise:
        x = _shuffle(x, groups, order.inverse_shuffle, f"{name}_shuffle")
    if stride == 1:
        x = _pointwise(x, out, groups, f"{name}_expand")
        x = layers.Add(name=f"{name}_add")([x, shortcut])
        return layers.ReLU(name=f"{name}_relu")(x)
    # The pooled shortcut fills up the channels. It is positive already: the ReLU can come before the concatenation.
    x = _pointwise(x, out - shortcut.shape[-1], groups, f"{name}_expand")
    x = layers.ReLU(name=f"{name}_expand_relu")(x)
    # Averages count the zeros of the border.
    shortcut = layers.ZeroPadding2D(1, name=f"{name}_pool_pad")(shortcut)
    shortcut = layers.AveragePooling2D(3, 2, name=f"{name}_pool")(shortcut)
    return layers.Concatenate(name=f"{name}_concat")([shortcut, x] if order.shortcut_first else [x, shortcut])


def features(x, config, order, source=None):
    """Lays the features of the network that a `Config` and an `Order` describe, for the weights of a `Source`."""
    x = stem(x, config.stem, source)
    # The stem has too few channels for groups, so the first unit compresses without them.
    first_groups = 1
    for stage, (out, units) in enumerate(zip(config.stages, config.units, strict=True), 2):
        for unit in range(1, units + 1):
            stride = 2 if unit == 1 else 1
            x = _unit(x, out, stride, first_groups, config.groups, order, f"stage{stage}_unit{unit}")
            first_groups = config.groups
    return x


def ShuffleNet(
    groups: int = 3,
    alpha: float = 1.0,
    variant: str = "standard",
    include_top: bool = True,
    weights: str | os.PathLike | None = "imagenet",
    input_tensor: Any = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | Callable | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """ShuffleNet of any number of groups and width.

    Channels are rounded up to multiples of `4 * groups`, in the stem to multiples of `groups`, as in tensorpack: the
    paper does not say how. At 1.5x with 3 groups the stem thus has 36 channels and the network 300 million
    multiply-adds. The authors' released networks of 1.5x keep 24 channels there, which gives the 292 million of the
    paper.

    The paper's first version states the units of "arch2" and "shallow" but not their widths. "arch2" here widens the
    stages by 17/16, which gives the 224-416-832 channels of tensorpack's reproduction at `alpha=0.5, groups=8`.
    "shallow" widens them by 3/2: 180-360-720 at `alpha=0.5, groups=3`. At 0.5x they have 39 to 45 million
    multiply-adds, where the paper says 40.

    Args:
        groups: int, groups of the 1x1 convolutions: 1, 2, 3, 4 or 8. Defaults to 3.
        alpha: positive number, scales the channels of every layer, the paper's "s x". Defaults to 1.0.
        variant: "standard", "arch2" (two units of stage 3 less, all stages wider) or "shallow" (half of the units, all
            stages wider). Defaults to "standard".
        include_top: bool, whether to end in the classifier. Defaults to True.
        weights: None for random weights, a name in `keras_lightnets.weights.list_weights()`, or the path of a weights
            file of Keras, PyTorch or safetensors. If the file has another number of classes, the classifier stays
            random and a warning says so. Defaults to "imagenet".
        input_tensor: Keras tensor `(batch, height, width, channels)` to build upon. Defaults to None: a new input.
        input_shape: tuple `(height, width, channels)`, each side at least 32. Defaults to None: `(224, 224, 3)`, or
            `(None, None, 3)` without the classifier.
        pooling: str, without the classifier "avg" or "max" for features `(batch, channels)`. Defaults to None: features
            `(batch, height / 32, width / 32, channels)`.
        classes: int, number of classes. Defaults to 1000. With named weights, 1000 means the number of classes of those
            weights.
        classifier_activation: str or function, None for logits. Defaults to "softmax".
        name: str, name of the model. Defaults to None: such as "shufflenet_g3_1.0".

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 that
        `shufflenet.preprocess_input` has normalised.

    Raises:
        ValueError: for other `groups` or `variant`, an `alpha` that is not positive, weights that do not exist or do
            not fit, a side below 32, or what `keras.applications` refuses.

    Reference:
        Zhang et al., ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices, CVPR 2018,
        Table 1. "arch2" and "shallow" are in its first version, arXiv 1707.01083v1.

    Example:

    >>> model = keras_lightnets.ShuffleNet(groups=8, alpha=0.5, weights=None, input_shape=(64, 64, 3), classes=10)
    >>> model.output_shape
    (None, 10)
    """
    network = config(groups, alpha, variant)

    def lay(inputs, source):
        order = ordered(source, _ORDERS)
        # Their widest two networks keep the stem of 1x.
        narrow = order is MEGVII and alpha == 1.5
        return features(inputs, network._replace(stem=_STEM) if narrow else network, order, source)

    if name is None:
        prefix = "shufflenet" if variant == "standard" else f"shufflenet_{variant}"
        name = f"{prefix}_g{groups}_{float(alpha)}"
    identity = {"groups": groups, "alpha": alpha, "variant": variant}
    arguments = Arguments(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name
    )
    return assemble(FAMILY, "ShuffleNet", identity, arguments, lay, head)
