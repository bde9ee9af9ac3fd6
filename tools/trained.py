"""A small detector that finds its objects: trained on two images, within seconds, on every backend."""

import keras
import numpy as np

import keras_lightnets as kl

# Of the classes of the two objects.
LABELS = ["bright", "red"]


def trained(builder=kl.ShuffleNetV2, alpha=0.5):
    """Returns the detector, two images of 32x32 as it takes them, and their objects: one each."""
    keras.utils.set_random_seed(0)
    images = np.full((2, 32, 32, 3), -1.0, "float32")
    boxes = np.array([[[0.125, 0.125, 0.5, 0.5]], [[0.5, 0.375, 0.9375, 0.875]]], "float32")
    images[0, 4:16, 4:16] = 1.0
    images[1, 16:30, 12:28, 0] = 1.0
    truth = {"boxes": boxes, "labels": np.array([[0], [1]])}
    backbone = builder(alpha=alpha, weights=None, include_top=False, input_shape=(32, 32, 3))
    detector = kl.SSDLite(backbone, 2, widths=(), anchors=[[(0.4, 0.4)], [(0.5, 0.5)]])
    detector.compile(keras.optimizers.SGD(0.05, momentum=0.9), jit_compile=False)
    detector.fit(images, truth, epochs=40, verbose=0)
    for layer in detector.layers:
        # So few steps leave no statistics behind.
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    detector(images, training=True)
    return detector, images, truth
