"""How good a segmenter is: intersection over union, class by class, and the images where it errs most."""

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_lightnets.data.annotations import evaluation_batches
from keras_lightnets.data.annotations.masks import IGNORED
from keras_lightnets.evaluation.drawing import draw_confusion
from keras_lightnets.evaluation.overlays import sheet, with_mask
from keras_lightnets.evaluation.worst import MOST, shown


def measure(segment, source, classes, evaluation):
    """Measures a segmenter on every image of a `Source`, pixel by pixel at the size of the network's input.

    Args:
        segment: function from a batch of images to class numbers `(batch, height, width)`.
        source: `Source` of images with masks.
        classes: names of the classes.
        evaluation: `Evaluation`.

    Returns:
        The confusion matrix and a dict. The matrix has counts of pixels `(classes, classes)`. Its rows are the right
        classes. The dict has the worst images, worst first: from their number to their class numbers, uint8
        `(size, size)`.

    Raises:
        UserError: names an image that cannot be read.
    """
    whole, number, worst = np.zeros((len(classes), len(classes)), "int64"), 0, []
    try:
        for images, masks in evaluation_batches(source, "segment", evaluation).as_numpy_iterator():
            # The last batch is filled up with images that do not count.
            for mask, found in zip(masks, segment(images).astype("uint8"), strict=True):
                matrix = _confusion(mask, found, len(classes))
                whole += matrix
                error = 1 - np.nanmean(overlap_of(matrix)) if matrix.any() else 0.0
                worst = sorted([*worst, (error, number, found)], key=lambda each: -each[0])[:MOST]
                number += 1
    except tf.errors.OpError:
        source.check()
        raise
    return whole, {number: found for error, number, found in worst if error > 0}


def _confusion(mask, found, classes):
    counts = mask != IGNORED
    pairs = mask[counts].astype("int64") * classes + found[counts]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def overlap_of(matrix):
    """Returns the intersection over union of each class from a confusion matrix. NaN where a class is nowhere."""
    right = np.diag(matrix)
    union = matrix.sum(0) + matrix.sum(1) - right
    return np.divide(right, union, out=np.full(len(matrix), np.nan), where=union > 0)


def summarize(matrix, classes):
    """Returns the figures of a confusion matrix as a dict of JSON values, None where a class is nowhere."""
    overlap = overlap_of(matrix)
    known = overlap[~np.isnan(overlap)]
    return {
        "mean_iou": float(known.mean()) if len(known) else None,
        "pixel_accuracy": float(np.diag(matrix).sum() / matrix.sum()) if len(known) else None,
        "classes": [
            {"class": name, "pixels": int(count), "IoU": None if np.isnan(value) else float(value)}
            for name, count, value in zip(classes, matrix.sum(1), overlap, strict=True)
        ],
    }


def draw(matrix, worst, source, classes, output):
    """Draws `confusion.png` and, if pixels are wrong, `worst.png`: masks on the left, what was found beside."""
    draw_confusion(matrix, classes, output / "confusion.png")
    pictures = []
    for number, pixels, mask in shown(source, list(worst)):
        pictures += [with_mask(pixels, _scaled(part, pixels)) for part in (mask, worst[number])]
    if pictures:
        sheet(pictures, output / "worst.png")


def _scaled(mask, pixels):
    mask = np.where(mask == IGNORED, 0, mask).astype("uint8")
    return np.asarray(Image.fromarray(mask).resize(pixels.shape[1::-1], Image.Resampling.NEAREST))
