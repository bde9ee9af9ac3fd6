"""A functional Keras model as plain operations on channels, its weights as float64 arrays."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from keras_lightnets import graph
from keras_lightnets import layers as ours
from keras_lightnets.kernels.permutations import shift_permutation, shuffle_permutation

# Functions that treat every number alike, so that the order of the channels does not matter to them.
_ELEMENTWISE = {
    *(
        "elu",
        "gelu",
        "hard_sigmoid",
        "hard_silu",
        "hard_swish",
        "leaky_relu",
        "linear",
        "mish",
        "relu",
        "relu6",
        "selu",
    ),
    *("sigmoid", "silu", "softplus", "softsign", "swish", "tanh"),
}
_CHANNELWISE = (
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.ZeroPadding2D,
    keras.layers.UpSampling2D,
)
_IDENTITIES = (keras.layers.Dropout, keras.layers.SpatialDropout2D, keras.layers.Identity)


@dataclass(eq=False)
class Node:
    """One operation: where its inputs come from, the name of its layer, and the shape of its output."""

    inputs: list
    name: str
    shape: tuple

    @property
    def channels(self):
        """Number of channels of the output."""
        return self.shape[-1]


@dataclass(eq=False)
class Input(Node):
    """An input of the model."""


@dataclass(eq=False)
class Conv(Node):
    """Convolution, depthwise too (`groups` then are the input channels), kernel `(h, w, channels / groups, filters)`.

    `padding` is ((top, bottom), (left, right)), or "same" where TensorFlow's rule must decide.
    """

    kernel: np.ndarray
    bias: np.ndarray
    strides: tuple
    padding: tuple | str
    groups: int

    @property
    def depthwise(self):
        """Whether every input channel gives one output channel of its own."""
        return self.groups == self.inputs[0].channels == self.channels


@dataclass(eq=False)
class ColumnBias(Node):
    """Adds `bias`, `(width, channels)`, to every row."""

    bias: np.ndarray


@dataclass(eq=False)
class Dense(Node):
    """Matrix product over the last axis, `kernel` being `(channels, units)`."""

    kernel: np.ndarray
    bias: np.ndarray


@dataclass(eq=False)
class Affine(Node):
    """`scale * x + offset` channel by channel: batch normalisation."""

    scale: np.ndarray
    offset: np.ndarray


@dataclass(eq=False)
class Permute(Node):
    """Output channel `c` is input channel `order[c]`."""

    order: np.ndarray


@dataclass(eq=False)
class ShiftMax(Node):
    """Dynamic Shift-Max whose shift takes channel `c` from `shift[c]`.

    Its coefficients are `gain * (relu6(z + 3) + offsets)`, with `z` of the two dense layers.
    """

    shift: np.ndarray
    squeeze: tuple  # kernel and bias
    excite: tuple
    offsets: np.ndarray
    pieces: int
    gain: float


@dataclass(eq=False)
class Channelwise(Node):
    """Any layer without weights that gives every channel the same treatment."""

    layer: keras.layers.Layer


@dataclass(eq=False)
class Merge(Node):
    """`Add` or `Multiply`: channel by channel, over several inputs."""

    layer: keras.layers.Layer


@dataclass(eq=False)
class Concat(Node):
    """Concatenation of channels."""


@dataclass(eq=False)
class Unpack(Node):
    """Several pixels of a row that lie in the channels of one, side by side again."""


@dataclass(eq=False)
class Slice(Node):
    """The channels from `start` on."""

    start: int


@dataclass(eq=False)
class Opaque(Node):
    """Output `position` of any other operation, on channels in their own order."""

    run: Callable  # from the list of input tensors to the list of output tensors
    position: int = 0


class Graph:
    """The nodes of a model, each after its inputs, and those that are its outputs."""

    def __init__(self, nodes, outputs):
        self.nodes = nodes
        self.outputs = outputs

    def consumers(self):
        """Returns a dict from node to the nodes that read it; an output of the model also counts None."""
        consumers = {node: [] for node in self.nodes}
        for node in self.nodes:
            for source in node.inputs:
                consumers[source].append(node)
        for node in self.outputs:
            consumers[node].append(None)
        return consumers

    def replace(self, old, *new):
        """Puts the chain `new` in the place of `old`; without a chain, what `old` reads."""
        last = new[-1] if new else old.inputs[0]
        position = self.nodes.index(old)
        self.nodes[position : position + 1] = new
        for node in self.nodes:
            if node not in new:
                node.inputs = [last if source is old else source for source in node.inputs]
        self.outputs = [last if node is old else node for node in self.outputs]

    def insert_after(self, node, new):
        """Lets everything that reads `node` read `new` instead, which reads `node`."""
        for reader in self.consumers()[node]:
            if reader is not None:
                reader.inputs = [new if source is node else source for source in reader.inputs]
        self.outputs = [new if output is node else output for output in self.outputs]
        self.nodes.insert(self.nodes.index(node) + 1, new)


def read_graph(model):
    """Reads a functional model, with the models inside it, in inference.

    Args:
        model: functional `keras.Model`.

    Returns:
        A `Graph`.
    """
    nodes = [Input([], tensor.name, tuple(tensor.shape)) for tensor in model.inputs]

    def visit(call, sources):
        if call.model is not None and call.is_plain:
            return graph.run(call.model, sources, visit)
        parsed = _parse(call, sources)
        nodes.extend(parsed)
        return parsed[-len(call.outputs) :] or sources

    outputs = graph.run(model, list(nodes), visit)
    return Graph(nodes, outputs)


def _parse(call, sources):
    """Returns the nodes of a call, the last ones being its outputs; none for one that returns its input."""
    layer, shape = call.operation, tuple(call.outputs[0].shape)
    if isinstance(layer, _IDENTITIES):
        return []
    if isinstance(layer, ours.ChannelSplit):
        return [Slice(sources, layer.name, shape, part * shape[-1]) for part in range(layer.parts)]
    node = _known(layer, (sources, layer.name, shape))
    if node is None:
        run = _once(lambda tensors: _call_again(call, tensors))
        outputs = enumerate(call.outputs)
        return [Opaque(sources, layer.name, tuple(tensor.shape), run, position) for position, tensor in outputs]
    if isinstance(node, Conv | Dense) and getattr(layer, "activation", None) not in (None, keras.activations.linear):
        return [node, _activation(layer.activation, ([node], f"{layer.name}_activation", shape))]
    return [node]


def _known(layer, common):
    """Returns the node that says what `layer` does, or None."""
    sources, _, shape = common
    last = (-1, len(shape) - 1)
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return None
    if isinstance(layer, keras.layers.BatchNormalization) and layer.axis in last:
        return Affine(*common, *_affine(layer))
    if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D | ours.AxialDepthwiseConv2D):
        return _conv(layer, common)
    if isinstance(layer, keras.layers.Dense) and len(shape) == 2:
        return Dense(*common, _array(layer.kernel), _bias(layer, shape[-1]))
    if isinstance(layer, ours.ChannelShuffle):
        return Permute(*common, shuffle_permutation(shape[-1], layer.groups))
    if isinstance(layer, ours.DynamicShiftMax):
        return _shift_max(layer, common)
    if (
        isinstance(layer, keras.layers.Add | keras.layers.Multiply)
        and len({source.channels for source in sources}) == 1
    ):
        return Merge(*common, layer)
    if isinstance(layer, keras.layers.Concatenate) and layer.axis in last:
        return Concat(*common)
    if isinstance(layer, _CHANNELWISE):
        return Channelwise(*common, layer)
    if isinstance(layer, keras.layers.Activation):
        return _activation(layer.activation, common)
    return None


def _activation(function, common):
    layer = keras.layers.Activation(function, name=common[1])
    if getattr(function, "__name__", None) in _ELEMENTWISE:
        return Channelwise(*common, layer)
    return Opaque(*common, lambda tensors: [layer(tensors[0])])


def _once(run):
    """Makes the outputs of one operation share one call."""
    results = []

    def run_once(tensors):
        if not results:
            results.extend(run(tensors))
        return results

    return run_once


def _call_again(call, tensors):
    """Calls a copy of the operation of `call` on other tensors, its weights included."""
    if not isinstance(call.operation, keras.layers.Layer):
        return call.again(tensors)
    copy = type(call.operation).from_config(call.operation.get_config())
    outputs = call.again(tensors, copy)
    copy.set_weights(call.operation.get_weights())
    return outputs


def _array(variable):
    return keras.ops.convert_to_numpy(variable).astype("float64")


def _bias(layer, channels):
    return _array(layer.bias) if layer.use_bias else np.zeros(channels)


def _affine(layer):
    mean, variance = _array(layer.moving_mean), _array(layer.moving_variance)
    gamma = _array(layer.gamma) if layer.scale else np.ones_like(mean)
    beta = _array(layer.beta) if layer.center else np.zeros_like(mean)
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return scale, beta - scale * mean


def _conv(layer, common):
    """A convolution without its activation, or None for one that `Conv` cannot say."""
    (source,), _, shape = common
    kernel = _array(layer.kernel)
    axial = isinstance(layer, ours.AxialDepthwiseConv2D)
    if axial:
        strides = (layer.stride, 1) if layer.axis == "height" else (1, layer.stride)
        padding = tuple((side // 2, side // 2) for side in kernel.shape[:2])
    elif set(layer.dilation_rate) != {1}:
        return None
    else:
        strides = layer.strides
        padding = ((0, 0), (0, 0))
        if layer.padding == "same":
            odd = all(side % 2 for side in layer.kernel_size) and set(strides) == {1}
            padding = tuple((side // 2, side // 2) for side in layer.kernel_size) if odd else "same"
    groups = layer.groups if isinstance(layer, keras.layers.Conv2D) else source.channels
    kernel = kernel.reshape(*kernel.shape[:2], source.channels // groups, shape[-1])
    return Conv(*common, kernel, _bias(layer, shape[-1]), strides, padding, groups)


def _shift_max(layer, common):
    squeeze, excite = ((_array(part.kernel), _array(part.bias)) for part in (layer.squeeze, layer.excite))
    shift = shift_permutation(common[2][-1], layer.groups)
    offsets = np.ravel(list(zip(layer.offsets_a, layer.offsets_b, strict=True)))
    # The hard sigmoid from -bound to bound is relu6(z + 3) from 0 to 6, moved and scaled.
    gain = layer.bound / 3
    return ShiftMax(*common, shift, squeeze, excite, (offsets - layer.bound) / gain, layer.pieces, gain)
