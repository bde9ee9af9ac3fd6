"""SSDLite: a detector of depthwise convolutions on any backbone (Sandler et al., https://arxiv.org/abs/1801.04381).

Six maps, each half as large as the one before it, say for some anchors on each of their pixels what is there and where
exactly. The first map has stride 16: the expansion that the network's last strided convolution reads. The second has
stride 32: the features before pooling. The others are extra layers. Section 6.2 of MobileNetV2, section 6.3 of
MobileNetV3. Layers, anchors and initialisation as in TensorFlow's Object Detection API, which the papers used.

At 320x320 with 80 classes:

| backbone                | parameters | multiply-adds | published AP (COCO test-dev) |
|-------------------------|------------|---------------|------------------------------|
| MobileNet               | 5.10 M     | 1309 M        | 22.2                         |
| MobileNetV2             | 4.34 M     | 789 M         | 22.1                         |
| ReXNet(alpha=0.9)       | 4.99 M     | 888 M         | 24.7                         |
| ReXNet                  | 5.68 M     | 1008 M        | 25.3                         |
| ReXNet(alpha=1.3)       | 8.43 M     | 1601 M        | 27.3                         |
"""

import os
from collections.abc import Sequence

import keras
from keras import layers

from keras_lightnets.applications.contract import check_channels_last
from keras_lightnets.applications.orders import check_form
from keras_lightnets.applications.pyramid import expansion_levels, pyramid_levels
from keras_lightnets.detection.anchors import Anchors, anchor_sizes
from keras_lightnets.detection.detector import Detector
from keras_lightnets.errors import UserError
from keras_lightnets.layers import BatchNormalization, DepthwiseConv2D
from keras_lightnets.weights.load import Head, load
from keras_lightnets.weights.opening import open_source
from keras_lightnets.weights.registry import Network

# XNNPACK takes no more inputs of one concatenation.
_MOST_INPUTS = 5


def SSDLite(
    backbone: keras.Model,
    classes: int,
    widths: Sequence[int] = (512, 256, 256, 128),
    anchors: str | Sequence | None = None,
    weights: str | os.PathLike | None = None,
    name: str | None = None,
) -> Detector:
    """Builds an SSDLite detector on a network of this package.

    The detector shares layers and weights with the backbone. Compile it with an optimizer alone, for it knows its loss,
    and `fit` it with a dict of boxes and labels for each image.

    Args:
        backbone: a model from any builder of this package, with or without top, with a known input size of at least
            32x32.
        classes: int, number of classes without the background.
        widths: ints, channels of the extra layers. A quarter of the default suits the smallest backbones, on which the
            head else has most of the parameters. Defaults to `(512, 256, 256, 128)`.
        anchors: "paper" (3 on each pixel of the first map and 6 on the others), "torchvision" (6 on every map), or your
            own: for each map (two, and one for each width) a list of `(height, width)`, relative to the image. Defaults
            to None: "torchvision" with weights of torchvision, else "paper".
        weights: path of the weights of a whole detector. The file comes from a detector of this function, `.weights.h5`
            or `.keras`, or is torchvision's `ssdlite320_mobilenet_v3_large`. The latter has 90 classes and 320x320
            pixels and needs a backbone built with the same file, `MobileNetV3Large(weights=path, ...)`. If the file has
            another number of classes, the layers of that width stay random and a warning says so. Defaults to None: the
            weights of the backbone, and random ones for the detector's own layers.
        name: str. Defaults to None: the name of the backbone and "_ssdlite".

    Returns:
        A `Detector`, a functional `keras.Model`. It takes the pixels that the backbone takes, and returns a dict.
        `"boxes"`, `(batch, anchors, 4)`, has codes of y, x, height and width relative to the anchors. `"classes"`,
        `(batch, anchors, classes + 1)`, has logits with the background first. `decode_detections` makes boxes of them.

    Raises:
        UserError: for a backbone of unknown input size or without features of stride 16 and 32, or for arguments or
            weights that do not fit.

    Reference:
        Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018, section 6.2. Liu et al., SSD:
        Single Shot MultiBox Detector, ECCV 2016.

    Example:

    >>> backbone = keras_lightnets.MicroNetM0(weights=None, include_top=False, input_shape=(64, 64, 3))
    >>> detector = keras_lightnets.SSDLite(backbone, classes=2, widths=(128, 64, 64, 32))
    >>> detector.compile("adam")  # and detector.fit(images, {"boxes": boxes, "labels": labels})
    >>> {name: output.shape for name, output in detector.output.items()}
    {'boxes': (None, 96, 4), 'classes': (None, 96, 3)}
    """
    check_channels_last("SSDLite")
    name = name or f"{backbone.name}_ssdlite"
    maps = _backbone_maps(backbone, name)
    _check(classes, widths)
    source = None if weights is None else open_source(weights, Network("SSDLite", {}, {}), include_top=True)
    for number, width in enumerate(widths, 1):
        maps.append(_extra(maps[-1], width, f"extra{number}"))
    default = "torchvision" if source and source.layout else "paper"
    sizes = anchor_sizes(default if anchors is None else anchors, len(maps))
    codes, logits = [], []
    for number, (features, shapes) in enumerate(zip(maps, sizes, strict=True), 1):
        codes.append(_predictions(features, len(shapes), 4, f"map{number}_boxes"))
        logits.append(_predictions(features, len(shapes), classes + 1, f"map{number}_classes"))
    grids = [features.shape[1:3] for features in maps]
    boxes = Anchors(grids, sizes, name="boxes")(_joined(codes, "codes"))
    detector = Detector(backbone.input, {"boxes": boxes, "classes": _joined(logits, "classes")}, name=name)
    if source:
        check_form(source, backbone)
        wide = tuple(f"map{number}_classes" for number in range(1, len(maps) + 1))
        load(source, detector.layers, name, Head(wide, wide, anchors=True))
    return detector


