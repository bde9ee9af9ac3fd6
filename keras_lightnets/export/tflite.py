"""Export to TFLite: fused graph, batch 1, built-in operators only, and every file run before it is reported."""

import contextlib
import math
import re
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from keras_lightnets.errors import UserError
from keras_lightnets.export.fusing import fuse
from keras_lightnets.export.outliers import without_outliers
from keras_lightnets.export.saved_model import random_samples
from keras_lightnets.export.verification import verify
from keras_lightnets.files import add_metadata, replacing, write_json
from keras_lightnets.kernels.export_scope import export_scope
from keras_lightnets.optimization.checks import CALIBRATION_IMAGES as CALIBRATION_IMAGES
from keras_lightnets.optimization.checks import check_data, check_layers, check_ranges, is_quantize_aware
from keras_lightnets.quiet import quiet

QUANTIZATIONS = (None, "float16", "dynamic", "int8")
_INTEGERS = ("int8", "int16x8")
# XNNPACK's bound on (step of the input) * (step of the kernel) / (step of the output).
_LARGEST_FACTOR = 256


def to_tflite(
    model,
    path,
    quantization=None,
    representative_data=None,
    samples=None,
    labels=None,
    metadata=None,
    float_io=False,
    keep_float=(),
):
    """Writes a `.tflite` file, runs it in the LiteRT interpreter, and compares it with the Keras model.

    Args:
        model: a `keras.Model` with one image input of known size.
        path: str or Path ending in ".tflite". An existing file is replaced once the new one is whole.
        quantization: None for float32; "float16" for half the size at the same speed; "dynamic" for int8 weights in
            the classifier alone, smaller and faster; "int8" for int8 throughout, input and output too, the smallest
            and what accelerators and microcontrollers take; "int16x8" for int16 activations and int8 weights, nearly
            exact, slow where no kernel is made for it. A model from `quantize_aware` is exported as "int8" only.
            Defaults to None.
        representative_data: float array `(n, height, width, channels)`, or an iterable of such batches, with labels or
            without, as the model takes them; calibrates "int8" and "int16x8", which require it unless the model comes
            from `quantize_aware`. Images that some layer answers more than eight times as strongly as the median
            image do not count for "int8". Defaults to None.
        samples: float array to compare on. Defaults to None: the representative data, else 8 random images.
        labels: int array `(n,)` of the samples for the accuracy. Defaults to None.
        metadata: dict of JSON values to put into the file (labels, preprocessing). Defaults to None.
        float_io: bool, whether an integer file takes and gives float32. Defaults to False.
        keep_float: names of layers that stay float32 in an "int8" file, such as the worst of
            `optimization.layer_errors`. Defaults to none.

    Returns:
        A `Report`, also written as JSON beside the file.

    Raises:
        UserError: for an unknown `quantization`, a representative data set that is missing or does not fit the model,
            a path with another ending, an input of unknown size, layers that int8 cannot express or that do not exist,
            or a file that cannot be written.

    Example:

    >>> model = keras_lightnets.MicroNetM0(weights=None, input_shape=(64, 64, 3), classes=10)
    >>> keras_lightnets.export.to_tflite(model, "m0.tflite").partitions
    1
    """
    path = Path(path)
    if path.suffix != ".tflite":
        raise UserError(f"{path} must end in .tflite.")
    if quantization not in (*QUANTIZATIONS, "int16x8"):
        known = (*QUANTIZATIONS, "int16x8")
        raise UserError(f"`quantization` must be one of {known}. Received: quantization={quantization!r}")
    aware = is_quantize_aware(model)
    if aware:
        check_ranges(model)
        if keep_float:
            raise UserError(f"{model.name} is quantisation-aware: layers are kept float of the float model alone.")
    if (aware or keep_float) and quantization != "int8":
        what = f"{model.name} is quantisation-aware" if aware else "`keep_float` is about int8"
        raise UserError(f"{what}: pass quantization='int8'. Received: quantization={quantization!r}")
    if quantization in _INTEGERS and representative_data is None and not aware:
        raise UserError(
            f"{quantization} needs `representative_data`, some images as the model takes them, to learn ranges from."
        )
    if representative_data is not None:
        representative_data = check_data(model, representative_data)
    with static_graph(model, quantization) as graph:
        return write_tflite(
            graph, model, path, quantization, representative_data, samples, labels, metadata, float_io, keep_float
        )


