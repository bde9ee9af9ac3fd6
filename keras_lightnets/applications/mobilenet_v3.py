"""MobileNetV3: searching for MobileNetV3 (Howard et al., ICCV 2019, https://arxiv.org/abs/1905.02244).

Inverted residuals found by an architecture search, with squeeze-excite and hard swish where they pay. The builders
equal `keras.applications`: their arguments, layers, names of the layers with weights, and weight files. `minimalistic`
leaves out squeeze-excite, hard swish and 5x5 kernels, for chips that are slow at them. The input is `(batch, height,
width, 3)` of any size, in both data formats. Pixels are RGB in 0-255, or in [-1, 1] with `include_preprocessing=False`.
"""

from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from keras_lightnets.applications.catalog.mobilenet_v3 import FAMILY
from keras_lightnets.applications.contract import Arguments, Donor, assemble, channel_axis, check_alpha
from keras_lightnets.applications.decoding import decode_predictions as decode_predictions
from keras_lightnets.applications.mobilenet_v2 import batch_norm, depthwise, make_divisible
from keras_lightnets.applications.orders import check_colours, ordered
from keras_lightnets.preprocessing import IMAGENET_STATISTICS, SYMMETRIC
from keras_lightnets.weights.name_maps import ORDER_MARKS

preprocess_input = FAMILY.preprocessing


class Row(NamedTuple):
    """Row of Tables 1 and 2."""

    kernel: int
    expanded: int
    out: int
    squeeze_excite: bool
    activation: str
    stride: int


class Config(NamedTuple):
    """One network."""

    rows: tuple[Row, ...]
    units: int  # of the hidden layer in the classifier
    activation: str = "hard_swish"  # of the stem and the last layers


class Form(NamedTuple):
    """Where torchvision's networks differ. Weights of one form fit no other."""

    pad: str | None = None  # the layer that pads the stem, if every strided convolution is padded alike on all sides
    imagenet: bool = False  # pixels are normalised by the statistics of ImageNet, not to [-1, 1]
    reduced: bool = False  # the last stage is half as wide, as the paper's detectors have it


# `keras.applications`, and torchvision's classifiers and segmenter, and its detector.
FORMS = {
    "": Form(),
    "torchvision": Form(ORDER_MARKS["torchvision"], imagenet=True),
    "torchvision_ssdlite": Form(ORDER_MARKS["torchvision_ssdlite"], reduced=True),
}
_STEM = 16
LARGE = Config(
    rows=(
        Row(3, 16, 16, False, "relu", 1),
        Row(3, 64, 24, False, "relu", 2),
        Row(3, 72, 24, False, "relu", 1),
        Row(5, 72, 40, True, "relu", 2),
        Row(5, 120, 40, True, "relu", 1),
        Row(5, 120, 40, True, "relu", 1),
        Row(3, 240, 80, False, "hard_swish", 2),
        Row(3, 200, 80, False, "hard_swish", 1),
        Row(3, 184, 80, False, "hard_swish", 1),
        Row(3, 184, 80, False, "hard_swish", 1),
        Row(3, 480, 112, True, "hard_swish", 1),
        Row(3, 672, 112, True, "hard_swish", 1),
        Row(5, 672, 160, True, "hard_swish", 2),
        Row(5, 960, 160, True, "hard_swish", 1),
        Row(5, 960, 160, True, "hard_swish", 1),
    ),
    units=1280,
)
SMALL = Config(
    rows=(
        Row(3, 16, 16, True, "relu", 2),
        Row(3, 72, 24, False, "relu", 2),
        Row(3, 88, 24, False, "relu", 1),
        Row(5, 96, 40, True, "hard_swish", 2),
        Row(5, 240, 40, True, "hard_swish", 1),
        Row(5, 240, 40, True, "hard_swish", 1),
        Row(5, 120, 48, True, "hard_swish", 1),
        Row(5, 144, 48, True, "hard_swish", 1),
        Row(5, 288, 96, True, "hard_swish", 2),
        Row(5, 576, 96, True, "hard_swish", 1),
        Row(5, 576, 96, True, "hard_swish", 1),
    ),
    units=1024,
)


