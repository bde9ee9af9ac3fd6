"""From a graph with chosen orders of channels to a Keras model."""

import functools

import keras
import numpy as np

from keras_lightnets import layers as ours
from keras_lightnets.errors import UserError
from keras_lightnets.export.fusing import graph as g
from keras_lightnets.export.fusing.copying import copy_of
from keras_lightnets.export.fusing.ordering import (
    WIDE_GROUP,
    keeps_groups,
    output_order,
    plan,
    positions,
    rotates,
    rotation,
    stored_groups,
)
from keras_lightnets.kernels.permutations import shuffle_permutation
from keras_lightnets.layers.inference import (
    ChannelRoll,
    ColumnBias,
    HardSwish,
    MixedPointwise,
    Offset,
    ShiftMaxMix,
)

# From this many pixels on, a mix of channels in the kernel of the convolution before it saves time.
_LARGE_MAP = 28 * 28
# Of the hidden units of a Dynamic Shift-Max.
_LEAST_RANGE = 1 / 16


class Builder:
    """Lays the layers of a graph, and remembers of each node its tensor and the order of its channels."""

    def __init__(self, graph):
        self._graph = graph
        self._wishes = plan(graph)
        self._readers = graph.consumers()
        self._stored = {}
        self._names = set(_kept_names(graph))

    def model(self, model):
        """Returns the model, with the structure of inputs and outputs and the name of the `model` that was read."""
        for node in self._graph.nodes:
            self._stored[node] = self._lay(node)
        inputs = [self._stored[node][0] for node in self._graph.nodes if isinstance(node, g.Input)]
        outputs = [self._in_order(node, np.arange(node.channels)) for node in self._graph.outputs]
        pack = keras.tree.pack_sequence_as
        return keras.Model(pack(model.input, inputs), pack(model.output, outputs), name=model.name)

    @functools.singledispatchmethod
    def _lay(self, node):
        raise NotImplementedError(node)

    @_lay.register
    def _(self, node: g.Input):
        dtype = "float32" if keras.backend.is_float_dtype(node.dtype) else node.dtype
        return keras.Input(batch_shape=node.shape, dtype=dtype, name=self._name(node.name)), np.arange(node.channels)

    @_lay.register
    def _(self, node: g.Permute):
        tensor, order = self._stored[node.inputs[0]]
        return tensor, np.where(order < 0, -1, np.argsort(node.order)[order])

    @_lay.register
    def _(self, node: g.Channelwise):
        tensor, order = self._stored[node.inputs[0]]
        if getattr(node.layer, "activation", None) is keras.activations.hard_silu:
            return HardSwish(name=self._name(node.name))(tensor), order
        return copy_of(node.layer, self._name(node.name))(tensor), order

    @_lay.register
    def _(self, node: g.Affine):
        tensor, order = self._stored[node.inputs[0]]
        layer = keras.layers.BatchNormalization(epsilon=0.0, trainable=False, name=self._name(node.name))
        zeros, ones = np.zeros(len(order)), np.ones(len(order))
        return self._weighted(layer, tensor, node.scale[order], node.offset[order], zeros, ones), order

    @_lay.register
    def _(self, node: g.ColumnBias):
        tensor, order = self._stored[node.inputs[0]]
        return self._weighted(ColumnBias(name=self._name(node.name)), tensor, node.bias[:, order]), order

    @_lay.register
    def _(self, node: g.Conv):
        if node.depthwise:
            return self._depthwise(node)
        source = node.inputs[0]
        order = output_order(node, self._wishes[node])
        links = _links(node)
        tensor, stored = self._stored[source]
        first = positions(stored, source.channels)
        groups = stored_groups(_placed(links[:, order], first, len(stored)))
        if groups == 1 and keeps_groups(node) and node.channels // node.groups >= WIDE_GROUP:
            # Groups this wide are worth putting their channels together.
            first = np.arange(source.channels)
            tensor, stored = self._in_order(source, first), first
            groups = stored_groups(links[:, order])
        kernel = _placed(_dense_kernel(node)[..., order], first, len(stored), axis=2)
        tensor = self._convolution(tensor, node, kernel, node.bias[order], groups)
        return tensor, order

    def _depthwise(self, node):
        tensor, order = self._stored[node.inputs[0]]
        kernel = np.where(order < 0, 0.0, node.kernel[:, :, 0, order])[..., None]
        bias = np.where(order < 0, 0.0, node.bias[order])
        window, name = kernel.shape[:2], self._name(node.name)
        for axis, length, along, across in (("height", 0, 0, 1), ("width", 1, 1, 0)):
            ends = ((0, 0), (0, 0))[:along] + ((window[length] // 2,) * 2,) + ((0, 0), (0, 0))[:across]
            along_one = window[across] == node.strides[across] == node.dilation[length] == 1
            if along_one and window[length] % 2 and node.padding == ends:
                layer = ours.AxialDepthwiseConv2D(window[length], axis, node.strides[along], use_bias=True, name=name)
                return self._weighted(layer, tensor, kernel, bias), order
        if node.strides[0] != node.strides[1]:
            # TensorFlow convolves in depth with equal strides only.
            return self._convolution(
                tensor, node, kernel[:, :, None, :, 0] * np.eye(len(order)), bias, len(order)
            ), order
        tensor, padding = self._padded(tensor, node, window)
        layer = keras.layers.DepthwiseConv2D(
            window, strides=node.strides, padding=padding, dilation_rate=node.dilation, name=name
        )
        return self._weighted(layer, tensor, kernel, bias), order

    def _convolution(self, tensor, node, kernel, bias, groups):
        """A convolution in `groups`, given its dense kernel."""
        *window, inputs, outputs = kernel.shape
        blocks = kernel.reshape(*window, groups, inputs // groups, groups, outputs // groups)
        kernel = np.concatenate([blocks[:, :, i, :, i] for i in range(groups)], axis=-1)
        tensor, padding = self._padded(tensor, node, window)
        used = bool(np.any(bias))
        layer = ours.GroupedConv2D(
            outputs,
            window,
            groups,
            node.strides,
            padding,
            use_bias=used,
            name=self._name(node.name),
        )
        return self._weighted(layer, tensor, kernel, *([bias] if used else []))

    def _padded(self, tensor, node, window):
        if node.padding == "same":
            return tensor, "same"
        if not np.any(node.padding):
            return tensor, "valid"
        ends = tuple((rate * (side // 2),) * 2 for side, rate in zip(window, node.dilation, strict=True))
        # "same" pads an even side at one end more than at the other.
        if node.strides == (1, 1) and node.padding == ends and all(side % 2 for side in window):
            return tensor, "same"
        return keras.layers.ZeroPadding2D(node.padding, name=self._name(f"{node.name}_pad"))(tensor), "valid"

    @_lay.register
    def _(self, node: g.Dense):
        tensor, order = self._stored[node.inputs[0]]
        own = np.arange(node.channels)
        kernel = _placed(node.kernel, positions(order, node.inputs[0].channels), len(order))
        layer = keras.layers.Dense(node.channels, name=self._name(node.name))
        return self._weighted(layer, tensor, kernel, node.bias), own

    @_lay.register
    def _(self, node: g.Unpack):
        tensor = self._in_order(node.inputs[0], np.arange(node.inputs[0].channels))
        return keras.layers.Reshape(node.shape[1:], name=self._name(node.name))(tensor), np.arange(node.channels)

    @_lay.register
    def _(self, node: g.ShiftMax):
        source = node.inputs[0]
        if self._is_mixed_pointwise(node, source):
            return self._mixed_pointwise(node, source)
        tensor, order = self._stored[source]
        roll, kept = rotation(order, node.shift) if rotates(node) else (None, None)
        if roll is not None:
            shifted = ChannelRoll(roll, name=self._name(f"{node.name}_roll"))(tensor)
        else:
            kept = order
            first = positions(order, node.channels)
            matrix = np.zeros((len(order), len(order)))
            valid = np.flatnonzero(order >= 0)
            matrix[first[node.shift[order[valid]]], valid] = 1.0
            layer = ours.GroupedConv2D(len(order), use_bias=False, name=self._name(f"{node.name}_shift"))
            shifted = self._weighted(layer, tensor, matrix[None, None])
        # The average of a 1x1 convolution is the convolution of the average: it is taken of fewer channels.
        averaged = source.inputs[0] if _is_pointwise(source) and source.inputs[0].channels < node.channels else source
        coefficients = self._coefficients(node, averaged, order)
        return ShiftMaxMix(node.pieces, name=self._name(node.name))([tensor, shifted, coefficients]), kept

    def _is_mixed_pointwise(self, node, source):
        """Whether a mix goes into the 1x1 convolution before it: where the map is large, it then costs no pass."""
        return (
            node.pieces == 1
            and _is_pointwise(source)
            and self._readers[source] == [node]
            and None not in source.shape[1:3]
            and source.shape[1] * source.shape[2] >= _LARGE_MAP
        )

    def _mixed_pointwise(self, node, conv):
        (tensor, stored), (_, order) = self._stored[conv.inputs[0]], self._stored[conv]
        products = _placed(_dense_kernel(conv)[0, 0], positions(stored, conv.inputs[0].channels), len(stored))
        coefficients = self._coefficients(node, conv.inputs[0], order)
        weights = [part for of in (order, node.shift[order]) for part in (products[:, of], conv.bias[of])]
        layer = MixedPointwise(node.channels, name=self._name(node.name))
        return self._weighted(layer, [tensor, coefficients], *weights), order

    def _coefficients(self, node, averaged, order):
        """The coefficients of a Dynamic Shift-Max for channels in `order`, from the averages of the node `averaged`."""
        name, conv = node.name, node.inputs[0]
        kernel, bias = node.squeeze
        if averaged is not conv:
            kernel, bias = _dense_kernel(conv)[0, 0] @ kernel, conv.bias @ kernel + bias
        tensor, stored = self._stored[averaged]
        kernel = _placed(kernel, positions(stored, averaged.channels), len(stored))
        x = keras.layers.GlobalAveragePooling2D(name=self._name(f"{name}_average"))(tensor)
        # Trained units are often dead, all of them. One that is constant and read by nobody keeps their range, the step
        # of an int8 file, from vanishing.
        kernel, bias = np.pad(kernel, ((0, 0), (0, 1))), np.append(bias, _LEAST_RANGE)
        squeeze = keras.layers.Dense(len(bias), "relu", name=self._name(f"{name}_squeeze"))
        x = self._weighted(squeeze, x, kernel, bias)
        kernel, bias = (part.reshape(-1, 2 * node.pieces, node.channels)[..., order] for part in node.excite)
        kernel = np.pad(kernel.reshape(len(kernel), -1), ((0, 1), (0, 0)))
        excite = keras.layers.Dense(bias.size, "relu6", name=self._name(f"{name}_excite"))
        x = self._weighted(excite, x, kernel, bias.reshape(-1) + 3.0)
        x = self._weighted(Offset(name=self._name(f"{name}_offset")), x, np.repeat(node.offsets, len(order)))
        if node.gain != 1.0:
            x = keras.layers.Rescaling(node.gain, name=self._name(f"{name}_gain"))(x)
        return x

    @_lay.register
    def _(self, node: g.Merge):
        tensor, order = self._stored[node.inputs[0]]
        others = [self._in_order(source, order) for source in node.inputs[1:]]
        return copy_of(node.layer, self._name(node.name))([tensor, *others]), order

    @_lay.register
    def _(self, node: g.Concat):
        stored = [self._stored[source] for source in node.inputs]
        starts = np.cumsum([0, *(source.channels for source in node.inputs[:-1])])
        orders = [np.where(order < 0, -1, order + start) for (_, order), start in zip(stored, starts, strict=True)]
        tensor = keras.layers.Concatenate(name=self._name(node.name))([tensor for tensor, _ in stored])
        return tensor, np.concatenate(orders)

    @_lay.register
    def _(self, node: g.Slice):
        source = node.inputs[0]
        tensor = self._in_order(source, np.arange(source.channels))
        return tensor[..., node.start : node.start + node.channels], np.arange(node.channels)

    @_lay.register
    def _(self, node: g.Opaque):
        tensors = [self._in_order(source, np.arange(source.channels)) for source in node.inputs]
        return node.run(tensors, self._name)[node.position], np.arange(node.channels)

    def _in_order(self, node, wanted):
        """The tensor of `node` with its channels in the order `wanted`."""
        tensor, order = self._stored[node]
        if np.array_equal(order, wanted):
            return tensor
        first = positions(order, node.channels)
        name = self._name(f"{node.name}_order")
        if len(tensor.shape) == 4 and len(order) == len(wanted) and (groups := _shuffle_groups(first[wanted])):
            return ours.ChannelShuffle(groups, name=name)(tensor)
        matrix = np.zeros((len(order), len(wanted)))
        used = np.flatnonzero(wanted >= 0)
        matrix[first[wanted[used]], used] = 1.0
        if len(tensor.shape) == 4:
            layer = ours.GroupedConv2D(len(wanted), use_bias=False, name=name)
            return self._weighted(layer, tensor, matrix[None, None])
        return self._weighted(keras.layers.Dense(len(wanted), use_bias=False, name=name), tensor, matrix)

    def _weighted(self, layer, tensor, *weights):
        """Calls `layer` on `tensor` and gives it its weights."""
        outputs = layer(tensor)
        layer.set_weights([np.asarray(weight, "float32") for weight in weights])
        return outputs

    def _name(self, name):
        """`name`, or with a number where it is taken: a layer may be called twice."""
        unique, number = name, 1
        while unique in self._names:
            unique, number = f"{name}_{number}", number + 1
        self._names.add(unique)
        return unique


def _kept_names(graph):
    """The names of the operations that are called themselves."""
    operations = {}
    for node in graph.nodes:
        operation = node.operation if isinstance(node, g.Opaque) else None
        if operation is not None and operations.setdefault(node.name, operation) is not operation:
            raise UserError(f"Two layers are named {node.name!r}, and cannot be copied. Give one another name.")
    return operations


def _shuffle_groups(order):
    """The groups of the channel shuffle that gives `order`, or None."""
    divisors = (groups for groups in range(2, len(order)) if len(order) % groups == 0)
    return next((groups for groups in divisors if np.array_equal(order, shuffle_permutation(len(order), groups))), None)


def _links(conv):
    """Which input channel feeds which output channel, a bool array `(inputs, outputs)`."""
    inputs, outputs = conv.inputs[0].channels // conv.groups, conv.channels // conv.groups
    return np.kron(np.eye(conv.groups, dtype=bool), np.ones((inputs, outputs), bool))


def _is_pointwise(node):
    """Whether a node is a 1x1 convolution that keeps the pixels."""
    is_conv = isinstance(node, g.Conv) and node.kernel.shape[:2] == node.strides == (1, 1)
    return is_conv and (node.padding == "same" or not np.any(node.padding))


def _dense_kernel(conv):
    """The kernel with zeros between channels of different groups."""
    return np.tile(conv.kernel, (1, 1, conv.groups, 1)) * _links(conv)


def _placed(rows, first, count, axis=0):
    """Puts row `c` at position `first[c]` of `count` rows that are zero otherwise."""
    shape = list(rows.shape)
    shape[axis] = count
    placed = np.zeros(shape, rows.dtype)
    placed[(slice(None),) * axis + (first,)] = rows
    return placed
