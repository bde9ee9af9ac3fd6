"""Export to TFLite: static batch 1, built-in operators only, and every file run before it is reported."""

import contextlib
import itertools
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_lightnets.errors import UserError
from keras_lightnets.export.files import add_metadata, replacing, write_json
from keras_lightnets.export.saved_model import random_samples
from keras_lightnets.export.verification import verify
from keras_lightnets.kernels.export_scope import export_scope
from keras_lightnets.quiet import quiet

QUANTIZATIONS = (None, "float16", "dynamic", "int8")
# Ranges of activations settle within a few hundred images.
CALIBRATION_IMAGES = 256


def to_tflite(model, path, quantization=None, representative_data=None, samples=None, labels=None, metadata=None):
    """Writes a `.tflite` file, runs it in the LiteRT interpreter, and compares it with the Keras model.

    Args:
        model: a `keras.Model` with one image input of known size.
        path: str or Path ending in ".tflite". An existing file is replaced once the new one is whole.
        quantization: None for float32; "float16" for half the size at the same speed; "dynamic" for int8 weights;
            "int8" for int8 throughout, input and output too. Defaults to None.
        representative_data: float array `(n, height, width, channels)`, or an iterable of such batches, as the model
            takes them; calibrates "int8", which requires it. Defaults to None.
        samples: float array to compare on. Defaults to None: the representative data, else 8 random images.
        labels: int array `(n,)` of the samples for the accuracy. Defaults to None.
        metadata: dict of JSON values to put into the file (labels, preprocessing). Defaults to None.

    Returns:
        A `Report`, also written as JSON beside the file.

    Raises:
        UserError: for an unknown `quantization`, a missing representative data set, a path with another ending, an
            input of unknown size, or a file that cannot be written.

    Example:

    >>> model = keras_lightnets.MicroNetM0(weights=None, input_shape=(64, 64, 3), classes=10)
    >>> keras_lightnets.export.to_tflite(model, "m0.tflite").partitions
    1
    """
    path = Path(path)
    if path.suffix != ".tflite":
        raise UserError(f"{path} must end in .tflite.")
    if quantization not in QUANTIZATIONS:
        raise UserError(f"`quantization` must be one of {QUANTIZATIONS}. Received: quantization={quantization!r}")
    if quantization == "int8" and representative_data is None:
        raise UserError(
            "int8 needs `representative_data`, some images as the model takes them, to learn the ranges from."
        )
    with static_graph(model) as graph:
        return write_tflite(graph, model, path, quantization, representative_data, samples, labels, metadata)


@contextlib.contextmanager
def static_graph(model):
    """Traces `model` once for batch 1, in the export form of every primitive, and yields a folder to convert from."""
    if len(model.inputs) != 1 or None in model.inputs[0].shape[1:]:
        shapes = [tuple(tensor.shape) for tensor in model.inputs]
        raise UserError(
            f"TFLite export needs one image input of known size; {model.name} has {shapes}: pass `input_shape`."
        )
    signature = [keras.InputSpec(shape=(1, *model.inputs[0].shape[1:]), dtype="float32")]
    with tempfile.TemporaryDirectory() as folder:
        with export_scope(), quiet():
            model.export(folder, verbose=False, input_signature=signature)
        yield folder


def write_tflite(graph, model, path, quantization, representative_data, samples, labels, metadata):
    """Converts a `static_graph` of `model`; the other arguments are those of `to_tflite`, already checked."""
    images = None if representative_data is None else _images(representative_data)
    converter = tf.lite.TFLiteConverter.from_saved_model(graph)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization == "int8":
        converter.representative_dataset = lambda: ([image[None]] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    with quiet():
        content = converter.convert()
    with replacing(path) as temporary:
        temporary.write_bytes(content)
        if metadata is not None:
            add_metadata(temporary, metadata)
    if samples is None:
        samples = random_samples(model) if images is None else images
    report = verify(path, model, samples, labels, quantization)
    write_json(path.with_suffix(".tflite.json"), report.to_dict())
    return report


def _images(data):
    """The first images of an array or of an iterable of batches, as one float32 array."""
    batches = [data] if hasattr(data, "shape") else data
    images = itertools.islice((image for batch in batches for image in np.asarray(batch)), CALIBRATION_IMAGES)
    return np.stack(list(images)).astype("float32")
