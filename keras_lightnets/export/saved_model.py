"""Export to SavedModel."""

import dataclasses
import os
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_lightnets.errors import UserError
from keras_lightnets.export.checks import check_labelled, image_model
from keras_lightnets.export.detectors import anchors_of, deployed, suppression, with_detections
from keras_lightnets.export.images import random_samples
from keras_lightnets.export.judging import check_detections, check_file
from keras_lightnets.export.verification import Reference, Report
from keras_lightnets.files import replacing, write_json
from keras_lightnets.graph import functional
from keras_lightnets.quiet import quiet


def to_saved_model(
    model: keras.Model,
    path: str | os.PathLike,
    samples: np.ndarray | None = None,
    labels: np.ndarray | dict | None = None,
    detections: bool | dict = False,
) -> Report:
    """Writes a SavedModel with a `serve` endpoint for any batch size, runs it, and compares it with the Keras model.

    Args:
        model: a `keras.Model` with one image input. A model of mixed precision is exported in float32.
        path: str or Path of the folder to write. It must not exist.
        samples: float array `(n, height, width, channels)` to compare on. Defaults to None: 8 random images.
        labels: as in `verify`. Defaults to None.
        detections: as in `to_tflite`. Defaults to False.

    Returns:
        A `Report`, also written as JSON beside the folder.

    Raises:
        UserError: if `path` exists or cannot be written, samples, labels or `detections` do not fit the model, a score
            is not finite, or the SavedModel would differ from the model.

    Example:

    >>> report = keras_lightnets.export.to_saved_model(model, "out/saved_model")
    >>> report.top1_agreement
    1.0
    """
    model = image_model(deployed(functional(model)))
    options = suppression(detections, anchors_of(model), model.name)
    check_labelled(samples, labels)
    samples = random_samples(model) if samples is None else samples
    return write_saved_model(Reference(model, samples, labels), path, options)


def write_saved_model(reference, path, options=None):
    """Writes the model of a `Reference` as `to_saved_model` does, and returns the `Report`.

    Args:
        reference: `Reference`.
        path: as in `to_saved_model`.
        options: arguments of `decode_detections` for a suppression inside. Defaults to None: without.
    """
    path = Path(path)
    if path.exists():
        raise UserError(f"{path} exists. Remove it or choose another place.")
    model = reference.model if options is None else with_detections(reference.model, reference.anchors, options)
    with replacing(path) as temporary:
        try:
            with quiet():
                model.export(temporary, verbose=False)
        except tf.errors.OpError as error:
            raise OSError(error.message) from error
        report, outputs = reference.run(temporary, options=options)
        if options is None:
            check_file(reference, outputs)
        else:
            check_detections(reference, report)
    report = dataclasses.replace(report, path=str(path))
    write_json(path.with_name(path.name + ".json"), report.to_dict())
    return report
