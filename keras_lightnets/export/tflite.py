"""Export to TFLite: fused graph, batch 1, built-in operators only, and every file run before it is reported."""

import contextlib
import itertools
import math
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from keras_lightnets.errors import UserError
from keras_lightnets.export.files import add_metadata, replacing, write_json
from keras_lightnets.export.fusing import fuse
from keras_lightnets.export.saved_model import random_samples
from keras_lightnets.export.verification import verify
from keras_lightnets.kernels.export_scope import export_scope
from keras_lightnets.quiet import quiet

QUANTIZATIONS = (None, "float16", "dynamic", "int8")
# Ranges of activations settle within a few hundred images.
CALIBRATION_IMAGES = 256
# XNNPACK's bound on (step of the input) * (step of the kernel) / (step of the output).
_LARGEST_FACTOR = 256


def to_tflite(model, path, quantization=None, representative_data=None, samples=None, labels=None, metadata=None):
    """Writes a `.tflite` file, runs it in the LiteRT interpreter, and compares it with the Keras model.

    Args:
        model: a `keras.Model` with one image input of known size.
        path: str or Path ending in ".tflite". An existing file is replaced once the new one is whole.
        quantization: None for float32; "float16" for half the size at the same speed; "dynamic" for int8 weights in
            the classifier alone, smaller and faster; "int8" for int8 throughout, input and output too, the smallest
            and what accelerators and microcontrollers take. Defaults to None.
        representative_data: float array `(n, height, width, channels)`, or an iterable of such batches, as the model
            takes them; calibrates "int8", which requires it. Defaults to None.
        samples: float array to compare on. Defaults to None: the representative data, else 8 random images.
        labels: int array `(n,)` of the samples for the accuracy. Defaults to None.
        metadata: dict of JSON values to put into the file (labels, preprocessing). Defaults to None.

    Returns:
        A `Report`, also written as JSON beside the file.

    Raises:
        UserError: for an unknown `quantization`, a missing representative data set, a path with another ending, an
            input of unknown size, layers that int8 cannot express, or a file that cannot be written.

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
    with static_graph(model, quantization) as graph:
        return write_tflite(graph, model, path, quantization, representative_data, samples, labels, metadata)


class StaticGraph(NamedTuple):
    """A traced graph on disk, and the pattern that the names of the operators in its classifier have."""

    folder: str
    classifier: str


@contextlib.contextmanager
def static_graph(model, quantization=None):
    """Fuses `model` and traces it for batch 1, in the export form of every primitive.

    Int8 graphs take forms of their own; all others can share one.
    """
    if len(model.inputs) != 1 or None in model.inputs[0].shape[1:]:
        shapes = [tuple(tensor.shape) for tensor in model.inputs]
        raise UserError(
            f"TFLite export needs one image input of known size; {model.name} has {shapes}: pass `input_shape`."
        )
    fused = fuse(model)
    signature = [keras.InputSpec(shape=(1, *model.inputs[0].shape[1:]), dtype="float32")]
    with tempfile.TemporaryDirectory() as folder:
        with export_scope("int8" if quantization == "int8" else "float"), quiet():
            fused.export(folder, verbose=False, input_signature=signature)
        yield StaticGraph(folder, _classifier(fused))


def _classifier(model):
    """A pattern for the names of the operators of all layers with weights behind the last map of pixels."""
    spatial = [math.prod(layer.output.shape[1:-1]) > 1 for layer in model.layers]
    last = max(position for position, found in enumerate(spatial) if found)
    names = [re.escape(layer.name) for layer in model.layers[last + 1 :] if layer.weights]
    return rf".*/({'|'.join(names)})(_\d+)?/.*"


def write_tflite(graph, model, path, quantization, representative_data, samples, labels, metadata):
    """Converts a `StaticGraph` of `model`; the other arguments are those of `to_tflite`, already checked."""
    images = None if representative_data is None else _images(representative_data)
    converter = tf.lite.TFLiteConverter.from_saved_model(graph.folder)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    if quantization == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    with quiet():
        content = converter.convert()
        if quantization == "dynamic":
            content = _with_int8_classifier(content, graph.classifier)
    if quantization == "int8":
        _check_steps(content, model.name)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
        if metadata is not None:
            add_metadata(temporary, metadata)
    if samples is None:
        samples = random_samples(model) if images is None else images
    report = verify(path, model, samples, labels, quantization)
    write_json(path.with_suffix(".tflite.json"), report.to_dict())
    return report


def _with_int8_classifier(content, classifier):
    # Convolutions with int8 weights are no faster than float ones; the classifier does nothing but read its weights.
    from ai_edge_quantizer import qtyping, quantizer

    engine = quantizer.Quantizer(bytearray(content))
    for operator in (qtyping.TFLOperationName.FULLY_CONNECTED, qtyping.TFLOperationName.CONV_2D):
        engine.add_dynamic_config(regex=classifier, operation_name=operator, num_bits=8)
    return bytes(engine.quantize().quantized_model)


def _check_steps(content, name):
    """Refuses int8 files whose steps the delegate cannot compute with, and dies of."""
    runner = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    runner.allocate_tensors()
    tensors = {tensor["index"]: tensor for tensor in runner.get_tensor_details()}
    steps = {index: tensor["quantization_parameters"]["scales"] for index, tensor in tensors.items()}
    for operator in runner._get_ops_details():
        if operator["op_name"] in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            image, kernel, *_ = operator["inputs"]
            output = operator["outputs"][0]
            if np.max(steps[image] * steps[kernel] / steps[output]) >= _LARGEST_FACTOR:
                layer = tensors[output]["name"].split(";")[0]
                raise UserError(
                    f"{name} cannot be int8: what {layer} gives is nearly the same for all of the "
                    "representative data. Use other data, or another quantization."
                )


def _images(data):
    """The first images of an array or of an iterable of batches, as one float32 array."""
    batches = [data] if hasattr(data, "shape") else data
    images = itertools.islice((image for batch in batches for image in np.asarray(batch)), CALIBRATION_IMAGES)
    return np.stack(list(images)).astype("float32")
