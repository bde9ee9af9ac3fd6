"""MobileNet: CNNs for mobile vision applications (Howard et al., 2017, https://arxiv.org/abs/1704.04861).

A stem and thirteen depthwise-separable blocks, narrowed by `alpha`. The paper's resolution multiplier is a smaller
`input_shape`. `MobileNet` is `keras.applications.MobileNet`: its arguments, layers, names and weight files.
`ConvMobileNet` and `ShallowMobileNet` are two networks that the paper compares it with (Tables 4 and 5). The input
is `(batch, 224, 224, 3)` by default, RGB pixels scaled to [-1, 1] by `preprocess_input`, in both data formats.
As in Keras, an `input_tensor` overrules `input_shape`.
"""

from functools import partial
from typing import NamedTuple

import keras
from keras import layers

from keras_lightnets.applications.catalog.mobilenet import FAMILY
from keras_lightnets.applications.contract import Arguments, Donor, assemble, channel_axis, check_alpha
from keras_lightnets.applications.decoding import decode_predictions as decode_predictions
from keras_lightnets.layers import BatchNormalization, DepthwiseConv2D

preprocess_input = FAMILY.preprocessing


class Block(NamedTuple):
    """Two rows of Table 1: a depthwise convolution with `stride` and the pointwise one to `channels` after it."""

    number: int
    channels: int
    stride: int


_BLOCKS = (
    Block(1, 64, 1),
    Block(2, 128, 2),
    Block(3, 128, 1),
    Block(4, 256, 2),
    Block(5, 256, 1),
    Block(6, 512, 2),
    *(Block(number, 512, 1) for number in range(7, 12)),
    Block(12, 1024, 2),
    # The paper prints stride 2 here, with the output size of stride 1.
    Block(13, 1024, 1),
)
_SHALLOW_BLOCKS = tuple(block for block in _BLOCKS if not 7 <= block.number <= 11)