def _minimalistic(config):
    rows = tuple(row._replace(kernel=3, squeeze_excite=False, activation="relu") for row in config.rows)
    return config._replace(rows=rows, activation="relu")


def _reduced(config):
    """Halves the last stage: what is behind its strided convolution."""
    first = max(number for number, row in enumerate(config.rows) if row.stride == 2)
    rows = [
        row._replace(
            out=row.out // (2 if number >= first else 1), expanded=row.expanded // (2 if number > first else 1)
        )
        for number, row in enumerate(config.rows)
    ]
    return config._replace(rows=tuple(rows))


def _activation(x, kind, name):
    return layers.ReLU(name=name)(x) if kind == "relu" else layers.Activation(kind, name=name)(x)


def _pointwise(x, filters, name, use_bias=False):
    return layers.Conv2D(filters, 1, padding="same", use_bias=use_bias, name=name)(x)


def _squeeze_excite(x, name):
    """Scales the channels by a hard sigmoid, squeezing them to a quarter."""
    channels = x.shape[channel_axis()]
    scale = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_avg_pool")(x)
    scale = _pointwise(scale, make_divisible(channels / 4), f"{name}_conv", use_bias=True)
    scale = layers.ReLU(name=f"{name}_relu")(scale)
    scale = _pointwise(scale, channels, f"{name}_conv_1", use_bias=True)
    scale = layers.ReLU(6.0, name=f"{name}_relu6")(scale + 3.0) * (1 / 6)
    return layers.Multiply(name=f"{name}_mul")([x, scale])


def _block(x, row, ratio, alpha, symmetric, name):
    """Inverted residual that widens by `ratio`, or starts with the depthwise convolution if that is 1."""
    shortcut = x
    channels = x.shape[channel_axis()]
    out = make_divisible(row.out * alpha)
    if ratio != 1:
        x = _pointwise(x, make_divisible(channels * ratio), f"{name}_expand")
        x = batch_norm(x, f"{name}_expand_bn")
        x = _activation(x, row.activation, f"{name}_expand_act")
    x = depthwise(x, row.kernel, row.stride, f"{name}_depthwise", f"{name}_depthwise_pad", symmetric)
    x = batch_norm(x, f"{name}_depthwise_bn")
    x = _activation(x, row.activation, f"{name}_depthwise_act")
    if row.squeeze_excite:
        x = _squeeze_excite(x, f"{name}_squeeze_excite")
    x = _pointwise(x, out, f"{name}_project")
    x = batch_norm(x, f"{name}_project_bn")
    if row.stride == 1 and channels == out:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _by_statistics(x, source):
    """Normalises pixels in [-1, 1] by the mean and deviation of ImageNet's pixels."""
    check_colours(x, source, channel_axis())
    shape = (3, 1, 1) if channel_axis() == 1 else (3,)
    middle, half = (np.reshape(values, shape) for values in SYMMETRIC)
    mean, std = (np.reshape(values, shape) for values in IMAGENET_STATISTICS)
    return layers.Rescaling((half / std).tolist(), ((middle - mean) / std).tolist(), name="statistics")(x)


def features(x, config, alpha=1.0, form=FORMS[""]):
    """Lays the features of the network that a `Config` and a `Form` describe. Pixels are normalised already."""
    if form.reduced:
        config = _reduced(config)
    if form.pad:
        x = layers.ZeroPadding2D(1, name=form.pad)(x)
    # The stem keeps its channels at every alpha.
    x = layers.Conv2D(_STEM, 3, strides=2, padding="valid" if form.pad else "same", use_bias=False, name="conv")(x)
    x = batch_norm(x, "conv_bn")
    x = _activation(x, config.activation, "conv_act")
    base = _STEM
    for number, row in enumerate(config.rows):
        # What alpha scales and rounds is the ratio of the widths, not the widths of the table.
        name = f"expanded_conv_{number}" if number else "expanded_conv"
        x = _block(x, row, row.expanded / base, alpha, bool(form.pad), name)
        base = row.out
    x = _pointwise(x, make_divisible(6 * x.shape[channel_axis()]), "conv_1")
    x = batch_norm(x, "conv_1_bn")
    return _activation(x, config.activation, "conv_1_act")


