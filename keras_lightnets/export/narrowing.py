"""Ranges of int8 without what is lost behind them anyway: between a convolution and a ReLU6, with a sum between."""

import collections

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
    codes = [model.operatorCodes[operator.opcodeIndex].builtinCode for operator in graph.operators]
    convolved = {o.outputs[0] for o, code in zip(graph.operators, codes, strict=True) if code in _CONVOLUTIONS}
    read = collections.Counter(position for operator in graph.operators for position in operator.inputs)
    read.update(graph.outputs)
    for operator, code in zip(graph.operators, codes, strict=True):
        if code != schema.BuiltinOperator.ADD:
            continue
        first, second = (graph.tensors[position] for position in operator.inputs)
        shifts = model.buffers[second.buffer].data
        clamps = operator.builtinOptions.fusedActivationFunction == schema.ActivationFunctionType.RELU6
        alone = operator.inputs[0] in convolved and read[operator.inputs[0]] == 1
        if clamps and alone and shifts is not None and first.type == second.type == schema.TensorType.INT8:
            (step,), (zero,) = second.quantization.scale, second.quantization.zeroPoint
            shifts = (np.asarray(shifts, "uint8").view("int8").astype("float64") - zero) * step
            _narrow(first.quantization, *bounds_before(shifts))
    return write_model(model)


def _narrow(quantization, low, high):
    """Cuts what lies beyond two values from a range."""
    steps = np.array([-128, 127]) - quantization.zeroPoint[0]
    ends = steps * quantization.scale[0]
    low, high = max(ends[0], low), min(ends[1], high)
    step = (high - low) / 255
    quantization.scale = np.array([step], "float32")
    quantization.zeroPoint = np.array([round(-128 - low / step)])