class StaticGraph(NamedTuple):
    """A traced graph on disk, the pattern that the names of the operators in its classifier have, and its model."""

    folder: str
    classifier: str
    fused: keras.Model


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
    fused = model if is_quantize_aware(model) else fuse(model)
    signature = [keras.InputSpec(shape=(1, *model.inputs[0].shape[1:]), dtype="float32")]
    with tempfile.TemporaryDirectory() as folder:
        with export_scope("int8" if quantization in _INTEGERS else "float"), quiet():
            fused.export(folder, verbose=False, input_signature=signature)
        yield StaticGraph(folder, _classifier(fused), fused)


def _classifier(model):
    """A pattern for the names of the operators of all layers with weights behind the last map of pixels."""
    spatial = [math.prod(layer.output.shape[1:-1]) > 1 for layer in model.layers]
    last = max(position for position, found in enumerate(spatial) if found)
    return _operators_of(layer.name for layer in model.layers[last + 1 :] if layer.weights)


def _operators_of(layers):
    """A pattern for the names of the operators of some layers."""
    return rf".*/({'|'.join(map(re.escape, layers))})(_\d+)?/.*"


def write_tflite(
    graph,
    model,
    path,
    quantization,
    images,
    samples,
    labels,
    metadata,
    float_io=False,
    keep_float=(),
):
    """Converts a `StaticGraph` of `model`, calibrated on an array of images; all else is as in `to_tflite`, checked."""
    aware = is_quantize_aware(model)
    typical = without_outliers(graph.fused, images) if quantization == "int8" and not aware else images
    converter = tf.lite.TFLiteConverter.from_saved_model(graph.folder)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    if quantization in _INTEGERS and not keep_float:
        _set_integers(converter, quantization, None if aware else typical, float_io)
    with quiet():
        content = converter.convert()
        if keep_float:
            content = _with_float_layers(content, graph, keep_float, typical, float_io, model.name)
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


def _set_integers(converter, quantization, images, float_io):
    """Sets what makes a converter quantise; without images the graph has the ranges."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if images is not None:
        converter.representative_dataset = lambda: ([image[None]] for image in images)
        operators = tf.lite.OpsSet
        converter.target_spec.supported_ops = [
            operators.TFLITE_BUILTINS_INT8
            if quantization == "int8"
            else operators.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    if not float_io:
        kind = tf.int8 if quantization == "int8" else tf.int16
        converter.inference_input_type = converter.inference_output_type = kind


def _with_float_layers(content, graph, keep_float, images, float_io, name):
    from ai_edge_quantizer import qtyping, quantizer
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    check_layers(keep_float, [layer.name for layer in graph.fused.layers], name)
    every = qtyping.TFLOperationName.ALL_SUPPORTED
    (key,) = signatures = Interpreter(model_content=content).get_signature_list()
    (feed,) = signatures[key]["inputs"]
    with warnings.catch_warnings():
        # About memory, which these networks need little of.
        warnings.simplefilter("ignore")
        engine = quantizer.Quantizer(bytearray(content))
        engine.add_static_config(regex=".*", operation_name=every, activation_num_bits=8, weight_num_bits=8)
        float_parts = [(_operators_of(keep_float), every)]
        if float_io:
            float_parts += [(".*", qtyping.TFLOperationName.INPUT), (".*", qtyping.TFLOperationName.OUTPUT)]
        for regex, operation in float_parts:
            engine.update_quantization_recipe(regex, operation, algorithm_key=AlgorithmName.NO_QUANTIZE)
        ranges = engine.calibrate({key: [{feed: image[None]} for image in images]})
        return bytes(engine.quantize(ranges).quantized_model)


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
            # One that is kept float has none.
            if not len(steps[output]):
                continue
            if np.max(steps[image] * steps[kernel] / steps[output]) >= _LARGEST_FACTOR:
                layer = tensors[output]["name"].split(";")[0]
                raise UserError(
                    f"{name} cannot be int8: what {layer} gives is nearly the same for all of the "
                    "representative data. Use other data, or another quantization."
                )
