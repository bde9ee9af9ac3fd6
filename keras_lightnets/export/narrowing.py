"""Ranges of int8 without what is lost behind them anyway: between a convolution and a ReLU6, with a sum between."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_lightnets.export.flatbuffer import read_model, write_model

_CONVOLUTIONS = (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D)


def bounds_before(shifts):
    """Returns the pair of floats beyond which `relu6(x + shift)` is 0, or 6, for every one of an array of shifts."""
    return min(-float(np.max(shifts)), 0.0), 6.0 - min(float(np.min(shifts)), 0.0)


def with_narrow_ranges(content):
    """Narrows the ranges that calibration found between a convolution, a constant sum and its ReLU6.

    The sum could not become part of the convolution, and so the ReLU6 could not either. Calibration sees the largest of
    all values there. A convolution in int8 clips at the ends of its range, which costs nothing and leaves finer steps.

    Args:
        content: bytes of an int8 file.

    Returns:
        The bytes of the file.
    """
    model = read_model(content)
    graph = model.subgraphs[0]
    read = [position for operator in graph.operators for position in operator.inputs]
    makers = {operator.outputs[0]: operator for operator in graph.operators if len(operator.outputs) == 1}
    code = lambda operator: model.operatorCodes[operator.opcodeIndex].builtinCode  # noqa: E731
    for add in graph.operators:
        if code(add) != schema.BuiltinOperator.ADD:
            continue
        position, shifts = add.inputs
        maker, data = makers.get(position), model.buffers[graph.tensors[shifts].buffer].data
        clamps = add.builtinOptions.fusedActivationFunction == schema.ActivationFunctionType.RELU6
        if not clamps or data is None or maker is None or code(maker) not in _CONVOLUTIONS:
            continue
        tensor, constant = graph.tensors[position], graph.tensors[shifts].quantization
        if read.count(position) > 1 or position in graph.outputs or tensor.type != schema.TensorType.INT8:
            continue
        values = (np.asarray(data, "uint8").view("int8").astype("float64") - constant.zeroPoint[0]) * constant.scale[0]
        _narrow(tensor.quantization, *bounds_before(values))
    return write_model(model)


def _narrow(quantization, low, high):
    """Cuts what lies beyond two values from a range."""
    steps = np.array([-128, 127]) - quantization.zeroPoint[0]
    ends = steps * quantization.scale[0]
    low, high = max(ends[0], low), min(ends[1], high)
    step = (high - low) / 255
    quantization.scale = np.array([step], "float32")
    quantization.zeroPoint = np.array([round(-128 - low / step)])
