"""From a functional model to the graph of what its layers compute in inference.

A layer is taken apart only if its class is exactly one that is known here, and if it is called in the usual way.
Anything else stays as it is.
"""

import keras
import numpy as np
from keras import activations, layers

from keras_lightnets import graph
from keras_lightnets import layers as ours
from keras_lightnets.export.fusing.copying import call_again, is_copied
from keras_lightnets.export.fusing.graph import (
    Affine,
    Channelwise,
    Concat,
    Conv,
    Dense,
    Graph,
    Input,
    Merge,
    Opaque,
    Permute,
    ShiftMax,
    Slice,
)
from keras_lightnets.kernels.permutations import shift_permutation, shuffle_permutation

# The largest of many normal numbers, in standard deviations.
_DEVIATIONS = 3.0
# Functions that treat every number alike, so that the order of the channels does not matter to them.
_ELEMENTWISE = {
    activations.elu,
    activations.gelu,
    activations.hard_sigmoid,
    activations.hard_silu,
    activations.leaky_relu,
    activations.linear,
    activations.mish,
    activations.relu,
    activations.relu6,
    activations.selu,
    activations.sigmoid,
    activations.silu,
    activations.softplus,
    activations.softsign,
    activations.tanh,
}


def read_graph(model):
    """Reads a functional model, with the models inside it, in inference.

    Args:
        model: functional `keras.Model`.

    Returns:
        A `Graph`.
    """
    nodes = [Input([], tensor.name, tuple(tensor.shape), tensor.dtype) for tensor in model.inputs]

    def visit(call, sources):
        if call.model is not None and call.is_plain:
            return graph.run(call.model, sources, visit)
        parsed = _parse(call, sources)
        nodes.extend(parsed)
        return parsed[-len(call.outputs) :] or sources

    outputs = graph.run(model, list(nodes), visit)
    return Graph(nodes, outputs)


def _parse(call, sources):
    """Returns the nodes of a call, the last ones being its outputs. A call that returns its input has none."""
    layer, shape = call.operation, tuple(call.outputs[0].shape)
    is_float = all(keras.backend.is_float_dtype(tensor.dtype) for tensor in (*call.inputs, *call.outputs))
    if call.is_plain and len(sources) == 1 and _is_identity(layer, call):
        return [] if is_float else [Opaque(sources, layer.name, shape, _cast(call.outputs[0].dtype))]
    if not (call.is_plain and is_float):
        return _kept(call, sources)
    if type(layer) is ours.ChannelSplit:
        return [Slice(sources, layer.name, shape, part * shape[-1]) for part in range(layer.parts)]
    read = _READERS.get(type(layer))
    node = read(layer, sources, layer.name, shape) if read else None
    if node is None:
        return _kept(call, sources)
    if isinstance(node, Conv | Dense) and getattr(layer, "activation", None) not in (None, activations.linear):
        return [node, _activation(layer.activation, [node], f"{layer.name}_activation", shape)]
    return [node]


def _is_identity(layer, call):
    if type(layer) is layers.Pipeline:
        return all(_is_identity(part, call) for part in layer.layers)
    # A crop to the size that an image has.
    is_crop = type(layer) is layers.RandomCrop and call.inputs[0].shape == call.outputs[0].shape
    return is_crop or type(layer) in graph.IDENTITIES


def _cast(dtype):
    return lambda tensors, unique: [keras.ops.cast(tensors[0], dtype)]


def _kept(call, sources):
    """The nodes of a call of a layer that stays as it is, one for each output."""
    results = []

    def run(tensors, unique):
        if not results:
            results.extend(call_again(call, tensors, unique))
        return results

    name, operation = call.operation.name, None if is_copied(call.operation) else call.operation
    return [
        Opaque(sources, name, tuple(tensor.shape), run, position, operation)
        for position, tensor in enumerate(call.outputs)
    ]


def _activation(function, sources, name, shape):
    if function in _ELEMENTWISE:
        return Channelwise(sources, name, shape, layers.Activation(function))

    def run(tensors, unique):
        return [layers.Activation(function, name=unique(name))(tensors[0])]

    return Opaque(sources, name, shape, run)


def _array(variable):
    return keras.ops.convert_to_numpy(variable).astype("float64")


def _bias(layer, channels):
    return _array(layer.bias) if layer.use_bias else np.zeros(channels)


# Each of these returns the node that says what a layer does, or None if there is no such node.


def _batch_normalization(layer, sources, name, shape):
    if layer.axis not in (-1, len(shape) - 1):
        return None
    mean, variance = _array(layer.moving_mean), _array(layer.moving_variance)
    gamma = _array(layer.gamma) if layer.scale else np.ones_like(mean)
    beta = _array(layer.beta) if layer.center else np.zeros_like(mean)
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return Affine(sources, name, shape, scale, beta - scale * mean, np.abs(beta) + _DEVIATIONS * np.abs(gamma))


