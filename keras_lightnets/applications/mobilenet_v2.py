"""MobileNetV2: inverted residuals and linear bottlenecks (Sandler et al., CVPR 2018, https://arxiv.org/abs/1801.04381).

Seventeen blocks that widen, convolve depthwise and project back without an activation, so that the thin ends carry the
shortcut. `MobileNetV2` is `keras.applications.MobileNetV2`: its arguments, layers, names and weight files. The input
is `(batch, 224, 224, 3)` by default, RGB pixels scaled to [-1, 1] by `preprocess_input`, in both data formats.
"""

from functools import partial
from typing import NamedTuple

import keras
from keras import layers

from keras_lightnets.applications.catalog.mobilenet_v2 import FAMILY
from keras_lightnets.applications.contract import Arguments, Donor, assemble, channel_axis, check_alpha, pooled
from keras_lightnets.applications.decoding import decode_predictions as decode_predictions
from keras_lightnets.layers import BatchNormalization, DepthwiseConv2D

preprocess_input = FAMILY.preprocessing


class Stage(NamedTuple):
    """Row of Table 2. Only the first block of a stage strides."""

    expansion: int
    channels: int
    repeats: int
    stride: int


_STAGES = (
    Stage(1, 16, 1, 1),
    Stage(6, 24, 2, 2),
    Stage(6, 32, 3, 2),
    Stage(6, 64, 4, 2),
    Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2),
    Stage(6, 320, 1, 1),
)


def make_divisible(width, divisor=8):
    """Rounds `width` to a multiple of `divisor`: the nearest, halves up, unless that loses more than a tenth."""
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * width else rounded


def batch_norm(x, name):
    """Batch normalisation with the momentum and epsilon of the later MobileNets."""
    return BatchNormalization(axis=channel_axis(), momentum=0.999, epsilon=1e-3, name=name)(x)


def depthwise(x, kernel, stride, name, pad_name, symmetric=False):
    """Depthwise convolution. With stride 2, padded to halve odd sizes upwards, as TensorFlow's `same` does."""
    if stride == 2:
        height, width = x.shape[2:] if channel_axis() == 1 else x.shape[1:3]
        after = kernel // 2
        # Unknown sizes count as even. PyTorch pads alike on both sides.
        padding = tuple((after - (not symmetric and (not side or side % 2 == 0)), after) for side in (height, width))
        x = layers.ZeroPadding2D(padding, name=pad_name)(x)
    conv = DepthwiseConv2D(
        kernel, strides=stride, padding="same" if stride == 1 else "valid", use_bias=False, name=name
    )
    return conv(x)


def _block(x, expansion, filters, stride, name):
    """Inverted residual: expand, convolve depthwise, project. No activation follows the projection."""
    shortcut = x
    channels = x.shape[channel_axis()]
    if expansion != 1:
        x = layers.Conv2D(expansion * channels, 1, padding="same", use_bias=False, name=f"{name}_expand")(x)
        x = batch_norm(x, f"{name}_expand_BN")
        x = layers.ReLU(6.0, name=f"{name}_expand_relu")(x)
    x = depthwise(x, 3, stride, f"{name}_depthwise", f"{name}_pad")
    x = batch_norm(x, f"{name}_depthwise_BN")
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"{name}_project")(x)
    x = batch_norm(x, f"{name}_project_BN")
    if stride == 1 and channels == filters:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _features(x, alpha):
    x = layers.Conv2D(make_divisible(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="Conv1")(x)
    x = batch_norm(x, "bn_Conv1")
    x = layers.ReLU(6.0, name="Conv1_relu")(x)
    number = 0
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            name = f"block_{number}" if number else "expanded_conv"
            filters = make_divisible(int(stage.channels * alpha))
            x = _block(x, stage.expansion, filters, 1 if repeat else stage.stride, name)
            number += 1
    # A narrow network keeps its wide features.
    x = layers.Conv2D(make_divisible(1280 * max(alpha, 1.0)), 1, use_bias=False, name="Conv_1")(x)
    x = batch_norm(x, "Conv_1_bn")
    return layers.ReLU(6.0, name="out_relu")(x)


def _head(x, classes, classifier_activation):
    return layers.Dense(classes, activation=classifier_activation, name="predictions")(pooled(x, "avg"))


def _name(alpha, inputs):
    return f"mobilenetv2_{alpha:.2f}_{inputs.shape[2 if channel_axis() == 1 else 1]}"


# Without annotations: the signature equals `keras.applications` to the letter.
def MobileNetV2(
    input_shape=None,
    alpha=1.0,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name=None,
):
    """MobileNetV2, 3.5 million parameters and 301 million multiply-adds at 224x224.

    Args:
        input_shape: tuple `(height, width, channels)`, each side at least 32. Channels come first if Keras' data format
            says so. Defaults to None: `(224, 224, 3)`, or `(None, None, 3)` without the classifier.
        alpha: positive number, multiplies the channels of every layer, rounded to multiples of 8. The last convolution
            only grows, above 1.0. "imagenet" has 0.35, 0.5, 0.75, 1.0, 1.3 and 1.4. Defaults to 1.0.
        include_top: bool, whether to end in the classifier. Defaults to True.
        weights: None for random weights, "imagenet" for the weights of `keras.applications`, another name in
            `keras_lightnets.weights.list_weights()`, or the path of a weights file. If the file has another number of
            classes, the classifier stays random and a warning says so. Defaults to "imagenet".
        input_tensor: Keras tensor to build upon, in Keras' data format. Defaults to None: a new input.
        pooling: str, without the classifier "avg" or "max" for features `(batch, channels)`. Defaults to None: features
            `(batch, height / 32, width / 32, channels)`.
        classes: int, number of classes. Defaults to 1000, which "imagenet" requires. With other named weights, 1000
            means the number of classes of those weights.
        classifier_activation: str or function, None for logits. Defaults to "softmax".
        name: str, name of the model. Defaults to None: such as "mobilenetv2_1.00_224".

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 that
        `mobilenet_v2.preprocess_input` has normalised.

    Raises:
        ValueError: for an `alpha` that is not positive, weights that do not exist, cannot be downloaded or do not fit,
            a side below 32, or another argument that `keras.applications` refuses.

    Reference:
        Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018, Table 2. Layers and weights
        of `keras.applications`.

    Example:

    >>> model = keras_lightnets.MobileNetV2(input_shape=(64, 64, 3), alpha=0.35, weights=None, classes=10)
    >>> model.output_shape
    (None, 10)
    """
    check_alpha(alpha)
    identity = {"alpha": alpha}
    arguments = Arguments(
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name or partial(_name, alpha),
    )
    donor = Donor(keras.applications.MobileNetV2, identity)
    return assemble(FAMILY, "MobileNetV2", identity, arguments, lambda x, source: _features(x, alpha), _head, donor)
