"""A detector trained on drawn scenes, in plain Keras: python examples/detection.py.

Each image has one bright square on noise. Replace `scenes` with your images and boxes.
"""

import keras
import numpy as np

import keras_lightnets


def scenes(count, size, seed):
    """Returns pixels `(count, size, size, 3)`, and a dict of boxes (top, left, bottom, right in [0, 1]) and labels."""
    random = np.random.default_rng(seed)
    pixels = random.normal(0, 0.3, (count, size, size, 3)).astype("float32")
    side = random.uniform(0.3, 0.6, (count, 1))
    corner = random.uniform(0, 1, (count, 2)) * (1 - side)
    boxes = np.concatenate([corner, corner + side], axis=1).astype("float32")
    for image, (top, left, bottom, right) in zip(pixels, (boxes * size).round().astype(int), strict=True):
        image[top:bottom, left:right] += 2.0
    return pixels, {"boxes": boxes[:, None], "labels": np.zeros((count, 1), "int32")}


def main(images=512, epochs=20, size=64):
    """Trains and exports a detector; returns its average precision on new scenes."""
    backbone = keras_lightnets.MicroNetM0(weights=None, include_top=False, input_shape=(size, size, 3))
    detector = keras_lightnets.SSDLite(backbone, classes=1, widths=(128, 64, 64, 32))
    detector.compile(keras.optimizers.Adam(2e-3))
    detector.fit(*scenes(images, size, seed=0), batch_size=32, epochs=epochs)
    pixels, truth = scenes(64, size, seed=1)
    found = keras_lightnets.decode_detections(detector.predict(pixels, verbose=0), detector.anchors)
    metric = keras_lightnets.COCOMeanAP(1)
    metric.update_state(truth, found)
    print(keras_lightnets.export.to_tflite(detector, "detector.tflite", samples=pixels))
    return float(metric.result())


if __name__ == "__main__":
    print("average precision:", main())
