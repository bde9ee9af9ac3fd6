"""From a traced graph to the bytes of a `.tflite` file, in every arithmetic."""

import copy
import re
import warnings

import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from keras_lightnets.errors import UserError
from keras_lightnets.export.flatbuffer import read_model, write_model
from keras_lightnets.export.interpreter import in_order
from keras_lightnets.kernels.export_scope import export_scope
from keras_lightnets.quiet import quiet

INTEGERS = ("int8", "int16x8")
# XNNPACK's bound on (step of the input) * (step of the kernel) / (step of the output).
_LARGEST_FACTOR = 256
# The bound of the reference kernel of softmax on the step of its input.
_LEAST_STEP = 2.0**-26
_WEIGHTED = (
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    schema.BuiltinOperator.FULLY_CONNECTED,
)
# Networks that are not trained may give nearly nothing. No kernel takes the steps of that.
_LEAST_RANGE = 1e-5
# The type of tensor that each quantization makes.
_STORED = {
    "float16": schema.TensorType.FLOAT16,
    "dynamic": schema.TensorType.INT8,
    "int8": schema.TensorType.INT8,
    "int16x8": schema.TensorType.INT16,
}


def trace(fused, arithmetic, folder):
    """Writes an inference graph as a SavedModel of batch 1, in the export form of every primitive.

    Args:
        fused: functional `keras.Model` with one input of known size.
        arithmetic: "float" or "int8".
        folder: str, where to write.
    """
    # As constants, weights are written and read several times faster than as the variables of `keras.Model.export`.
    groups = [
        [np.asarray(variable) for variable in variables]
        for variables in (fused.trainable_variables, fused.non_trainable_variables)
    ]

    def serve(image):
        trainable, fixed = ([tf.constant(values) for values in group] for group in groups)
        with tf.name_scope(fused.name):
            outputs, _ = fused.stateless_call(trainable, fixed, image, training=False)
        return outputs

    module = tf.Module()
    try:
        with export_scope(arithmetic), quiet():
            shape = (1, *fused.inputs[0].shape[1:])
            traced = tf.function(serve).get_concrete_function(tf.TensorSpec(shape, "float32"))
            # Those of layers of the user that Keras does not know.
            module.others = traced.variables
            tf.saved_model.save(module, folder, signatures=traced)
    # Whatever layers of the user raise, and TensorFlow for a full disk.
    except Exception as error:
        raise UserError(f"{fused.name} cannot be traced for one image: {_first_line(error)}") from error


def convert(folder, quantization=None, images=None, io=None, float_outputs=False):
    """Converts a SavedModel of batch 1 into built-in operators.

    Args:
        folder: str, where the SavedModel is.
        quantization: None, "float16", "int8" or "int16x8". Defaults to None.
        images: float array to calibrate integers on, or None: the graph has the ranges. Defaults to None.
        io: name of the type that an integer file takes and gives. Defaults to None: float32.
        float_outputs: bool, whether an integer file gives float32. Defaults to False.

    Returns:
        The bytes of the file.
    """
    with quiet():
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantization == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    if quantization in INTEGERS:
        _set_integers(converter, quantization, images, io, float_outputs)
    try:
        with quiet():
            return converter.convert()
    # The converter has no public class of errors.
    except Exception as error:
        raise UserError(_why(error)) from error


def _why(error):
    """What a converter could not convert, with the layer if it says which."""
    operator = re.search(r"'tf\.(\w+)' op is neither", str(error))
    if operator is None:
        return f"The model cannot be converted to TFLite: {_first_line(error)}"
    # Operators are called "model/layer/operation@function".
    path = re.search(rf'"{operator[1]}:?", "[^/"]+/([^/"@]+)', str(error))
    where = f" in the layer {path[1]}" if path else ""
    return (
        f"TFLite has no operator for {operator[1]}{where}: write that layer with other operations, or export by "
        "to_saved_model."
    )


def _first_line(error):
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300]


