"""MobileNet: CNNs for mobile vision applications (Howard et al., 2017, https://arxiv.org/abs/1704.04861).

A stem and thirteen depthwise-separable blocks, narrowed by `alpha`; the paper's resolution multiplier is a smaller
`input_shape`. `MobileNet` is `keras.applications.MobileNet`: its arguments, layers, names and weight files.
`ConvMobileNet` and `ShallowMobileNet` are two networks that the paper compares it with (Tables 4 and 5). Input
`(batch, 224, 224, 3)` by default, RGB pixels scaled to [-1, 1] by `preprocess_input`; both data formats. As in Keras,
an `input_tensor` overrules `input_shape`.

Published ImageNet top-1 at 224x224 (paper, Tables 4 to 6): alpha 1.0 70.6 %, 0.75 68.4 %, 0.5 63.7 %, 0.25 50.6 %;
full convolutions 71.7 %, shallow 65.3 %.
"""

from typing import NamedTuple

import keras
from keras import layers

from keras_lightnets.applications.catalog.mobilenet import FAMILY
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
from keras_lightnets.layers import BatchNormalization

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
    x = layers.DepthwiseConv2D(
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


def _head(x, dropout, classes, classifier_activation):
    x = layers.GlobalAveragePooling2D(keepdims=True, name="avg_pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(classes, 1, padding="same", name="conv_preds")(x)
    x = layers.Reshape((classes,), name="reshape_2")(x)
    return layers.Activation(classifier_activation, name="predictions")(x)


def _mobilenet(
    blocks,
    lay_block,
    input_shape,
    alpha,
    dropout,
    include_top,
    input_tensor,
    pooling,
    classes,
    classifier_activation,
):
    """Returns the input and the output of a network that lays each of `blocks` by `lay_block(x, block)`."""
    # As Keras documents it, a tensor overrules the shape.
    inputs = image_input(input_tensor, input_shape if input_tensor is None else None, include_top)
    x = layers.Conv2D(int(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="conv1")(inputs)
    x = _activated(x, "conv1")
    for block in blocks:
        x = lay_block(x, block)
    x = _head(x, dropout, classes, classifier_activation) if include_top else pooled(x, pooling)
    return inputs, x


def _name(prefix, alpha, inputs):
    return f"{prefix}_{alpha:.2f}_{inputs.shape[2 if channel_axis() == 1 else 1]}"


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
    """MobileNet with depthwise-separable convolutions, 4.2 million parameters and 569 million multiply-adds."""
    check_alpha(alpha)
    arguments = {"alpha": alpha, "depth_multiplier": depth_multiplier}
    source, classes = open_weights(
        "MobileNet", arguments, weights, include_top, classes, classifier_activation, donated=True
    )
    donor = keras_donor(
        keras.applications.MobileNet,
        weights,
        input_tensor,
        input_shape=input_shape,
        alpha=alpha,
        depth_multiplier=depth_multiplier,
        include_top=include_top,
        name=name,
    )
    inputs, outputs = _mobilenet(
        _BLOCKS,
        lambda x, block: _separable_block(x, block, alpha, depth_multiplier),
        input_shape,
        alpha,
        dropout,
        include_top,
        input_tensor,
        pooling,
        classes,
        classifier_activation,
    )
    # The donor's name tells the size that its weights were trained at.
    name = donor.name if donor else name or _name("mobilenet", alpha, inputs)
    return finish(inputs, outputs, name, source, donor)


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
    """MobileNet with full convolutions (Table 4), 29.3 million parameters and 4867 million multiply-adds.

    Args:
        input_shape, ..., name: as in `MobileNet`, which has a `depth_multiplier` more, but for `weights`: None or the
            path of a weights file. Defaults to None.

    Returns:
        A functional `keras.Model`. It expects images normalised by this module's `preprocess_input`.

    Raises:
        ValueError: for arguments that `MobileNet` refuses too, and for `weights="imagenet"`: there are none.

    Reference:
        Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, 2017,
        Table 4.

    Example:

    >>> from keras_lightnets.applications import mobilenet
    >>> model = mobilenet.ConvMobileNet(input_shape=(64, 64, 3), alpha=0.25, weights=None, classes=10)
    >>> model.output_shape
    (None, 10)
    """
    check_alpha(alpha)
    source, classes = open_weights(
        "ConvMobileNet", {"alpha": alpha}, weights, include_top, classes, classifier_activation
    )
    inputs, outputs = _mobilenet(
        _BLOCKS,
        lambda x, block: _full_block(x, block, alpha),
        input_shape,
        alpha,
        dropout,
        include_top,
        input_tensor,
        pooling,
        classes,
        classifier_activation,
    )
    return finish(inputs, outputs, name or _name("conv_mobilenet", alpha, inputs), source)


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
    """MobileNet without blocks 7 to 11 (Table 5), 2.9 million parameters and 307 million multiply-adds.

    Args:
        input_shape, ..., name: as in `MobileNet`, but for `weights`: None or the path of a weights file. Defaults to
            None.

    Returns:
        A functional `keras.Model`. It expects images normalised by this module's `preprocess_input`.

    Raises:
        ValueError: for arguments that `MobileNet` refuses too, and for `weights="imagenet"`: there are none.

    Reference:
        Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, 2017,
        Table 5.

    Example:

    >>> from keras_lightnets.applications import mobilenet
    >>> model = mobilenet.ShallowMobileNet(input_shape=(64, 64, 3), alpha=0.25, weights=None, classes=10)
    >>> model.output_shape
    (None, 10)
    """
    check_alpha(alpha)
    source, classes = open_weights(
        "ShallowMobileNet", {"alpha": alpha}, weights, include_top, classes, classifier_activation
    )
    inputs, outputs = _mobilenet(
        _SHALLOW_BLOCKS,
        lambda x, block: _separable_block(x, block, alpha, depth_multiplier),
        input_shape,
        alpha,
        dropout,
        include_top,
        input_tensor,
        pooling,
        classes,
        classifier_activation,
    )
    return finish(inputs, outputs, name or _name("shallow_mobilenet", alpha, inputs), source)


MobileNet.__doc__ += f"""

{
    ARGUMENTS.replace(
        "Args:",
        '''Args:
    alpha: positive number, multiplies the channels of every layer; "imagenet" has 0.25, 0.5, 0.75 and 1.0. Defaults
        to 1.0.
    depth_multiplier: int, channels that a depthwise convolution makes of each of its own; the paper's resolution
        multiplier is not this but `input_shape`. Defaults to 1.
    dropout: float, rate of the dropout before the classifier. Defaults to 0.001.''',
    )
}
Reference:
    Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, 2017, Table 1;
    layers and weights from `keras.applications`.

Example:

>>> model = keras_lightnets.MobileNet(input_shape=(64, 64, 3), alpha=0.25, weights=None, classes=10)
>>> model.output_shape
(None, 10)
"""
