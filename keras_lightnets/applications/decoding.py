"""Names for the 1000 outputs of an ImageNet classifier; the list ships in the package."""

import functools
from importlib import resources

import numpy as np


@functools.cache
def imagenet_classes():
    """Returns the 1000 pairs (WordNet id, name) of ILSVRC 2012, in the order of the outputs."""
    text = resources.files("keras_lightnets.applications").joinpath("imagenet_classes.txt").read_text("utf-8")
    return tuple(tuple(line.split(" ", 1)) for line in text.splitlines())


def decode_predictions(preds, top=5):
    """Names the likeliest ImageNet classes of each image.

    Args:
        preds: float array `(batch, 1000)`, one score per class.
        top: int, how many to return. Defaults to 5.

    Returns:
        A list per image of `top` tuples (WordNet id, name, score), in falling order of the score.

    Raises:
        ValueError: if `preds` is not of shape `(batch, 1000)`.
    """
    preds = np.asarray(preds)
    if preds.ndim != 2 or preds.shape[1] != 1000:
        raise ValueError(
            "`decode_predictions` expects a batch of predictions, an array of shape (samples, 1000). "
            f"Found array with shape: {preds.shape}"
        )
    classes = imagenet_classes()
    return [
        [(*classes[i], float(scores[i])) for i in np.argsort(scores, kind="stable")[::-1][:top]] for scores in preds
    ]