def _set_integers(converter, quantization, images, io, float_outputs):
    """Sets what makes a converter quantise. Without images, the graph has the ranges."""
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if images is not None:
        converter.representative_dataset = lambda: ([image[None]] for image in images)
        operators = tf.lite.OpsSet
        converter.target_spec.supported_ops = [
            operators.TFLITE_BUILTINS_INT8
            if quantization == "int8"
            else operators.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
    converter.inference_input_type = tf.as_dtype(io)
    converter.inference_output_type = tf.float32 if float_outputs else tf.as_dtype(io)


def quantized(content, keep_float, ends, images, io, float_outputs=False):
    """Quantises a float file to int8, but for the operators of some layers.

    The calibration of TensorFlow's converter reads inputs of operators after these ran. Sums and products may write
    their output over an input, and the range of the input then includes the output.

    Args:
        content: bytes of the float file.
        keep_float: names of layers of the fused graph.
        ends: names of the layers that give the outputs.
        images: float array to calibrate on.
        io: "float32", "int8" or "uint8", what the file takes and gives.
        float_outputs: bool, whether the file gives float32. Defaults to False.

    Returns:
        The bytes of the file.
    """
    from ai_edge_quantizer import calibrator, qtyping, quantizer, recipe_manager
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.utils import qsv_utils

    content = _with_named_outputs(content, ends)
    every = qtyping.TFLOperationName.ALL_SUPPORTED
    (key,) = signatures = Interpreter(model_content=content).get_signature_list()
    (feed,) = signatures[key]["inputs"]
    with warnings.catch_warnings(), quiet():
        # About memory, which these networks need little of.
        warnings.simplefilter("ignore")
        engine = quantizer.Quantizer(bytearray(content))
        engine.add_static_config(regex=".*", operation_name=every, activation_num_bits=8, weight_num_bits=8)
        float_parts = [(_operators_of(keep_float), every)] if keep_float else []
        if io == "float32":
            float_parts.append((".*", qtyping.TFLOperationName.INPUT))
        if io == "float32" or float_outputs:
            float_parts.append((".*", qtyping.TFLOperationName.OUTPUT))
        for regex, operation in float_parts:
            engine.update_quantization_recipe(regex, operation, algorithm_key=AlgorithmName.NO_QUANTIZE)
        recipe = recipe_manager.RecipeManager()
        recipe.load_quantization_recipe(engine.get_quantization_recipe())
        # `Quantizer.calibrate` takes a moving average of the extremes, which cuts off the largest activations.
        ranges = calibrator.Calibrator(content, qsv_update_func=qsv_utils.min_max_update)
        try:
            ranges.calibrate({key: [{feed: image[None]} for image in images]}, recipe)
            found = ranges.get_model_qsvs()
            for extremes in found.values():
                low, high = extremes["min"], extremes["max"]
                # Where all is zero, the images are blank, which is refused later.
                extremes["max"] = np.where(high > low, np.maximum(high, low + _LEAST_RANGE), high)
            result = engine.quantize(found).quantized_model
        # The library has no class of errors. It cannot look into loops, as of recurrent layers.
        except Exception as error:
            raise UserError(
                f"The model cannot be quantised to int8 ({_first_line(error)}). Recurrent layers cannot: use float16."
            ) from error
        model = read_model(result)
    if io == "uint8":
        _give_uint8_ends(model)
    return write_model(model)


def has_float_operators(content):
    """Returns whether an int8 file computes something in float32, beside what it takes and gives."""
    return any(
        tensor.type == schema.TensorType.FLOAT32
        for graph in read_model(content).subgraphs
        for position, tensor in enumerate(graph.tensors)
        if position not in graph.inputs and position not in graph.outputs
    )


def _give_uint8_ends(model):
    """Gives a file operators behind its input and its outputs, so that it has uint8 in the place of int8 there."""
    # Loops, as of recurrent layers, are graphs of their own.
    (graph, *_), (signature,) = model.subgraphs, model.signatureDefs
    quantize = schema.OperatorCodeT()
    quantize.builtinCode = quantize.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    model.operatorCodes.append(quantize)

    def moved(ends, maps, first):
        for place, position in enumerate(ends):
            inside, outside = graph.tensors[position], copy.deepcopy(graph.tensors[position])
            if inside.type != schema.TensorType.INT8:
                # The output of a layer that stays in float32.
                continue
            outside.type = schema.TensorType.UINT8
            outside.quantization.zeroPoint = np.asarray(inside.quantization.zeroPoint) + 128
            inside.name += b"_int8"
            graph.tensors.append(outside)
            operator = schema.OperatorT()
            operator.opcodeIndex = len(model.operatorCodes) - 1
            new = len(graph.tensors) - 1
            operator.inputs, operator.outputs = ([new], [position]) if first else ([position], [new])
            graph.operators.insert(0 if first else len(graph.operators), operator)
            ends[place] = new
            for end in maps:
                end.tensorIndex = new if end.tensorIndex == position else end.tensorIndex

    moved(graph.inputs, signature.inputs, True)
    moved(graph.outputs, signature.outputs, False)


def with_int8_classifier(content, classifier, ends):
    """Gives a float file int8 weights in its classifier.

    Args:
        content: bytes of the float file.
        classifier: names of the layers of the classifier.
        ends: names of the layers that give the outputs.

    Returns:
        The bytes of the file.
    """
    # Convolutions with int8 weights are no faster than float ones. The classifier does nothing but read its weights.
    from ai_edge_quantizer import qtyping, quantizer

    engine = quantizer.Quantizer(bytearray(_with_named_outputs(content, ends)))
    # TFLite up to 2.15 wants one scale for a whole product, and one for each channel of a convolution in groups.
    for operator, granularity in (
        (qtyping.TFLOperationName.FULLY_CONNECTED, qtyping.QuantGranularity.TENSORWISE),
        (qtyping.TFLOperationName.CONV_2D, qtyping.QuantGranularity.CHANNELWISE),
    ):
        pattern = _operators_of(classifier)
        engine.add_dynamic_config(regex=pattern, operation_name=operator, num_bits=8, granularity=granularity)
    with quiet():
        return write_model(read_model(engine.quantize().quantized_model))


def _operators_of(layers):
    """A pattern for the names of the operators of some layers."""
    return rf".*/({'|'.join(map(re.escape, layers))})(_\d+)?/.*"


def check_content(content, quantization, name):
    """Refuses a file in which the quantization changed nothing, or whose steps the delegate dies of.

    Args:
        content: bytes of the file.
        quantization: as in `to_tflite`.
        name: str, the name of the model.
    """
    graph = read_model(content)
    kinds = {tensor.type for tensor in graph.subgraphs[0].tensors}
    if quantization is not None and _STORED[quantization] not in kinds:
        raise UserError(
            f"{name} has nothing that {quantization} would make smaller. Choose another quantization, or None."
        )
    if quantization == "int8":
        _check_steps(graph, name)


def _check_steps(graph, name):
    tensors = graph.subgraphs[0].tensors
    for operator in graph.subgraphs[0].operators:
        code = graph.operatorCodes[operator.opcodeIndex].builtinCode
        used = [tensors[i] for i in (*operator.inputs[:2], operator.outputs[0])]
        steps = [tensor.quantization and tensor.quantization.scale for tensor in used]
        # A layer that is kept float has none.
        if any(step is None for step in steps):
            continue
        dead = None
        if code in _WEIGHTED and np.max(steps[0] * steps[1] / steps[2]) >= _LARGEST_FACTOR:
            dead = used[2]
        if code == schema.BuiltinOperator.SOFTMAX and np.max(steps[0]) <= _LEAST_STEP:
            dead = used[0]
        if dead is not None:
            raise UserError(
                f"{name} cannot be int8: what {dead.name.decode().split(';')[0]} gives is nearly the same for all of "
                "the representative data. Use other data, or another quantization."
            )


def _with_named_outputs(content, layers):
    """Renames the outputs of a file, which the converter numbers, after the layers that they come from."""
    model = read_model(content)
    tensors = {end.name.decode(): end.tensorIndex for end in model.signatureDefs[0].outputs}
    for name, layer in zip(in_order(tensors), layers, strict=True):
        model.subgraphs[0].tensors[tensors[name]].name = f"model/{layer}/{name}".encode()
    return write_model(model)
