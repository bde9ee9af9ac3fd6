"""ShuffleNet V2: practical guidelines for efficient CNN design (Ma et al., ECCV 2018, https://arxiv.org/abs/1807.11164).

Units without groups: half of the channels pass untouched, the others go through 1x1, 3x3 depthwise and 1x1 convolutions
of equal width, and a shuffle mixes the halves. Input `(batch, 224, 224, 3)` by default, RGB pixels normalised by
`preprocess_input`.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
from keras import layers

from keras_lightnets.applications.catalog.shufflenet_v2 import FAMILY
from keras_lightnets.applications.contract import Arguments, assemble, pooled
from keras_lightnets.applications.decoding import decode_predictions as decode_predictions
from keras_lightnets.applications.orders import ordered
from keras_lightnets.applications.shufflenet import batch_norm, classifier, depthwise, normal, stem
from keras_lightnets.layers import ChannelShuffle, ChannelSplit

preprocess_input = FAMILY.preprocessing

_STEM = 24
_UNITS = (4, 8, 4)  # of stages 2, 3 and 4, the first of each with stride 2


class Config(NamedTuple):
    """Column of Table 5: channels of stages 2, 3 and 4 and of conv5. The dropout is the authors' code's."""

    stages: tuple[int, int, int]
    features: int
    dropout: float


CONFIGS = {
    0.5: Config((48, 96, 192), 1024, 0.0),
    1.0: Config((116, 232, 464), 1024, 0.0),
    1.5: Config((176, 352, 704), 1024, 0.0),
    2.0: Config((244, 488, 976), 2048, 0.2),
}


class Wiring(NamedTuple):
    """Where implementations differ without saying so. Weights of one fit no other."""

    keep_input: bool  # the shortcut of a strided unit keeps its channels instead of giving half of the output
    shuffle_first: bool  # even and odd channels part where a unit begins, not halves shuffled where it ends


# The paper's figure and its multiply-adds, and pytorchcv's `shufflenetv2b`. The wirings of released weights follow.
PAPER = Wiring(keep_input=True, shuffle_first=False)
TORCHVISION = Wiring(keep_input=False, shuffle_first=False)
MEGVII = Wiring(keep_input=True, shuffle_first=True)
_WIRINGS = {"": PAPER, "torchvision": TORCHVISION, "megvii": MEGVII}


def _pointwise(x, filters, name):
    conv = layers.Conv2D(filters, 1, use_bias=False, kernel_initializer=normal(1 / x.shape[-1]), name=name)
    x = batch_norm(f"{name}_bn")(conv(x))
    return layers.ReLU(name=f"{name}_relu")(x)


def _unit(x, out, stride, wiring, name):
    """ShuffleNet V2 unit (Figure 3c, d)."""
    channels = x.shape[-1]
    if stride == 2:
        shortcut = depthwise(x, 2, f"{name}_shortcut_depthwise")
        shortcut = _pointwise(shortcut, channels if wiring.keep_input else out // 2, f"{name}_shortcut_conv")
    else:
        if wiring.shuffle_first:
            x = ChannelShuffle(channels // 2, name=f"{name}_shuffle")(x)
        shortcut, x = ChannelSplit(2, name=f"{name}_split")(x)
    x = _pointwise(x, out // 2, f"{name}_conv1")
    x = depthwise(x, stride, f"{name}_depthwise")
    x = _pointwise(x, out - shortcut.shape[-1], f"{name}_conv2")
    x = layers.Concatenate(name=f"{name}_concat")([shortcut, x])
    return x if wiring.shuffle_first else ChannelShuffle(2, name=f"{name}_shuffle")(x)


def features(x, config, wiring, source=None):
    """Lays the features of the network that a `Config` and a `Wiring` describe, for the weights of a `Source`."""
    x = stem(x, _STEM, source)
    for stage, (out, units) in enumerate(zip(config.stages, _UNITS, strict=True), 2):
        for unit in range(1, units + 1):
            x = _unit(x, out, 2 if unit == 1 else 1, wiring, f"stage{stage}_unit{unit}")
    return _pointwise(x, config.features, "conv5")


def head(x, config, classes, classifier_activation):
    """Average pooling, dropout in the widest network, dense layer and activation."""
    x = pooled(x, "avg")
    if config.dropout:
        x = layers.Dropout(config.dropout, name="dropout")(x)
    return classifier(x, classes, classifier_activation)


def ShuffleNetV2(
    alpha: float = 1.0,
    include_top: bool = True,
    weights: str | os.PathLike | None = "imagenet",
    input_tensor: Any = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | Callable | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """ShuffleNet V2 of one of its four widths.

    Where a unit strides, the shortcut keeps its channels and the other branch gives what is missing, as in the authors'
    code. This gives the 146 and 299 million multiply-adds of the paper. torchvision gives half of the output to each
    branch: its 1x has 2,278,604 parameters and 144.9 million multiply-adds.

    Args:
        alpha: 0.5, 1.0, 1.5 or 2.0, the width. Defaults to 1.0.
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
        name: str, name of the model. Defaults to None: "shufflenet_v2_" and `alpha`.

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 that
        `shufflenet_v2.preprocess_input` has normalised.

    Raises:
        ValueError: for another `alpha`, weights that do not exist, cannot be downloaded or do not fit, a side below 32,
            or another argument that `keras.applications` refuses.

    Reference:
        Ma et al., ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, ECCV 2018, Table 5.

    Example:

    >>> model = keras_lightnets.ShuffleNetV2(alpha=0.5, weights=None, input_shape=(64, 64, 3), classes=10)
    >>> model.output_shape
    (None, 10)
    """
    if alpha not in tuple(CONFIGS):
        raise ValueError(f"`alpha` must be one of {', '.join(map(str, CONFIGS))}. Received: alpha={alpha!r}")
    config = CONFIGS[alpha]
    name = name or f"shufflenet_v2_{float(alpha)}"
    arguments = Arguments(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name
    )
    return assemble(
        FAMILY,
        "ShuffleNetV2",
        {"alpha": alpha},
        arguments,
        features=lambda inputs, source: features(inputs, config, ordered(source, _WIRINGS), source),
        head=lambda x, classes, activation: head(x, config, classes, activation),
    )