def _activated(x, name):
    x = BatchNormalization(axis=channel_axis(), name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def _padded(x, stride, number):
    """Returns the input of a 3x3 convolution and the `padding` that it then needs."""
    if stride == 1:
        return x, "same"
    # Whatever the size, even or odd: odd sizes halve downwards.
    return layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{number}")(x), "valid"


def _separable_block(x, block, alpha, depth_multiplier):
    """3x3 depthwise and 1x1 convolution, each with batch normalisation and ReLU6."""
    x, padding = _padded(x, block.stride, block.number)
    name = f"conv_dw_{block.number}"
    x = DepthwiseConv2D(
        3,
        strides=block.stride,
        padding=padding,
        depth_multiplier=depth_multiplier,
        use_bias=False,
        name=name,
    )(x)
    x = _activated(x, name)
    name = f"conv_pw_{block.number}"
    x = layers.Conv2D(int(block.channels * alpha), 1, padding="same", use_bias=False, name=name)(x)
    return _activated(x, name)


def _full_block(x, block, alpha):
    """What the separable block factorises: one 3x3 convolution with batch normalisation and ReLU6."""
    x, padding = _padded(x, block.stride, block.number)
    name = f"conv_{block.number}"
    filters = int(block.channels * alpha)
    x = layers.Conv2D(filters, 3, strides=block.stride, padding=padding, use_bias=False, name=name)(x)
    return _activated(x, name)


def _head(x, classes, classifier_activation, dropout):
    x = layers.GlobalAveragePooling2D(keepdims=True, name="avg_pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(classes, 1, padding="same", name="conv_preds")(x)
    x = layers.Reshape((classes,), name="reshape_2")(x)
    return layers.Activation(classifier_activation, name="predictions")(x)


def _mobilenet(builder, identity, arguments, dropout, blocks, lay_block, donor=None):
    """Builds a network that lays each of `blocks` by `lay_block(x, block)`."""
    if arguments.input_tensor is not None:
        # As Keras documents it, a tensor overrules the shape.
        arguments = arguments._replace(input_shape=None)

    def features(x, source):
        x = layers.Conv2D(int(32 * identity["alpha"]), 3, strides=2, padding="same", use_bias=False, name="conv1")(x)
        x = _activated(x, "conv1")
        for block in blocks:
            x = lay_block(x, block)
        return x

    return assemble(FAMILY, builder, identity, arguments, features, partial(_head, dropout=dropout), donor)


def _name(prefix, alpha, inputs):
    return f"{prefix}_{alpha:.2f}_{inputs.shape[2 if channel_axis() == 1 else 1]}"


# Without annotations: the signature equals `keras.applications` to the letter.
def MobileNet(
    input_shape=None,
    alpha=1.0,
    depth_multiplier=1,
    dropout=1e-3,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name=None,
):
    """MobileNet with depthwise-separable convolutions, 4.2 million parameters and 569 million multiply-adds at 224x224.

    Args:
        input_shape: tuple `(height, width, channels)`, each side at least 32. Channels come first if Keras' data format
            says so. Defaults to None: `(224, 224, 3)`, or `(None, None, 3)` without the classifier. An `input_tensor`
            overrules it.
        alpha: positive number, multiplies the channels of every layer. "imagenet" has 0.25, 0.5, 0.75 and 1.0. Defaults
            to 1.0.
        depth_multiplier: int, channels that a depthwise convolution makes of each of its own. The paper's resolution
            multiplier is `input_shape`, not this. Defaults to 1.
        dropout: float, rate of the dropout before the classifier. Defaults to 0.001.
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
        name: str, name of the model. Defaults to None: such as "mobilenet_1.00_224".

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 that
        `mobilenet.preprocess_input` has normalised.

    Raises:
        ValueError: for an `alpha` that is not positive, weights that do not exist, cannot be downloaded or do not fit,
            a side below 32, or another argument that `keras.applications` refuses.

    Reference:
        Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, 2017, Table
        1. Layers and weights of `keras.applications`.

    Example:

    >>> model = keras_lightnets.MobileNet(input_shape=(64, 64, 3), alpha=0.25, weights=None, classes=10)
    >>> model.output_shape
    (None, 10)
    """
    check_alpha(alpha)
    identity = {"alpha": alpha, "depth_multiplier": depth_multiplier}
    arguments = Arguments(
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name or partial(_name, "mobilenet", alpha),
    )
    donor = Donor(keras.applications.MobileNet, {**identity, "input_shape": input_shape})
    lay_block = partial(_separable_block, alpha=alpha, depth_multiplier=depth_multiplier)
    return _mobilenet("MobileNet", identity, arguments, dropout, _BLOCKS, lay_block, donor)


def ConvMobileNet(
    input_shape=None,
    alpha=1.0,
    dropout=1e-3,
    include_top=True,
    weights=None,
    input_tensor=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name=None,
):
    """MobileNet with full convolutions, 29.3 million parameters and 4867 million multiply-adds at 224x224.

    Args:
        input_shape: tuple `(height, width, channels)`, each side at least 32. Channels come first if Keras' data format
            says so. Defaults to None: `(224, 224, 3)`, or `(None, None, 3)` without the classifier. An `input_tensor`
            overrules it.
        alpha: positive number, multiplies the channels of every layer. Defaults to 1.0.
        dropout: float, rate of the dropout before the classifier. Defaults to 0.001.
        include_top: bool, whether to end in the classifier. Defaults to True.
        weights: None for random weights, or the path of a weights file. If the file has another number of classes, the
            classifier stays random and a warning says so. Defaults to None.
        input_tensor: Keras tensor to build upon, in Keras' data format. Defaults to None: a new input.
        pooling: str, without the classifier "avg" or "max" for features `(batch, channels)`. Defaults to None: features
            `(batch, height / 32, width / 32, channels)`.
        classes: int, number of classes. Defaults to 1000.
        classifier_activation: str or function, None for logits. Defaults to "softmax".
        name: str, name of the model. Defaults to None: such as "conv_mobilenet_1.00_224".

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 that
        `mobilenet.preprocess_input` has normalised.

    Raises:
        ValueError: for an `alpha` that is not positive, weights that do not exist, cannot be downloaded or do not fit,
            a side below 32, or another argument that `keras.applications` refuses.

    Reference:
        Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, 2017, Table
        4.

    Example:

    >>> from keras_lightnets.applications import mobilenet
    >>> model = mobilenet.ConvMobileNet(input_shape=(64, 64, 3), alpha=0.25, classes=10)
    >>> model.output_shape
    (None, 10)
    """
    check_alpha(alpha)
    arguments = Arguments(
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name or partial(_name, "conv_mobilenet", alpha),
    )
    lay_block = partial(_full_block, alpha=alpha)
    return _mobilenet("ConvMobileNet", {"alpha": alpha}, arguments, dropout, _BLOCKS, lay_block)


def ShallowMobileNet(
    input_shape=None,
    alpha=1.0,
    depth_multiplier=1,
    dropout=1e-3,
    include_top=True,
    weights=None,
    input_tensor=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name=None,
):
    """MobileNet without blocks 7 to 11, 2.9 million parameters and 307 million multiply-adds at 224x224.

    Args:
        input_shape: tuple `(height, width, channels)`, each side at least 32. Channels come first if Keras' data format
            says so. Defaults to None: `(224, 224, 3)`, or `(None, None, 3)` without the classifier. An `input_tensor`
            overrules it.
        alpha: positive number, multiplies the channels of every layer. Defaults to 1.0.
        depth_multiplier: int, channels that a depthwise convolution makes of each of its own. The paper's resolution
            multiplier is `input_shape`, not this. Defaults to 1.
        dropout: float, rate of the dropout before the classifier. Defaults to 0.001.
        include_top: bool, whether to end in the classifier. Defaults to True.
        weights: None for random weights, or the path of a weights file. If the file has another number of classes, the
            classifier stays random and a warning says so. Defaults to None.
        input_tensor: Keras tensor to build upon, in Keras' data format. Defaults to None: a new input.
        pooling: str, without the classifier "avg" or "max" for features `(batch, channels)`. Defaults to None: features
            `(batch, height / 32, width / 32, channels)`.
        classes: int, number of classes. Defaults to 1000.
        classifier_activation: str or function, None for logits. Defaults to "softmax".
        name: str, name of the model. Defaults to None: such as "shallow_mobilenet_1.00_224".

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 that
        `mobilenet.preprocess_input` has normalised.

    Raises:
        ValueError: for an `alpha` that is not positive, weights that do not exist, cannot be downloaded or do not fit,
            a side below 32, or another argument that `keras.applications` refuses.

    Reference:
        Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, 2017, Table
        5.

    Example:

    >>> from keras_lightnets.applications import mobilenet
    >>> model = mobilenet.ShallowMobileNet(input_shape=(64, 64, 3), alpha=0.25, classes=10)
    >>> model.output_shape
    (None, 10)
    """
    check_alpha(alpha)
    identity = {"alpha": alpha, "depth_multiplier": depth_multiplier}
    arguments = Arguments(
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
        name or partial(_name, "shallow_mobilenet", alpha),
    )
    lay_block = partial(_separable_block, alpha=alpha, depth_multiplier=depth_multiplier)
    return _mobilenet("ShallowMobileNet", identity, arguments, dropout, _SHALLOW_BLOCKS, lay_block)
