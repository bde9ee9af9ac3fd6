"""ReXNet: rethinking channel dimensions (Han et al., CVPR 2021, https://arxiv.org/abs/2007.00992).

Sixteen inverted bottlenecks, each a few channels wider than the one before, so that no layer squeezes the rank out of
its features. `ReXNet` has any width. `ReXNetLite` has no squeeze-excite and SiLU and has multiples of 8 channels, for
int8 on phones. `ReXNetR` has rounded channels. Layers, order and numbers follow the authors' code
(https://github.com/clovaai/rexnet). ReXNetR follows timm. Input `(batch, 224, 224, 3)` by default, RGB pixels
normalised by `preprocess_input`.
"""

import os
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import keras
from keras import layers

from keras_lightnets.applications.catalog.rexnet import FAMILY
from keras_lightnets.applications.contract import Arguments, assemble, check_alpha, pooled
from keras_lightnets.applications.decoding import decode_predictions as decode_predictions
from keras_lightnets.applications.mobilenet_v2 import make_divisible
from keras_lightnets.layers import BatchNormalization, DepthwiseConv2D, GroupedConv2D, PartialResidual, SiLU

preprocess_input = FAMILY.preprocessing


class Stage(NamedTuple):
    """Row of the architecture (paper's supplement). Only the first block of a stage strides."""

    repeats: int
    expansion: int
    stride: int
    squeeze_excite: bool  # in ReXNetLite nowhere


_STAGES = (
    Stage(1, 1, 1, False),
    Stage(2, 6, 2, False),
    Stage(2, 6, 2, True),
    Stage(3, 6, 2, True),
    Stage(3, 6, 1, True),
    Stage(5, 6, 2, True),
)
_BLOCKS = tuple(
    stage._replace(repeats=1, stride=1 if repeat else stage.stride)
    for stage in _STAGES
    for repeat in range(stage.repeats)
)


class Config(NamedTuple):
    """One network."""

    alpha: float
    growth: float  # channels from one block to the next, before alpha
    features: int  # filters of the last convolution
    divisor: int = 1  # of all channels
    activation: str = "silu"
    squeeze_excite: bool = True
    units: int = 0  # of a hidden layer in the classifier, 0 for none


def _widths(config):
    """Returns the channels of the stem and after each block.

    The weights of the authors have the widths that float64 gives when the growth is first summed up and then
    multiplied. Halves are rounded to even. In any other way some block is a channel off.
    """
    # A network narrower than 1.0 keeps the width of its stem and of its first block.
    shrink = min(config.alpha, 1.0)
    exact = (32 / shrink, *accumulate([config.growth] * (len(_BLOCKS) - 1), initial=16 / shrink))
    return [make_divisible(round(width * config.alpha), config.divisor) for width in exact]


def _uniform(fan_in):
    """The authors' initialiser of weights and biases, PyTorch's default."""
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


def _batch_norm(name):
    return BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)


def _activation(kind, name):
    return layers.ReLU(6.0, name=name) if kind == "relu6" else SiLU(name=name)


def _pointwise(x, filters, use_bias, name):
    channels = x.shape[-1]
    return GroupedConv2D(
        filters,
        use_bias=use_bias,
        kernel_initializer=_uniform(channels),
        bias_initializer=_uniform(channels),
        name=name,
    )(x)


def _depthwise(x, stride, name):
    if stride == 2:
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    conv = DepthwiseConv2D(
        3,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        depthwise_initializer=_uniform(9),
        name=name,
    )
    return _batch_norm(f"{name}_bn")(conv(x))


def _squeeze_excite(x, squeezed, name):
    """Scales the channels. Unlike the common one, it has batch normalisation inside."""
    scale = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    scale = _pointwise(scale, squeezed, True, f"{name}_squeeze")
    scale = _batch_norm(f"{name}_squeeze_bn")(scale)
    scale = layers.ReLU(name=f"{name}_relu")(scale)
    scale = _pointwise(scale, x.shape[-1], True, f"{name}_excite")
    scale = layers.Activation("sigmoid", name=f"{name}_sigmoid")(scale)
    return layers.Multiply(name=f"{name}_multiply")([x, scale])


