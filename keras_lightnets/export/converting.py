"""From a traced graph to the bytes of a `.tflite` file, in every arithmetic."""

import re
import warnings

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from keras_lightnets.errors import UserError
from keras_lightnets.quiet import quiet

INTEGERS = ("int8", "int16x8")
# XNNPACK's bound on (step of the input) * (step of the kernel) / (step of the output).
_LARGEST_FACTOR = 256


def convert(folder, quantization=None, images=None, float_io=False):
    """Converts a SavedModel of batch 1 into built-in operators.

    Args:
        folder: str, where the SavedModel is.
        quantization: None, "float16", "int8" or "int16x8". Defaults to None.
        images: float array to calibrate integers on, or None: the graph has the ranges. Defaults to None.
        float_io: bool, whether an integer file takes and gives float32. Defaults to False.

    Returns:
        The bytes of the file.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    if quantization in INTEGERS:
        _set_integers(converter, quantization, images, float_io)
    with quiet():
        return converter.convert()


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


def with_float_layers(content, keep_float, images, float_io):
    """Quantises a float file to int8, but for the operators of some layers.

    Args:
        content: bytes of the float file.
        keep_float: names of layers of the fused graph.
        images: float array to calibrate on.
        float_io: bool, whether the file takes and gives float32.

    Returns:
        The bytes of the file.
    """
    from ai_edge_quantizer import qtyping, quantizer
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    every = qtyping.TFLOperationName.ALL_SUPPORTED
    (key,) = signatures = Interpreter(model_content=content).get_signature_list()
    (feed,) = signatures[key]["inputs"]
    with warnings.catch_warnings(), quiet():
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


def with_int8_classifier(content, classifier):
    """Gives a float file int8 weights in the layers with the names `classifier`."""
    # Convolutions with int8 weights are no faster than float ones; the classifier does nothing but read its weights.
    from ai_edge_quantizer import qtyping, quantizer

    engine = quantizer.Quantizer(bytearray(content))
    for operator in (qtyping.TFLOperationName.FULLY_CONNECTED, qtyping.TFLOperationName.CONV_2D):
        engine.add_dynamic_config(regex=_operators_of(classifier), operation_name=operator, num_bits=8)
    with quiet():
        return bytes(engine.quantize().quantized_model)


def _operators_of(layers):
    """A pattern for the names of the operators of some layers."""
    return rf".*/({'|'.join(map(re.escape, layers))})(_\d+)?/.*"


def check_steps(content, name):
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
