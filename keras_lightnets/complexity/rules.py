"""The multiply-adds of one call of a layer."""

import math

from keras import layers

from keras_lightnets import graph
from keras_lightnets import layers as ours
from keras_lightnets.graph import array_operations as array
from keras_lightnets.graph import core_operations as core
from keras_lightnets.graph import math_operations as maths
from keras_lightnets.graph import nn_operations as nn
from keras_lightnets.layers import inference

# What a runtime does while it writes the layer before or reads for the layer behind.
_FUSED_LAYERS = (
    layers.Activation,
    layers.ActivityRegularization,
    layers.BatchNormalization,
    layers.Dropout,
    layers.ELU,
    layers.Flatten,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.GroupNormalization,
    layers.Identity,
    layers.LayerNormalization,
    layers.LeakyReLU,
    layers.Normalization,
    layers.PReLU,
    layers.ReLU,
    layers.Rescaling,
    layers.Reshape,
    layers.Softmax,
    layers.SpatialDropout2D,
    layers.UnitNormalization,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    graph.LayerScale,
    graph.StochasticDepth,
    inference.ColumnBias,
    inference.HardSwish,
    inference.Offset,
)
# Sums, comparisons and copies.
_PLAIN_LAYERS = (
    layers.Add,
    layers.Average,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.Concatenate,
    layers.Cropping2D,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.Maximum,
    layers.Minimum,
    layers.Multiply,
    layers.Permute,
    layers.RepeatVector,
    layers.Resizing,
    layers.Subtract,
    layers.UpSampling2D,
    ours.ChannelShuffle,
    ours.ChannelSplit,
    ours.PartialResidual,
    graph.CustomScaleLayer,
    inference.ChannelRoll,
)
# Operations of keras.ops.
_FUSED_OPERATIONS = (
    array.Abs,
    array.Absolute,
    array.Clip,
    array.Exp,
    array.ExpandDims,
    array.Log,
    array.Negative,
    array.Reshape,
    array.Sqrt,
    array.Square,
    array.Squeeze,
    array.Tanh,
    core.Cast,
    maths.Rsqrt,
    nn.Elu,
    nn.Gelu,
    nn.HardSigmoid,
    nn.HardSilu,
    nn.Relu,
    nn.Relu6,
    nn.Sigmoid,
    nn.Silu,
    nn.Softmax,
    nn.Softplus,
)
_PLAIN_OPERATIONS = (
    array.Add,
    array.Concatenate,
    array.Divide,
    array.Flip,
    array.GetItem,
    array.Max,
    array.Maximum,
    array.Mean,
    array.Min,
    array.Minimum,
    array.Multiply,
    array.Pad,
    array.Power,
    array.Repeat,
    array.Roll,
    array.Split,
    array.Stack,
    array.Subtract,
    array.Sum,
    array.Take,
    array.Transpose,
    array.TrueDivide,
)
_CONVOLUTIONS = layers.Conv1D | layers.Conv2D | layers.Conv3D
_DEPTHWISE = layers.DepthwiseConv1D | layers.DepthwiseConv2D | ours.AxialDepthwiseConv2D
_TRANSPOSED = layers.Conv1DTranspose | layers.Conv2DTranspose | layers.Conv3DTranspose
_SEPARABLE = layers.SeparableConv1D | layers.SeparableConv2D
_MICRO = ours.MicroFactorizedDepthwiseConv2D | ours.MicroFactorizedPointwiseConv2D


def products(call):
    """Returns the multiply-adds of a `Call` and, apart, the multiplies of pixels by coefficients.

    The multiply-adds of an unknown layer are None.
    """
    layer, outputs = call.operation, math.prod(call.outputs[0].shape)
    inputs = math.prod(call.inputs[0].shape)
    if isinstance(layer, ours.DynamicShiftMax):
        return _size(layer.squeeze.kernel) + _size(layer.excite.kernel), 2 * layer.pieces * outputs
    if isinstance(layer, inference.ShiftMaxMix):
        return 0, 2 * layer.pieces * outputs
    if isinstance(layer, inference.MixedPointwise):
        # The mix is in the kernel, which is made for each image.
        return outputs * layer.kernel.shape[0], 2 * _size(layer.kernel)
    # The transposed ones are subclasses of none of the others: each number of the input meets each of its kernels.
    if isinstance(layer, _TRANSPOSED):
        return inputs * math.prod(layer.kernel.shape[:-1]), 0
    if isinstance(layer, _DEPTHWISE):
        return outputs * math.prod(layer.kernel.shape[:-2]), 0
    if isinstance(layer, _SEPARABLE):
        pixels = outputs // layer.filters
        return pixels * (_size(layer.depthwise_kernel) + _size(layer.pointwise_kernel)), 0
    if isinstance(layer, _CONVOLUTIONS | layers.Dense):
        return outputs * math.prod(layer.kernel.shape[:-1]), 0
    if isinstance(layer, _MICRO):
        return _micro_factorized(layer, call.inputs[0].shape), 0
    return (0, 0) if fused(layer) or isinstance(layer, _PLAIN_LAYERS + _PLAIN_OPERATIONS) else None


def fused(layer):
    """Whether `layer` works on its only input where that lies."""
    return isinstance(layer, _FUSED_LAYERS + _FUSED_OPERATIONS) or type(layer) in graph.IDENTITIES


def _micro_factorized(layer, shape):
    factors = (
        (layer.vertical, layer.horizontal)
        if isinstance(layer, ours.MicroFactorizedDepthwiseConv2D)
        else (layer.squeeze, layer.expand)
    )
    total = 0
    for factor in factors:
        shape = factor.compute_output_shape(shape)
        total += math.prod(shape[:-1]) * _size(factor.kernel)
    return total


def _size(kernel):
    return math.prod(kernel.shape)
