"""Seeded pixels, objects, and outputs and weights of torchvision's dense networks, the same on every machine."""

import keras
import numpy as np

import keras_lightnets as kl
from keras_lightnets.applications.mobilenet_v3 import FORMS, LARGE, features

GRIDS = tuple((side, side) for side in (20, 10, 5, 3, 2, 1))
SIZE = 320
CLASSES = 90
SEGMENT = (2, 64, 96, 3)
SEGMENT_CLASSES = 21
# Boxes as "rel_yxyx" of two images: some that overlap, one small, one thin, one of nearly everything.
OBJECTS = {
    "boxes": np.array(
        [
            [[0.1, 0.11, 0.52, 0.6], [0.12, 0.1, 0.5, 0.63], [0.3, 0.55, 0.83, 0.92], [0.7, 0.71, 0.74, 0.77]],
            [[0.01, 0.2, 0.93, 0.9], [0.05, 0.4, 0.6, 0.47], [0, 0, 0, 0], [0, 0, 0, 0]],
        ],
        "float32",
    ),
    "labels": np.array([[2, 16, 89, 0], [43, 0, -1, -1]]),
}


def seeded_outputs(anchors):
    """Returns box codes and logits of two images."""
    random = np.random.RandomState(0)
    codes = random.standard_normal((2, anchors, 4))
    logits = 3 * random.standard_normal((2, anchors, CLASSES + 1))
    return {"boxes": codes.astype("float32"), "classes": logits.astype("float32")}


def seeded_pixels(shape):
    """Returns images of pixels 0-255."""
    return np.random.RandomState(0).randint(0, 256, shape).astype("float32")


def detector():
    """A network with the variables of torchvision's `ssdlite320_mobilenet_v3_large`."""
    return kl.SSDLite(_backbone((SIZE, SIZE, 3), "torchvision_ssdlite"), CLASSES, anchors="torchvision")


def segmenter():
    """A network with the variables of torchvision's `lraspp_mobilenet_v3_large`."""
    return kl.LRASPP(_backbone(SEGMENT[1:], "torchvision"), SEGMENT_CLASSES, output_stride=16)


def _backbone(shape, form):
    inputs = keras.Input(shape)
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)
    return keras.Model(inputs, features(scaled, LARGE, form=FORMS[form]))
