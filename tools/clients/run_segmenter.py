"""Segments images with MediaPipe Tasks: run_segmenter.py MODEL IMAGES.npy, uint8 pixels `(n, height, width, 3)`.

Prints the version, the labels, and the class of every pixel of each image.
"""

import importlib.metadata
import json
import sys

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision


def main(model, images):
    """Prints what MediaPipe says."""
    options = vision.ImageSegmenterOptions(
        base_options=BaseOptions(model_asset_path=model), output_category_mask=True, output_confidence_masks=True
    )
    masks = []
    with vision.ImageSegmenter.create_from_options(options) as segmenter:
        for pixels in np.load(images):
            result = segmenter.segment(mp.Image(image_format=mp.ImageFormat.SRGB, data=pixels))
            masks.append(result.category_mask.numpy_view().squeeze().tolist())
        labels = segmenter.labels
    print(json.dumps({"version": importlib.metadata.version("mediapipe"), "labels": labels, "masks": masks}))


if __name__ == "__main__":
    main(*sys.argv[1:])
