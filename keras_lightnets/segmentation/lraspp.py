"""LR-ASPP: a light segmenter on any backbone (Howard et al., https://arxiv.org/abs/1905.02244, section 6.4).

The last features, scaled channel by channel by what the whole image shows, say what is there. Features of stride 8 say
where exactly. Both vote for a class on every pixel. Published on Cityscapes (validation, MobileNetV3Large with half as
wide last features, 128 filters, output stride 16): mIoU 72.36, 1.51 million parameters and 9.74 billion multiply-adds
at 1024x2048. Output stride 32 costs 0.6 points and saves a fifth of the multiply-adds.
"""

import os

import keras
from keras import layers

from keras_lightnets.applications.contract import check_channels_last
from keras_lightnets.applications.dilation import with_output_stride
from keras_lightnets.applications.orders import check_form
from keras_lightnets.applications.pyramid import pyramid_levels
from keras_lightnets.errors import UserError
from keras_lightnets.layers import BatchNormalization
from keras_lightnets.weights.load import Head, load
from keras_lightnets.weights.opening import open_source
from keras_lightnets.weights.registry import Network

_LEVELS = {16: 4, 32: 5}
_WIDE = ("low_classes", "high_classes")


def LRASPP(
    backbone: keras.Model,
    classes: int,
    filters: int = 128,
    output_stride: int | None = None,
    weights: str | os.PathLike | None = None,
    name: str | None = None,
) -> keras.Model:
    """Builds an LR-ASPP segmenter on a network of this package.

    Compile and `fit` it as any model, with Keras' own loss and metric:

    * `keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)`
    * `keras.metrics.MeanIoU(classes, ignore_class=255, sparse_y_pred=False)`

    Args:
        backbone: a model from any builder of this package, with or without top, with a known input size of at least
            32x32.
        classes: int, number of classes. The background is one of them, where there is one.
        filters: int, channels of the last features in the head. Defaults to 128.
        output_stride: 32, or 16 for dilated convolutions in the last stage, which see the same of the image at twice
            the resolution. With 32 the segmenter shares layers and weights with the backbone, with 16 it has copies of
            them. Defaults to None: 16 with weights of torchvision, else 32.
        weights: path of the weights of a whole segmenter. The file comes from a segmenter of this function,
            `.weights.h5` or `.keras`, or is torchvision's `lraspp_mobilenet_v3_large`. The latter has 21 classes and
            needs a backbone built with the same file, `MobileNetV3Large(weights=path, ...)`. If the file has another
            number of classes, the layers of that width stay random and a warning says so. Defaults to None: the weights
            of the backbone, and random ones for the segmenter's own layers.
        name: str. Defaults to None: the name of the backbone and "_lraspp".

    Returns:
        A functional `keras.Model`. It takes the pixels that the backbone takes, and returns logits
        `(batch, height, width, classes)` for every pixel of the image.

    Raises:
        UserError: for a backbone of unknown input size or without features of stride 8 and 32, or for arguments or
            weights that do not fit.

    Reference:
        Howard et al., Searching for MobileNetV3, ICCV 2019, section 6.4. The pooling is over the whole image, as in
        torchvision. The paper pools 49x49 pixels, which is much the same.

    Example:

    >>> backbone = keras_lightnets.MicroNetM0(weights=None, include_top=False, input_shape=(64, 64, 3))
    >>> keras_lightnets.LRASPP(backbone, classes=5, filters=32).output_shape
    (None, 64, 64, 5)
    """
    check_channels_last("LRASPP")
    name = name or f"{backbone.name}_lraspp"
    for argument, number in (("classes", classes), ("filters", filters)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise UserError(f"`{argument}` must be positive. Received: {argument}={number}")
    source = None if weights is None else open_source(weights, Network("LRASPP", {}, {}), include_top=True)
    theirs = source is not None and source.layout is not None
    low, high = _backbone_maps(backbone, output_stride or (16 if theirs else 32), theirs, name)
    logits = _head(low, high, classes, filters)
    inputs = keras.utils.get_source_inputs(high)[0]
    logits = _resized(logits, inputs.shape, "pixels")
    segmenter = keras.Model(inputs, logits, name=name)
    if source:
        check_form(source, backbone)
        load(source, segmenter.layers, name, Head(_WIDE, _WIDE))
    return segmenter


def _backbone_maps(backbone, output_stride, first, name):
    """Returns features of stride 8, from the last block or the first one, and the last features of all."""
    if output_stride not in _LEVELS:
        raise UserError(f"`output_stride` must be one of {tuple(_LEVELS)}. Received: output_stride={output_stride}")
    levels = pyramid_levels(backbone)
    if not {3, _LEVELS[output_stride]} <= set(levels):
        strides = [2**level for level in levels]
        raise UserError(f"{name} needs features of stride 8 and {output_stride}. {backbone.name} has only {strides}.")
    if None in backbone.input_shape[1:]:
        raise UserError(
            f"{name} needs to know the size of the images: build {backbone.name} with `input_shape`. "
            f"Received: a backbone with input shape {backbone.input_shape}"
        )
    if output_stride < 2 ** max(levels):
        backbone = with_output_stride(backbone, output_stride)
        levels = pyramid_levels(backbone)
    return pyramid_levels(backbone, first)[3], levels[_LEVELS[output_stride]]


def _head(low, high, classes, filters):
    """Returns logits of the size of `low`."""
    x = layers.Conv2D(filters, 1, use_bias=False, name="high")(high)
    x = BatchNormalization(momentum=0.9, epsilon=1e-5, name="high_bn")(x)
    x = layers.ReLU(name="high_relu")(x)
    scale = layers.GlobalAveragePooling2D(keepdims=True, name="scale_pool")(high)
    scale = layers.Conv2D(filters, 1, use_bias=False, name="scale")(scale)
    scale = layers.Activation("sigmoid", name="scale_sigmoid")(scale)
    x = layers.Multiply(name="scaled")([x, scale])
    x = _resized(x, low.shape, "high_pixels")
    low, high = (layers.Conv2D(classes, 1, name=name)(part) for name, part in zip(_WIDE, (low, x), strict=True))
    return layers.Add(name="logits")([low, high])


def _resized(x, shape, name):
    return layers.Resizing(*shape[1:3], interpolation="bilinear", name=name)(x)