def _block(x, row, out, config, name):
    """Inverted bottleneck: ReLU6 comes after the squeeze-excite, and nothing after the projection."""
    shortcut = x
    if row.expansion != 1:
        x = _pointwise(x, row.expansion * x.shape[-1], False, f"{name}_expand")
        x = _batch_norm(f"{name}_expand_bn")(x)
        x = _activation(config.activation, f"{name}_expand_act")(x)
    x = _depthwise(x, row.stride, f"{name}_depthwise")
    if row.squeeze_excite and config.squeeze_excite:
        x = _squeeze_excite(x, make_divisible(x.shape[-1] // 12, config.divisor), f"{name}_se")
    x = layers.ReLU(6.0, name=f"{name}_relu6")(x)
    x = _pointwise(x, out, False, f"{name}_project")
    x = _batch_norm(f"{name}_project_bn")(x)
    if row.stride == 1 and shortcut.shape[-1] <= out:
        x = PartialResidual(name=f"{name}_add")([x, shortcut])
    return x


def _stem(x, filters, activation):
    fan_in = 9 * x.shape[-1]
    x = layers.ZeroPadding2D(1, name="stem_pad")(x)
    x = layers.Conv2D(filters, 3, strides=2, use_bias=False, kernel_initializer=_uniform(fan_in), name="stem")(x)
    x = _batch_norm("stem_bn")(x)
    return _activation(activation, "stem_act")(x)


def _dense(x, units, activation, name):
    fan_in = x.shape[-1]
    return layers.Dense(
        units, activation, kernel_initializer=_uniform(fan_in), bias_initializer=_uniform(fan_in), name=name
    )(x)


def _head(x, config, classes, classifier_activation):
    x = pooled(x, "avg")
    if config.units:
        x = _dense(x, config.units, None, "fc")
        x = _batch_norm("fc_bn")(x)
        x = _activation(config.activation, "fc_act")(x)
    x = layers.Dropout(0.2, name="dropout")(x)
    return _dense(x, classes, classifier_activation, "predictions")


def _features(x, config):
    stem, *outs = _widths(config)
    x = _stem(x, stem, config.activation)
    for number, (row, out) in enumerate(zip(_BLOCKS, outs, strict=True), 1):
        x = _block(x, row, out, config, f"block{number}")
    x = _pointwise(x, config.features, False, "features")
    x = _batch_norm("features_bn")(x)
    return _activation(config.activation, "features_act")(x)


def _rexnet(builder, config, arguments):
    return assemble(
        FAMILY,
        builder,
        {"alpha": config.alpha},
        arguments,
        features=lambda inputs, source: _features(inputs, config),
        head=lambda x, classes, activation: _head(x, config, classes, activation),
    )


def ReXNet(
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
    """ReXNet: at width 1.0, 4.80 million parameters and 398 million multiply-adds at 224x224.

    Args:
        alpha: positive number, the width as a multiple of that at 1.0. Published are 0.6, 0.9 to 1.5 in steps of 0.1,
            2.0, 2.2 and 3.0. Below 1.0 the stem and the first block do not shrink. Defaults to 1.0.
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
        name: str, name of the model. Defaults to None: "rexnet_" and `alpha`.

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 that
        `rexnet.preprocess_input` has normalised.

    Raises:
        ValueError: for an `alpha` that is not positive, weights that do not exist, cannot be downloaded or do not fit,
            a side below 32, or another argument that `keras.applications` refuses.

    Reference:
        Han et al., Rethinking Channel Dimensions for Efficient Model Design, CVPR 2021. Layers and numbers are
        from `rexnetv1.py` in the authors' code.

    Example:

    >>> model = keras_lightnets.ReXNet(alpha=1.3, weights=None, input_shape=(64, 64, 3), classes=10)
    >>> model.output_shape
    (None, 10)
    """
    alpha = check_alpha(alpha)
    config = Config(alpha, growth=180 / len(_BLOCKS), features=max(1, int(1280 * alpha)))
    name = name or f"rexnet_{alpha}"
    arguments = Arguments(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name
    )
    return _rexnet("ReXNet", config, arguments)


def ReXNetLite(
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
    """ReXNet-lite for int8: at width 1.0, 4.74 million parameters and 407 million multiply-adds at 224x224.

    Args:
        alpha: positive number, the width as a multiple of that at 1.0. Published are 1.0, 1.3, 1.5 and 2.0. Below 1.0
            the stem and the first block do not shrink. No alpha costs less than 79 million multiply-adds at 224x224.
            At 128x128, alpha 0.45 has 59 million, as MobileNetV2-0.35 has at 224x224. Defaults to 1.0.
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
        name: str, name of the model. Defaults to None: "rexnet_lite_" and `alpha`.

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 that
        `rexnet.preprocess_input` has normalised.

    Raises:
        ValueError: for an `alpha` that is not positive, weights that do not exist, cannot be downloaded or do not fit,
            a side below 32, or another argument that `keras.applications` refuses.

    Reference:
        Han et al., Rethinking Channel Dimensions for Efficient Model Design, CVPR 2021. Layers and numbers are
        from `rexnetv1_lite.py` in the authors' code, the only description.

    Example:

    >>> model = keras_lightnets.ReXNetLite(alpha=1.3, weights=None, input_shape=(64, 64, 3), classes=10)
    >>> model.output_shape
    (None, 10)
    """
    alpha = check_alpha(alpha)
    config = Config(
        alpha,
        growth=164 / (len(_BLOCKS) - 1),
        features=int(1280 * max(alpha, 1.0)),
        divisor=8,
        activation="relu6",
        squeeze_excite=False,
        units=1024,
    )
    name = name or f"rexnet_lite_{alpha}"
    arguments = Arguments(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name
    )
    return _rexnet("ReXNetLite", config, arguments)


def ReXNetR(
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
    """ReXNet with channels in multiples of 8: at width 1.0, 4.88 million parameters and 419 million multiply-adds.

    Args:
        alpha: positive number, the width as a multiple of that at 1.0. Published are 1.0, 1.3, 1.5, 2.0 and 3.0. Below
            1.0 the stem and the first block do not shrink. Defaults to 1.0.
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
        name: str, name of the model. Defaults to None: "rexnet_r_" and `alpha`.

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 that
        `rexnet.preprocess_input` has normalised.

    Raises:
        ValueError: for an `alpha` that is not positive, weights that do not exist, cannot be downloaded or do not fit,
            a side below 32, or another argument that `keras.applications` refuses.

    Reference:
        Han et al., Rethinking Channel Dimensions for Efficient Model Design, CVPR 2021. timm's rexnetr models
        have the same channels.

    Example:

    >>> model = keras_lightnets.ReXNetR(alpha=1.3, weights=None, input_shape=(64, 64, 3), classes=10)
    >>> model.output_shape
    (None, 10)
    """
    alpha = check_alpha(alpha)
    # As in timm: multiples of 16 from width 3.0 on.
    divisor = 8 if alpha < 3.0 else 16
    features = make_divisible(1280 * alpha, divisor)
    config = Config(alpha, growth=180 / len(_BLOCKS), features=features, divisor=divisor)
    name = name or f"rexnet_r_{alpha}"
    arguments = Arguments(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name
    )
    return _rexnet("ReXNetR", config, arguments)