def _head(x, units, activation, dropout_rate, classes, classifier_activation):
    x = layers.GlobalAveragePooling2D(keepdims=True, name="avg_pool")(x)
    x = _pointwise(x, units, "conv_2", use_bias=True)
    x = _activation(x, activation, "conv_2_act")
    if dropout_rate > 0:
        x = layers.Dropout(dropout_rate, name="dropout")(x)
    x = _pointwise(x, classes, "logits", use_bias=True)
    x = layers.Flatten(name="flatten")(x)
    return layers.Activation(classifier_activation, name="predictions")(x)


def _mobilenet_v3(keras_builder, config, alpha, minimalistic, dropout_rate, include_preprocessing, arguments):
    check_alpha(alpha)
    identity = {"alpha": alpha, "minimalistic": minimalistic}
    donor = Donor(keras_builder, {**identity, "include_preprocessing": include_preprocessing})
    if minimalistic:
        config = _minimalistic(config)

    def lay(x, source):
        form = ordered(source, FORMS)
        if include_preprocessing:
            x = layers.Rescaling(1 / 127.5, offset=-1.0, name="rescaling")(x)
        if form.imagenet:
            x = _by_statistics(x, source)
        return features(x, config, alpha, form)

    def head(x, classes, activation):
        units = make_divisible(config.units * max(alpha, 1.0))
        return _head(x, units, config.activation, dropout_rate, classes, activation)

    return assemble(FAMILY, keras_builder.__name__, identity, arguments, lay, head, donor)


# Without annotations: the signature equals `keras.applications` to the letter.
def MobileNetV3Small(
    input_shape=None,
    alpha=1.0,
    minimalistic=False,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    classes=1000,
    pooling=None,
    dropout_rate=0.2,
    classifier_activation="softmax",
    include_preprocessing=True,
    name="MobileNetV3Small",
):
    """MobileNetV3-Small, 2.5 million parameters and 56 million multiply-adds at 224x224.

    Args:
        input_shape: tuple `(height, width, channels)`, each side at least 32. Channels come first if Keras' data format
            says so. Defaults to None: `(None, None, 3)`.
        alpha: positive number, multiplies the channels of every block, rounded to multiples of 8. "imagenet" has 0.75
            and 1.0. Defaults to 1.0.
        minimalistic: bool, whether to leave out squeeze-excite, hard swish and 5x5 kernels. "imagenet" has it with
            `alpha=1.0`. Defaults to False.
        include_top: bool, whether to end in the classifier. Defaults to True.
        weights: None for random weights, "imagenet" for the weights of `keras.applications`, another name in
            `keras_lightnets.weights.list_weights()`, or the path of a weights file. If the file has another number of
            classes, the classifier stays random and a warning says so. Defaults to "imagenet".
        input_tensor: Keras tensor to build upon, in Keras' data format. Defaults to None: a new input.
        classes: int, number of classes. Defaults to 1000, which "imagenet" requires. With other named weights, 1000
            means the number of classes of those weights.
        pooling: str, without the classifier "avg" or "max" for features `(batch, channels)`. Defaults to None: features
            `(batch, height / 32, width / 32, channels)`.
        dropout_rate: float, rate of the dropout before the classifier. Defaults to 0.2.
        classifier_activation: str or function, None for logits. Defaults to "softmax".
        include_preprocessing: bool, whether the model takes pixels 0-255 and scales them itself. With False it takes
            pixels in [-1, 1]. Defaults to True.
        name: str, name of the model. Defaults to "MobileNetV3Small".

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 as they are.

    Raises:
        ValueError: for an `alpha` that is not positive, weights that do not exist, cannot be downloaded or do not fit,
            a side below 32, or another argument that `keras.applications` refuses.

    Reference:
        Howard et al., Searching for MobileNetV3, ICCV 2019, Tables 1 and 2. Layers and weights of `keras.applications`.

    Example:

    >>> model = keras_lightnets.MobileNetV3Small(input_shape=(64, 64, 3), weights=None, classes=10)
    >>> model.output_shape
    (None, 10)
    """
    arguments = Arguments(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name
    )
    keras_builder = keras.applications.MobileNetV3Small
    return _mobilenet_v3(keras_builder, SMALL, alpha, minimalistic, dropout_rate, include_preprocessing, arguments)


