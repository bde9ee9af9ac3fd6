"""ShuffleNet V2: practical guidelines for efficient CNN design (Ma et al., ECCV 2018, https://arxiv.org/abs/1807.11164).

Units without groups: half of the channels pass untouched, the others go through 1x1, 3x3 depthwise and 1x1 convolutions
of equal width, and a shuffle mixes the halves. Input `(batch, 224, 224, 3)` by default, RGB pixels normalised by
`preprocess_input`.

| `alpha`                     | 0.5     | 1.0     | 1.5     | 2.0     |
|-----------------------------|---------|---------|---------|---------|
| parameters                  | 1.37 M  | 2.28 M  | 3.51 M  | 7.40 M  |
| multiply-adds               | 40.5 M  | 145.8 M | 299.0 M | 590.8 M |
| published top-1 (Table 8)   | 60.3 %  | 69.4 %  | 72.6 %  | 74.9 %  |
"""

from typing import NamedTuple

from keras import layers

from keras_lightnets.applications.catalog.shufflenet_v2 import FAMILY
from keras_lightnets.applications.contract import (
    ARGUMENTS,
    finish,
    image_input,
    open_weights,
    pooled,
    refuse_channels_first,
)
from keras_lightnets.applications.decoding import decode_predictions as decode_predictions
from keras_lightnets.applications.shufflenet import batch_norm, depthwise, head, normal, ordered, stem
from keras_lightnets.layers import ChannelShuffle, ChannelSplit

preprocess_input = FAMILY.preprocessing

_STEM = 24
_UNITS = (4, 8, 4)  # of stages 2, 3 and 4; the first of each has stride 2


class Config(NamedTuple):
    """Column of Table 5: channels of stages 2, 3 and 4 and of conv5; the dropout is the authors' code's."""

    stages: tuple[int, int, int]
    features: int
    dropout: float


_CONFIGS = {
    0.5: Config((48, 96, 192), 1024, 0.0),
    1.0: Config((116, 232, 464), 1024, 0.0),
    1.5: Config((176, 352, 704), 1024, 0.0),
    2.0: Config((244, 488, 976), 2048, 0.2),
}


class Wiring(NamedTuple):
    """Where implementations differ without saying so; weights of one fit no other."""

    keep_input: bool  # the shortcut of a strided unit keeps its channels; else it gives half of the output
    shuffle_first: bool  # even and odd channels part where a unit begins; else the halves are shuffled where it ends


# The paper's figure and its multiply-adds, and pytorchcv's `shufflenetv2b`; those of released weights follow.
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


def _shufflenet_v2(
    alpha,
    wiring,
    include_top,
    source,
    input_tensor,
    input_shape,
    pooling,
    classes,
    classifier_activation,
    name,
):
    config = _CONFIGS[alpha]
    inputs = image_input(input_tensor, input_shape, include_top)
    x = stem(inputs, _STEM, source)
    for stage, (out, units) in enumerate(zip(config.stages, _UNITS, strict=True), 2):
        for unit in range(1, units + 1):
            x = _unit(x, out, 2 if unit == 1 else 1, wiring, f"stage{stage}_unit{unit}")
    x = _pointwise(x, config.features, "conv5")
    if include_top:
        x = pooled(x, "avg")
        if config.dropout:
            x = layers.Dropout(config.dropout, name="dropout")(x)
        x = head(x, classes, classifier_activation)
    else:
        x = pooled(x, pooling)
    return finish(inputs, x, name or f"shufflenet_v2_{float(alpha)}", source)


def ShuffleNetV2(
    alpha=1.0,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name=None,
):
    """ShuffleNet V2 of one of its four widths."""
    refuse_channels_first("ShuffleNetV2")
    if alpha not in _CONFIGS:
        raise ValueError(f"`alpha` must be one of {', '.join(map(str, _CONFIGS))}. Received: alpha={alpha!r}")
    source, classes = open_weights(
        "ShuffleNetV2", {"alpha": alpha}, weights, include_top, classes, classifier_activation
    )
    wiring = ordered(source, _WIRINGS)
    return _shufflenet_v2(
        alpha, wiring, include_top, source, input_tensor, input_shape, pooling, classes, classifier_activation, name
    )


_ARGUMENTS = ARGUMENTS.replace(
    "Args:\n",
    """Args:
    alpha: 0.5, 1.0, 1.5 or 2.0, the width. Defaults to 1.0.
""",
    1,
)

ShuffleNetV2.__doc__ = f"""ShuffleNet V2 of one of its four widths.

Where a unit strides, the shortcut keeps its channels and the other branch gives what is missing, as in the authors'
code: so come the paper's 146 and 299 million multiply-adds. torchvision gives half of the output to each branch; its 1x
has 2,278,604 parameters and 144.9 million multiply-adds.

{_ARGUMENTS}    ValueError: for another `alpha`.

Reference:
    Ma et al., ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, ECCV 2018, Table 5.

Example:

>>> model = keras_lightnets.ShuffleNetV2(alpha=0.5, weights=None, input_shape=(64, 64, 3), classes=10)
>>> model.output_shape
(None, 10)
"""
