"""Masks: for each image a picture of the same size whose pixels are class numbers, grey or with a palette.

The folders are `images` and `masks`, or `train/images` and `train/masks`, or `images/train` and `masks/train`. `val`
and `test` are named likewise. Pascal VOC's folders are `JPEGImages` and `SegmentationClass`, and files such as
`ImageSets/Segmentation/train.txt` may list the images. `labels.txt` has the names of the classes, one a line. The first
is number 0, the background if there is one. Pixels of 255 do not count.
"""

import io
import warnings
from collections import Counter

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_lightnets.data.annotations.names import read_names
from keras_lightnets.data.annotations.pairs import file_pairs, folder_pairs, listed_files
from keras_lightnets.data.annotations.record import Annotated, annotate
from keras_lightnets.data.images import MOST_PIXELS
from keras_lightnets.errors import UserError
from keras_lightnets.files import reading

NAME = "masks (images/ and masks/)"
# The class of pixels that do not count.
IGNORED = 255
_NAMES = ("labels.txt", "classes.txt")


def find(root):
    """Returns the pairs of folders by part, an empty dict where there are none."""
    return folder_pairs(root, ("images", "jpegimages"), ("masks", "segmentationclass"))


def read(root, found, skip):
    """Reads the annotations: arguments, results and errors are as in `yolo.read`."""
    classes = _classes(root, found)
    if len(classes) == 1:
        raise UserError(f"{root} names one class only, {classes[0]!r}. A segmenter needs at least two.")
    files, left_out = {}, Counter()
    for part, folders in found.items():
        files[part], others = file_pairs(*folders, ".png", _NAMES)
        if not any(files[part].values()):
            raise UserError(f"{folders[1]} holds no PNG files of the names of the images in {folders[0]}. Add them.")
        left_out += others
    parts, bad = {}, []
    for part, pairs in listed_files(root, "Segmentation", files).items():
        masks = {image: mask for image, mask in pairs.items() if mask}
        left_out["images without a mask"] += len(pairs) - len(masks)
        parts[part], messages = annotate_masks(masks, classes, skip)
        bad += messages
    return classes, parts, +left_out, bad


def annotate_masks(masks, classes, skip):
    """Returns what `annotate` does for a dict from the Paths of images to the Paths of their masks."""

    def about(path, size):
        return Annotated(path, size, _checked(masks[path], path, size, classes), mask=masks[path])

    return annotate(list(masks), about, skip)


def _classes(root, found):
    for folder in [root, *(masks for _, masks in found.values()), *(masks.parent for _, masks in found.values())]:
        for name in _NAMES:
            if (folder / name).is_file():
                return read_names(folder / name)
    raise UserError(f"{root} names no classes: write labels.txt there, one name a line, number 0 first.")


def _checked(path, image, size, classes):
    """Returns the numbers of the classes on a mask."""
    with reading(path, "Mend or remove it."):
        mask = decode_mask(path.read_bytes())
    if mask.shape != tuple(size):
        shapes = [f"{width}x{height}" for height, width in (mask.shape, size)]
        raise UserError(f"{path} has {shapes[0]} pixels, but {image.name} has {shapes[1]}. Mend or remove it.")
    numbers = np.flatnonzero(np.bincount(mask.ravel(), minlength=1))
    numbers = numbers[numbers != IGNORED]
    if len(numbers) and numbers[-1] >= len(classes):
        y, x = np.argwhere(mask == numbers[-1])[0]
        raise UserError(
            f"{path} has class {numbers[-1]} at x={x}, y={y}, which nobody named: there are {len(classes)} names."
        )
    return numbers.astype("int64")


def read_mask(content):
    """Returns `decode_mask` of a scalar string tensor, in a graph, as a uint8 tensor `(height, width)`."""
    return tf.ensure_shape(tf.numpy_function(decode_mask, [content], tf.uint8, stateful=False), (None, None))


def decode_mask(content):
    """Returns the class numbers of an encoded mask, bytes, as a uint8 array `(height, width)`.

    Raises:
        ValueError: for colours, or more than 8 bits.
    """
    # Not `catch_warnings`, which threads must not share.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        if image.mode not in ("1", "L", "P"):
            raise ValueError(f"its pixels are {image.mode}, not class numbers: grey or with a palette, 8 bits")
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"it has {image.width}x{image.height} pixels")
        return np.asarray(image).astype("uint8")
