"""What the tests of training share: a small data set of photos, and the options of a short run."""

import numpy as np
from PIL import Image

TINY = ("--recipe", "cifar10", "--model", "MobileNet-alpha=0.25", "--size", "32", "--batch-size", "16")


def write_images(folder, counts, suffix=".jpg"):
    """Writes images of a few classes, each of its own brightness, one folder a class."""
    random = np.random.default_rng(0)
    for part, count in counts.items():
        for number, name in enumerate("abc"):
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 60, (36, 40, 3)) + 80 * number
                Image.fromarray(pixels.astype("uint8")).save(folder / part / name / f"{i:03d}{suffix}")
    return folder
