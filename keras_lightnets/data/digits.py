"""Scikit-learn's handwritten digits as a folder of images: python -m keras_lightnets.data.digits DIR."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image


def write_digits(folder):
    """Writes the 8x8 digits as PNG files, one folder per class.

    Args:
        folder: str or Path. Files of the same names are overwritten.

    Source:
        scikit-learn's `load_digits`, the test part of the UCI optical recognition of handwritten digits (1998).
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    for index, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = Path(folder) / str(label) / f"{index:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        # The grey levels are 0 to 16.
        Image.fromarray(np.round(image * 255 / 16).astype("uint8")).save(path)


if __name__ == "__main__":
    write_digits(sys.argv[1])
