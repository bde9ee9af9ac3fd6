"""Trains a small detector on two images and prints its AP50; run by test_detection.py on every backend."""

import keras

import keras_lightnets as kl
from tools.trained import trained


def main():
    detector, images, truth = trained()
    outputs = detector.predict(images, verbose=0)
    metric = kl.COCOMeanAP(2)
    metric.update_state(truth, kl.decode_detections(outputs, detector.anchors, score=0.01))
    print(keras.backend.backend(), metric.summary()["AP50"], flush=True)


if __name__ == "__main__":
    main()
