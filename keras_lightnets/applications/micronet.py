"""MicroNet: image recognition with extremely low FLOPs (Li et al., ICCV 2021, https://arxiv.org/abs/2108.05894).

Four networks of 4 to 21 million multiply-adds. Convolutions are factorised (`k x k` depthwise into `k x 1` and `1 x k`,
1x1 into grouped squeeze and expand), and most activations are Dynamic Shift-Max. Layers, order and numbers follow the
authors' code (https://github.com/liyunsheng13/micronet). Its rows cut the paper's blocks elsewhere. A row is (expand of
the previous block, depthwise, squeeze). The blocks are in `micronet_blocks.py`. Input `(batch, 224, 224, 3)` by
default, RGB pixels normalised by `preprocess_input`. With `activation="relu6"` a network is its own ablation: it has
ReLU6 where the others have Dynamic Shift-Max.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
from keras import layers

from keras_lightnets.applications.catalog.micronet import FAMILY
from keras_lightnets.applications.contract import Arguments, assemble
from keras_lightnets.applications.decoding import decode_predictions as decode_predictions
from keras_lightnets.applications.micronet_blocks import final_block, head, lite_block, micro_block, stem

preprocess_input = FAMILY.preprocessing


class Lite(NamedTuple):
    """Row of an early stage (Micro-Block-A): depthwise expansion by 2 x 2, then a grouped squeeze."""

    stride: int
    kernel: int
    out: int
    squeeze_groups: int
    middle: int  # hidden units of the Dynamic Shift-Max after the depthwise convolution, 0 for ReLU6
    last: int  # the same after the squeeze, 0 for none


class Micro(NamedTuple):
    """Row of a later stage (Micro-Block-B/C): grouped expansion, depthwise, grouped squeeze."""

    stride: int
    kernel: int
    out: int
    expansion: int
    expand_groups: int
    squeeze_groups: int
    first: int  # hidden units of the Dynamic Shift-Max after the expansion, 0 for ReLU6
    middle: int
    last: int


class Final(NamedTuple):
    """The last row: a grouped expansion alone."""

    expansion: int
    expand_groups: int
    last: int


class Config(NamedTuple):
    """One network. `offsets_*` start the first and middle Dynamic Shift-Max of every block."""

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

_BLOCKS = {Lite: lite_block, Micro: micro_block, Final: final_block}
_ACTIVATIONS = ("dynamic_shift_max", "relu6")


def _without_shift_max(config):
    """The same network with the zeros in its rows that mean, in the authors' code, no Dynamic Shift-Max."""
    positions = {"first", "middle", "last"}
    rows = (row._replace(**dict.fromkeys(positions.intersection(row._fields), 0)) for row in config.rows)
    return config._replace(rows=tuple(rows))


def _micronet(builder, config, activation, arguments):
    if activation not in _ACTIVATIONS:
        choices = ", ".join(map(repr, _ACTIVATIONS))
        raise ValueError(f"`activation` must be one of {choices}. Received: activation={activation!r}")
    if activation == "relu6":
        config = _without_shift_max(config)
    return assemble(
        FAMILY,
        builder,
        {"activation": activation},
        arguments,
        features=lambda inputs, source: _features(inputs, config),
        head=lambda x, classes, activation: head(x, config, classes, activation),
    )


def _features(x, config):
    x = stem(x, *config.stem)
    for number, row in enumerate(config.rows, 1):
        x = _BLOCKS[type(row)](x, row, config, f"block{number}")
    return layers.ReLU(6.0, name="features_relu6")(x)


def MicroNetM0(
    include_top: bool = True,
    weights: str | os.PathLike | None = "imagenet",
    input_tensor: Any = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | Callable | None = "softmax",
    name: str = "micronet_m0",
    activation: str = "dynamic_shift_max",
) -> keras.Model:
    """MicroNet-M0: 1.02 million parameters and 4.1 million multiply-adds at 224x224.

    Args:
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
        name: str, name of the model. Defaults to "micronet_m0".
        activation: "dynamic_shift_max", or "relu6" for the ablation: ReLU6 after expansions and depthwise convolutions,
            nothing after squeezes. Defaults to "dynamic_shift_max".

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 that
        `micronet.preprocess_input` has normalised.

    Raises:
        ValueError: for another `activation`, weights that do not exist, cannot be downloaded or do not fit, a side
            below 32, or another argument that `keras.applications` refuses.

    Reference:
        Li et al., MicroNet: Improving Image Recognition with Extremely Low FLOPs, ICCV 2021. Layers and numbers
        are from `backbone/micronet.py` in the authors' code.

    Example:

    >>> model = keras_lightnets.MicroNetM0(weights=None, input_shape=(64, 64, 3), classes=10)
    >>> model.output_shape
    (None, 10)
    """
    arguments = Arguments(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name
    )
    return _micronet("MicroNetM0", _M0, activation, arguments)