def _normalization(layer, sources, name, shape):
    mean, variance = _array(layer.mean), _array(layer.variance)
    if layer.invert or mean.size != mean.shape[-1] or None in shape[-1:]:
        return None
    deviation = np.maximum(np.sqrt(variance), keras.backend.epsilon())
    scale, offset = (np.broadcast_to(values.reshape(-1), shape[-1:]) for values in (1 / deviation, -mean / deviation))
    return Affine(sources, name, shape, scale, offset)


def _conv(layer, sources, name, shape):
    """A convolution without its activation."""
    channels, dilation = sources[0].channels, layer.dilation_rate
    plain = set(dilation) == {1} or (isinstance(layer, layers.DepthwiseConv2D) and layer.depth_multiplier == 1)
    if layer.data_format != "channels_last" or not plain:
        return None
    padding = ((0, 0), (0, 0))
    if layer.padding == "same":
        odd = all(side % 2 for side in layer.kernel_size) and set(layer.strides) == {1}
        ends = zip(layer.kernel_size, dilation, strict=True)
        padding = tuple((rate * (side // 2),) * 2 for side, rate in ends) if odd else "same"
    groups = layer.groups if isinstance(layer, layers.Conv2D) else channels
    kernel = _array(layer.kernel)
    kernel = kernel.reshape(*kernel.shape[:2], channels // groups, shape[-1])
    return Conv(sources, name, shape, kernel, _bias(layer, shape[-1]), layer.strides, padding, groups, dilation)


def _axial_conv(layer, sources, name, shape):
    kernel = _array(layer.kernel)
    strides = (layer.stride, 1) if layer.axis == "height" else (1, layer.stride)
    padding = tuple((side // 2, side // 2) for side in kernel.shape[:2])
    kernel = kernel.reshape(*kernel.shape[:2], 1, shape[-1])
    return Conv(sources, name, shape, kernel, _bias(layer, shape[-1]), strides, padding, sources[0].channels)


def _dense(layer, sources, name, shape):
    return Dense(sources, name, shape, _array(layer.kernel), _bias(layer, shape[-1])) if len(shape) == 2 else None


def _shuffle(layer, sources, name, shape):
    return Permute(sources, name, shape, shuffle_permutation(shape[-1], layer.groups))


def _shift_max(layer, sources, name, shape):
    squeeze, excite = ((_array(part.kernel), _array(part.bias)) for part in (layer.squeeze, layer.excite))
    shift = shift_permutation(shape[-1], layer.groups)
    offsets = np.ravel(list(zip(layer.offsets_a, layer.offsets_b, strict=True)))
    # The hard sigmoid from -bound to bound is relu6(z + 3) from 0 to 6, moved and scaled.
    gain = layer.bound / 3
    offsets = (offsets - layer.bound) / gain
    return ShiftMax(sources, name, shape, shift, squeeze, excite, offsets, layer.pieces, gain)


def _merge(layer, sources, name, shape):
    return Merge(sources, name, shape, layer) if len({source.channels for source in sources}) == 1 else None


def _concatenation(layer, sources, name, shape):
    return Concat(sources, name, shape) if layer.axis in (-1, len(shape) - 1) and shape[-1] else None


def _channelwise(layer, sources, name, shape):
    is_last = getattr(layer, "data_format", "channels_last") == "channels_last"
    return Channelwise(sources, name, shape, layer) if is_last else None


def _activation_layer(layer, sources, name, shape):
    return _activation(layer.activation, sources, name, shape)


_READERS = {
    layers.Activation: _activation_layer,
    layers.Add: _merge,
    layers.AveragePooling2D: _channelwise,
    layers.BatchNormalization: _batch_normalization,
    layers.Concatenate: _concatenation,
    layers.Conv2D: _conv,
    layers.Dense: _dense,
    layers.DepthwiseConv2D: _conv,
    layers.GlobalAveragePooling2D: _channelwise,
    layers.GlobalMaxPooling2D: _channelwise,
    layers.LeakyReLU: _channelwise,
    layers.MaxPooling2D: _channelwise,
    layers.Multiply: _merge,
    layers.Normalization: _normalization,
    layers.ReLU: _channelwise,
    layers.UpSampling2D: _channelwise,
    layers.ZeroPadding2D: _channelwise,
    ours.AxialDepthwiseConv2D: _axial_conv,
    ours.BatchNormalization: _batch_normalization,
    ours.ChannelShuffle: _shuffle,
    ours.DepthwiseConv2D: _conv,
    ours.DynamicShiftMax: _shift_max,
    ours.GroupedConv2D: _conv,
    ours.SiLU: _activation_layer,
}