def _check(classes, widths):
    for argument, numbers in (("classes", [classes]), ("widths", widths)):
        if any(isinstance(number, bool) or not isinstance(number, int) or number < 1 for number in numbers):
            raise UserError(f"`{argument}` must be positive. Received: {argument}={numbers}")


def _backbone_maps(backbone, name):
    """Returns the features of stride 16 and 32."""
    levels = pyramid_levels(backbone)
    if not {4, 5} <= set(levels):
        raise UserError(
            f"{name} needs features of stride 16 and 32; {backbone.name} has only 2**k for k={list(levels)}"
        )
    if None in backbone.input_shape[1:]:
        raise UserError(
            f"{name} needs to know the size of the images: build {backbone.name} with `input_shape`. "
            f"Received: a backbone with input shape {backbone.input_shape}"
        )
    return [expansion_levels(backbone)[4], levels[5]]


def _extra(x, width, name):
    """Halves the map."""
    x = _activated(_pointwise(x, width // 2, f"{name}_squeeze"), f"{name}_squeeze")
    # Symmetric, as in torchvision. TensorFlow pads even sides at their end only.
    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    x = _activated(_depthwise(x, 2, "valid", f"{name}_depthwise"), f"{name}_depthwise")
    return _activated(_pointwise(x, width, f"{name}_expand"), f"{name}_expand")


def _predictions(x, anchors, numbers, name):
    """Returns `numbers` for each anchor on each pixel, `(batch, pixels * anchors, numbers)`."""
    x = _activated(_depthwise(x, 1, "same", f"{name}_depthwise"), f"{name}_depthwise")
    x = _pointwise(x, anchors * numbers, name, use_bias=True)
    return layers.Reshape((-1, numbers), name=f"{name}_flat")(x)


def _joined(tensors, name):
    """Joins the predictions of all maps."""
    if len(tensors) > _MOST_INPUTS:
        first = layers.Concatenate(axis=1, name=f"{name}_first")(tensors[:_MOST_INPUTS])
        tensors = [first, *tensors[_MOST_INPUTS:]]
    return layers.Concatenate(axis=1, name=name)(tensors)


def _pointwise(x, filters, name, use_bias=False):
    return layers.Conv2D(filters, 1, use_bias=use_bias, kernel_initializer=_normal(), name=name)(x)


def _depthwise(x, stride, padding, name):
    initializer = _normal()
    return DepthwiseConv2D(3, stride, padding, use_bias=False, depthwise_initializer=initializer, name=name)(x)


def _normal():
    # A new one each time: Keras' initializers return the same numbers again.
    return keras.initializers.RandomNormal(stddev=0.03)


def _activated(x, name):
    x = BatchNormalization(momentum=0.97, epsilon=1e-3, name=f"{name}_bn")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)