def MicroNetM1(
    include_top: bool = True,
    weights: str | os.PathLike | None = "imagenet",
    input_tensor: Any = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | Callable | None = "softmax",
    name: str = "micronet_m1",
    activation: str = "dynamic_shift_max",
) -> keras.Model:
    """MicroNet-M1: 1.78 million parameters and 6.1 million multiply-adds at 224x224.

    Args:
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
        name: str, name of the model. Defaults to "micronet_m1".
        activation: "dynamic_shift_max", or "relu6" for the ablation: ReLU6 after expansions and depthwise convolutions,
            nothing after squeezes. Defaults to "dynamic_shift_max".

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 that
        `micronet.preprocess_input` has normalised.

    Raises:
        ValueError: for another `activation`, weights that do not exist, cannot be downloaded or do not fit, a side
            below 32, or another argument that `keras.applications` refuses.

    Reference:
        Li et al., MicroNet: Improving Image Recognition with Extremely Low FLOPs, ICCV 2021. Layers and numbers
        are from `backbone/micronet.py` in the authors' code.

    Example:

    >>> model = keras_lightnets.MicroNetM1(weights=None, input_shape=(64, 64, 3), classes=10)
    >>> model.output_shape
    (None, 10)
    """
    arguments = Arguments(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name
    )
    return _micronet("MicroNetM1", _M1, activation, arguments)


def MicroNetM2(
    include_top: bool = True,
    weights: str | os.PathLike | None = "imagenet",
    input_tensor: Any = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | Callable | None = "softmax",
    name: str = "micronet_m2",
    activation: str = "dynamic_shift_max",
) -> keras.Model:
    """MicroNet-M2: 2.39 million parameters and 12.7 million multiply-adds at 224x224.

    Args:
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
        name: str, name of the model. Defaults to "micronet_m2".
        activation: "dynamic_shift_max", or "relu6" for the ablation: ReLU6 after expansions and depthwise convolutions,
            nothing after squeezes. Defaults to "dynamic_shift_max".

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 that
        `micronet.preprocess_input` has normalised.

    Raises:
        ValueError: for another `activation`, weights that do not exist, cannot be downloaded or do not fit, a side
            below 32, or another argument that `keras.applications` refuses.

    Reference:
        Li et al., MicroNet: Improving Image Recognition with Extremely Low FLOPs, ICCV 2021. Layers and numbers
        are from `backbone/micronet.py` in the authors' code.

    Example:

    >>> model = keras_lightnets.MicroNetM2(weights=None, input_shape=(64, 64, 3), classes=10)
    >>> model.output_shape
    (None, 10)
    """
    arguments = Arguments(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name
    )
    return _micronet("MicroNetM2", _M2, activation, arguments)


def MicroNetM3(
    include_top: bool = True,
    weights: str | os.PathLike | None = "imagenet",
    input_tensor: Any = None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | Callable | None = "softmax",
    name: str = "micronet_m3",
    activation: str = "dynamic_shift_max",
) -> keras.Model:
    """MicroNet-M3: 2.62 million parameters and 20.8 million multiply-adds at 224x224.

    Args:
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
        name: str, name of the model. Defaults to "micronet_m3".
        activation: "dynamic_shift_max", or "relu6" for the ablation: ReLU6 after expansions and depthwise convolutions,
            nothing after squeezes. Defaults to "dynamic_shift_max".

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 that
        `micronet.preprocess_input` has normalised.

    Raises:
        ValueError: for another `activation`, weights that do not exist, cannot be downloaded or do not fit, a side
            below 32, or another argument that `keras.applications` refuses.

    Reference:
        Li et al., MicroNet: Improving Image Recognition with Extremely Low FLOPs, ICCV 2021. Layers and numbers
        are from `backbone/micronet.py` in the authors' code.

    Example:

    >>> model = keras_lightnets.MicroNetM3(weights=None, input_shape=(64, 64, 3), classes=10)
    >>> model.output_shape
    (None, 10)
    """
    arguments = Arguments(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name
    )
    return _micronet("MicroNetM3", _M3, activation, arguments)
