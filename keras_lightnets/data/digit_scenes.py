"""Scenes of scikit-learn's digits with boxes and masks: python -m keras_lightnets.data.digit_scenes DIR."""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

_SIDE = 128
_SCALES = (4, 8)
_MOST = 4
_SCENES = {"train": 1600, "test": 300}
# No digit of the training scenes comes in a test scene.
_DIGITS = {"train": slice(0, 1437), "test": slice(1437, None)}


def write_digit_scenes(folder, scenes=None):
    """Writes photos of digits on noise, with their boxes and masks.

    Below `folder` are `one`, where every digit is of one class "digit", and `ten`, the same photos with a class for
    each digit. Each of them has `train` and `test`: `images` of JPEG files, `annotations.json` with the boxes as COCO
    has them, and `masks` of PNG files, whose names stand in `labels.txt`.

    Args:
        folder: str or Path. Files of the same names are overwritten.
        scenes: dict of the number of scenes for "train" and "test". Defaults to None: 1600 and 300.

    Source:
        scikit-learn's `load_digits`, the test part of the UCI optical recognition of handwritten digits (1998).
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    # The grey levels are 0 to 16.
    inks = digits.images / 16
    names = {"one": ["digit"], "ten": [str(digit) for digit in range(10)]}
    for seed, (part, count) in enumerate((scenes or _SCENES).items()):
        own = _DIGITS[part]
        random = np.random.default_rng(seed)
        made = [draw_scene(random, inks[own], digits.target[own]) for _ in range(count)]
        for kind, classes in names.items():
            _write(Path(folder) / kind / part, made, classes)
    for kind, classes in names.items():
        (Path(folder) / kind / "labels.txt").write_text("\n".join(["background", *classes]) + "\n", "utf-8")


def draw_scene(random, inks, labels):
    """Draws up to four digits, scaled and tinted, on smooth noise.

    Args:
        random: `np.random.Generator`.
        inks: float array `(n, 8, 8)` of the digits to choose from: 0 for paper, 1 for ink.
        labels: int array `(n,)` of their classes.

    Returns:
        The pixels, the mask and a list of objects. The pixels are uint8 `(128, 128, 3)`. The mask is uint8
        `(128, 128)`, 0 for the background and the label plus 1 for the ink of a digit. An object is a pair of a label
        and a box `(left, top, width, height)` in pixels.
    """
    noise = Image.fromarray(random.integers(60, 196, (6, 6, 3), dtype="uint8"))
    pixels = np.asarray(noise.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), "float32")
    pixels = pixels + random.normal(0, 12, pixels.shape)
    mask, objects = np.zeros((_SIDE, _SIDE), "uint8"), []
    for _ in range(random.integers(1, _MOST + 1)):
        number, side = random.integers(len(inks)), round(8 * random.uniform(*_SCALES))
        digit = Image.fromarray((255 * inks[number]).astype("uint8"))
        ink = np.asarray(digit.resize((side, side), Image.Resampling.BICUBIC), "float32") / 255
        top, left = random.integers(0, _SIDE - side + 1, 2)
        window = np.s_[top : top + side, left : left + side]
        if mask[window].any():
            continue
        # Bright on dark and dark on bright, channel by channel: every digit can be seen.
        tint = np.where(pixels[window].mean((0, 1)) < 128, random.uniform(192, 256, 3), random.uniform(0, 64, 3))
        pixels[window] += ink[..., None] * (tint - pixels[window])
        drawn = ink > 0.5
        mask[window][drawn] = labels[number] + 1
        (first, *_, last), (begin, *_, end) = (np.flatnonzero(drawn.any(axis)) for axis in (1, 0))
        box = tuple(map(int, (left + begin, top + first, end - begin + 1, last - first + 1)))
        objects.append((int(labels[number]), box))
    return np.clip(pixels, 0, 255).astype("uint8"), mask, objects


def _write(folder, scenes, classes):
    """Writes one part. The labels of the scenes are numbers of `classes`, or stand for its only one."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number, (pixels, mask, objects) in enumerate(scenes):
        name = f"{number:04d}"
        Image.fromarray(pixels).save(folder / "images" / f"{name}.jpg", quality=90)
        Image.fromarray(np.minimum(mask, len(classes))).save(folder / "masks" / f"{name}.png")
        images.append({"id": number, "file_name": f"{name}.jpg", "width": _SIDE, "height": _SIDE})
        for label, box in objects:
            category = label if len(classes) > 1 else 0
            about = {"id": len(annotations) + 1, "image_id": number, "category_id": category, "bbox": box}
            annotations.append({**about, "area": box[2] * box[3], "iscrowd": 0})
    categories = [{"id": number, "name": name} for number, name in enumerate(classes)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content), "utf-8")


if __name__ == "__main__":
    write_digit_scenes(sys.argv[1])
