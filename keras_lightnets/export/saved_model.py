"""Export to SavedModel."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_lightnets.errors import UserError
from keras_lightnets.export.verification import verify
from keras_lightnets.files import replacing, write_json
from keras_lightnets.quiet import quiet


def to_saved_model(model, path, samples=None, labels=None):
    """Writes a SavedModel with a `serve` endpoint for any batch size, runs it, and compares it with the Keras model.

    Args:
        model: a `keras.Model` with one image input.
        path: str or Path of the folder to write; must not exist.
        samples: float array `(n, height, width, channels)` to compare on. Defaults to None: 8 random images.
        labels: int array `(n,)` for the accuracy. Defaults to None.

    Returns:
        A `Report`, also written as JSON beside the folder.

    Raises:
        UserError: if `path` exists or cannot be written.

    Example:

    >>> report = keras_lightnets.export.to_saved_model(model, "out/saved_model")
    >>> report.top1_agreement
    1.0
    """
    path = Path(path)
    if path.exists():
        raise UserError(f"{path} exists. Remove it or choose another place.")
    with replacing(path) as temporary:
        try:
            with quiet():
                model.export(temporary, verbose=False)
        except tf.errors.OpError as error:
            raise OSError(error.message) from error
    report = verify(path, model, random_samples(model) if samples is None else samples, labels)
    write_json(path.with_name(path.name + ".json"), report.to_dict())
    return report


def random_samples(model, count=8):
    """Returns `count` images of standard normal pixels in the input shape of `model`, 224x224 where unknown."""
    shape = [224 if side is None else side for side in model.inputs[0].shape[1:]]
    return np.random.default_rng(0).standard_normal((count, *shape)).astype("float32")
