"""The networks that ReXNet's channel search chose among (Han et al., CVPR 2021, https://arxiv.org/abs/2007.00992).

A 3x3 stem, inverted bottlenecks of MobileNetV2 with any channels after each, a wide 1x1 convolution and the classifier.
Images are small, so the stem keeps their size. Input RGB pixels scaled to [-1, 1].
"""

from collections.abc import Sequence

import keras
from keras import layers

from keras_lightnets.design.formulas import Cost, convolution, depthwise_separable
from keras_lightnets.errors import UserError
from keras_lightnets.layers import BatchNormalization

# Blocks that halve the image, counted from 1, in the search's networks of 5, 9 and 13 blocks. The paper does not name
# them. These reproduce the parameters and multiply-adds of its Table 3.
_DOWNSAMPLE = {5: (2, 4), 9: (4, 8), 13: (5, 9)}


def _checked(channels, downsample, activation):
    channels = tuple(channels)
    if not channels or min(channels) < 1 or any(width != int(width) for width in channels):
        raise UserError(f"`channels` must be positive integers, one a block. Received: channels={channels}")
    if downsample is None:
        if len(channels) not in _DOWNSAMPLE:
            raise UserError(
                f"Say which of the {len(channels)} blocks halve the image (`downsample`): only for "
                f"{', '.join(map(str, _DOWNSAMPLE))} blocks there is a default."
            )
        downsample = _DOWNSAMPLE[len(channels)]
    if wrong := [block for block in downsample if not 1 <= block <= len(channels)]:
        raise UserError(f"`downsample` names block {wrong[0]}; the blocks are numbered 1 to {len(channels)}.")
    try:
        keras.activations.get(activation)
    except ValueError:
        raise UserError(f"`activation` must be one of Keras, such as 'silu'. Received: {activation!r}") from None
    return channels, tuple(downsample)


def BottleneckNet(
    channels: Sequence[int],
    downsample: Sequence[int] | None = None,
    expansion: int = 6,
    activation: str = "relu6",
    stem: int = 16,
    features: int = 1024,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
    classifier_activation: str | None = "softmax",
    name: str = "bottleneck_net",
) -> keras.Model:
    """A network of inverted bottlenecks, for small images.

    Args:
        channels: list of int, channels after each block.
        downsample: list of the blocks, counted from 1, whose depthwise convolution halves the image. Defaults to None:
            blocks 2 and 4 of 5, 4 and 8 of 9, 5 and 9 of 13.
        expansion: int, filters of a block's first convolution per channel of its input. Defaults to 6.
        activation: str, nonlinearity after a block's first convolution. Every other one is ReLU6. Defaults to "relu6".
        stem: int, filters of the first convolution. Defaults to 16.
        features: int, filters of the last convolution. Defaults to 1024.
        input_shape: `(height, width, channels)`. Defaults to `(32, 32, 3)`.
        classes: int, number of classes. Defaults to 10.
        classifier_activation: activation of the classifier, None for logits. Defaults to "softmax".
        name: str, name of the model.

    Returns:
        A functional `keras.Model`. It expects pixels in [-1, 1].

    Raises:
        UserError: for channels that are not positive integers, or blocks or an activation that do not exist.

    Reference:
        Han et al., Rethinking Channel Dimensions for Efficient Model Design, CVPR 2021, section 3 and Table 3. The
        blocks come from Sandler et al., MobileNetV2, CVPR 2018.

    Example:

    >>> model = keras_lightnets.design.BottleneckNet([34, 34, 45, 55, 66])
    >>> model.output_shape
    (None, 10)
    """
    channels, downsample = _checked(channels, downsample, activation)
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(stem, 3, padding="same", use_bias=False, name="stem")(inputs)
    x = _normalized(x, "relu6", "stem")
    for block, filters in enumerate(channels, 1):
        x = _block(x, filters, 2 if block in downsample else 1, expansion, activation, f"block{block}")
    x = layers.Conv2D(features, 1, use_bias=False, name="features")(x)
    x = _normalized(x, "relu6", "features")
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = layers.Dense(classes, classifier_activation, name="predictions")(x)
    return keras.Model(inputs, x, name=name)


def _normalized(x, activation, name):
    x = BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
    return layers.Activation(activation, name=f"{name}_act")(x)


def _block(x, filters, stride, expansion, activation, name):
    shortcut = x
    x = layers.Conv2D(expansion * x.shape[-1], 1, use_bias=False, name=f"{name}_expand")(x)
    x = _normalized(x, activation, f"{name}_expand")
    x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    x = _normalized(x, "relu6", f"{name}_depthwise")
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(x)
    x = BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_project_bn")(x)
    if stride == 1 and shortcut.shape[-1] == filters:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def bottleneck_net_cost(
    channels: Sequence[int],
    downsample: Sequence[int] | None = None,
    expansion: int = 6,
    activation: str = "relu6",
    stem: int = 16,
    features: int = 1024,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
) -> Cost:
    """Counts a `BottleneckNet` without building it. Thousands a second.

    Args:
        channels: as in `BottleneckNet`, which has the other arguments and defaults too. `activation` costs nothing.

    Returns:
        A `Cost`: multiply-adds of the convolutions and the classifier, and trainable parameters.

    Raises:
        UserError: as in `BottleneckNet`.
        ValueError: if the input is not square.

    Example:

    >>> keras_lightnets.design.bottleneck_net_cost([34, 34, 45, 55, 66])
    Cost(madds=31483648, params=196884)
    """
    channels, downsample = _checked(channels, downsample, activation)
    side, width, colours = input_shape
    if side != width:
        raise ValueError(f"`input_shape` must be square to be counted. Received: input_shape={input_shape}")
    # Batch normalisation has two parameters a channel.
    parts, norms, before = [convolution(side, 3, colours, stem)], stem, stem
    for block, filters in enumerate(channels, 1):
        wide = expansion * before
        parts.append(convolution(side, 1, before, wide))
        side = -(-side // 2) if block in downsample else side
        parts.append(depthwise_separable(side, 3, wide, filters))
        norms += 2 * wide + filters
        before = filters
    parts += [convolution(side, 1, before, features), Cost(features * classes, (features + 1) * classes)]
    norms += features
    return Cost(sum(part.madds for part in parts), sum(part.params for part in parts) + 2 * norms)
