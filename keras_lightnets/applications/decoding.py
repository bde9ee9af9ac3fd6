"""Names for the outputs of a classifier. The lists ship in the package."""

import functools
from importlib import resources

import numpy as np

from keras_lightnets.weights.registry import RECORDS


@functools.cache
def imagenet_classes():
    """Returns the 1000 pairs (WordNet id, name) of ILSVRC 2012, in the order of the outputs."""
    text = resources.files("keras_lightnets.applications").joinpath("imagenet_classes.txt").read_text("utf-8")
    return tuple(tuple(line.split(" ", 1)) for line in text.splitlines())


def decode_predictions(preds, top=5, weights="imagenet"):
    """Names the likeliest classes of each image.

    Args:
        preds: float array `(batch, classes)`, one score per class.
        top: int, how many to return. Defaults to 5.
        weights: what the classifier was built with: "imagenet", or a name of weights that are part of the package,
            such as "cifar10". Defaults to "imagenet".

    Returns:
        A list per image of `top` tuples (WordNet id, name, score), the highest score first. Classes that are not
        ImageNet's have their name as the id too.

    Raises:
        ValueError: if `preds` is not of shape `(batch, 1000)` for "imagenet", has another number of classes than the
            weights, or the name of the weights is unknown.

    Example:

    >>> scores = np.eye(10, dtype="float32")[[3]]
    >>> keras_lightnets.applications.micronet.decode_predictions(scores, top=1, weights="cifar10")
    [[('cat', 'cat', 1.0)]]
    """
    preds = np.asarray(preds)
    classes = imagenet_classes() if weights == "imagenet" else _shipped_classes(weights)
    if preds.ndim != 2 or preds.shape[1] != len(classes):
        raise ValueError(
            f"`decode_predictions` expects a batch of predictions, an array of shape (samples, {len(classes)}). "
            f"Found array with shape: {preds.shape}"
        )
    return [
        [(*classes[i], float(scores[i])) for i in np.argsort(scores, kind="stable")[::-1][:top]] for scores in preds
    ]


def _shipped_classes(weights):
    labels = {record.name: record.labels for record in RECORDS if record.shipped}
    if weights not in labels:
        names = ", ".join(map(repr, ("imagenet", *labels)))
        raise ValueError(f"`weights` must be one of {names}. Received: weights={weights!r}")
    return tuple((label, label) for label in labels[weights])
