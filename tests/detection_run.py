"""Trains a small detector on two images and prints its AP50; run by test_detection.py on every backend."""

import keras
import numpy as np

import keras_lightnets as kl


def trained():
    """Returns the detector, the images and their objects."""
    keras.utils.set_random_seed(0)
    images = np.full((2, 32, 32, 3), -1.0, "float32")
    boxes = np.array([[[0.125, 0.125, 0.5, 0.5]], [[0.5, 0.375, 0.9375, 0.875]]], "float32")
    images[0, 4:16, 4:16] = 1.0
    images[1, 16:30, 12:28, 0] = 1.0
    truth = {"boxes": boxes, "labels": np.array([[0], [1]])}
    backbone = kl.ShuffleNetV2(alpha=0.5, weights=None, include_top=False, input_shape=(32, 32, 3))
    detector = kl.SSDLite(backbone, 2, widths=(), anchors=[[(0.4, 0.4)], [(0.5, 0.5)]])
    detector.compile(keras.optimizers.SGD(0.05, momentum=0.9), jit_compile=False)
    detector.fit(images, truth, epochs=40, verbose=0)
    for layer in detector.layers:
        # So few steps leave no statistics behind.
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    detector(images, training=True)
    return detector, images, truth


def main():
    detector, images, truth = trained()
    outputs = detector.predict(images, verbose=0)
    metric = kl.COCOMeanAP(2)
    metric.update_state(truth, kl.decode_detections(outputs, detector.anchors, score=0.01))
    print(keras.backend.backend(), metric.summary()["AP50"], flush=True)


if __name__ == "__main__":
    main()
