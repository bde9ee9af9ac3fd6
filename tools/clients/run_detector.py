"""Detects objects with MediaPipe Tasks: run_detector.py MODEL IMAGES.npy, uint8 pixels `(n, height, width, 3)`.

Prints the version and, image by image, the label, the score and the box of each detection: top, left, bottom and right
in pixels.
"""

import importlib.metadata
import json
import sys

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision


def main(model, images):
    """Prints what MediaPipe says."""
    options = vision.ObjectDetectorOptions(base_options=BaseOptions(model_asset_path=model), score_threshold=0.3)
    found = []
    with vision.ObjectDetector.create_from_options(options) as detector:
        for pixels in np.load(images):
            result = detector.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=pixels))
            found.append([_described(detection) for detection in result.detections])
    print(json.dumps({"version": importlib.metadata.version("mediapipe"), "found": found}))


def _described(detection):
    (category,), box = detection.categories, detection.bounding_box
    corners = (box.origin_y, box.origin_x, box.origin_y + box.height, box.origin_x + box.width)
    return category.category_name, category.score, corners


if __name__ == "__main__":
    main(*sys.argv[1:])