def MobileNetV3Large(
    input_shape=None,
    alpha=1.0,
    minimalistic=False,
    include_top=True,
    weights="imagenet",
    input_tensor=None,
    classes=1000,
    pooling=None,
    dropout_rate=0.2,
    classifier_activation="softmax",
    include_preprocessing=True,
    name="MobileNetV3Large",
):
    """MobileNetV3-Large, 5.5 million parameters and 217 million multiply-adds at 224x224.

    Args:
        input_shape: tuple `(height, width, channels)`, each side at least 32. Channels come first if Keras' data format
            says so. Defaults to None: `(None, None, 3)`.
        alpha: positive number, multiplies the channels of every block, rounded to multiples of 8. "imagenet" has 0.75
            and 1.0. Defaults to 1.0.
        minimalistic: bool, whether to leave out squeeze-excite, hard swish and 5x5 kernels. "imagenet" has it with
            `alpha=1.0`. Defaults to False.
        include_top: bool, whether to end in the classifier. Defaults to True.
        weights: None for random weights, "imagenet" for the weights of `keras.applications`, another name in
            `keras_lightnets.weights.list_weights()`, or the path of a weights file. If the file has another number of
            classes, the classifier stays random and a warning says so. Defaults to "imagenet".
        input_tensor: Keras tensor to build upon, in Keras' data format. Defaults to None: a new input.
        classes: int, number of classes. Defaults to 1000, which "imagenet" requires. With other named weights, 1000
            means the number of classes of those weights.
        pooling: str, without the classifier "avg" or "max" for features `(batch, channels)`. Defaults to None: features
            `(batch, height / 32, width / 32, channels)`.
        dropout_rate: float, rate of the dropout before the classifier. Defaults to 0.2.
        classifier_activation: str or function, None for logits. Defaults to "softmax".
        include_preprocessing: bool, whether the model takes pixels 0-255 and scales them itself. With False it takes
            pixels in [-1, 1]. Defaults to True.
        name: str, name of the model. Defaults to "MobileNetV3Large".

    Returns:
        A functional `keras.Model` with output `(batch, classes)`. It expects RGB images of pixels 0-255 as they are.

    Raises:
        ValueError: for an `alpha` that is not positive, weights that do not exist, cannot be downloaded or do not fit,
            a side below 32, or another argument that `keras.applications` refuses.

    Reference:
        Howard et al., Searching for MobileNetV3, ICCV 2019, Tables 1 and 2. Layers and weights of `keras.applications`.

    Example:

    >>> model = keras_lightnets.MobileNetV3Large(input_shape=(64, 64, 3), weights=None, classes=10)
    >>> model.output_shape
    (None, 10)
    """
    arguments = Arguments(
        include_top, weights, input_tensor, input_shape, pooling, classes, classifier_activation, name
    )
    keras_builder = keras.applications.MobileNetV3Large
    return _mobilenet_v3(keras_builder, LARGE, alpha, minimalistic, dropout_rate, include_preprocessing, arguments)
