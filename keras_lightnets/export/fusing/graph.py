"""A model as plain operations on channels, its weights as float64 arrays."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np


@dataclass(eq=False)
class Node:
    """One operation: where its inputs come from, the name of its layer, and the shape of its output."""

    inputs: list
    name: str
    shape: tuple

    @property
    def channels(self):
        """Number of channels of the output. 0 if it is unknown, or the output is one number."""
        return (self.shape[-1] or 0) if self.shape else 0


@dataclass(eq=False)
class Input(Node):
    """An input of the model."""

    dtype: str


@dataclass(eq=False)
class Conv(Node):
    """Convolution, depthwise too (`groups` then are the input channels), kernel `(h, w, channels / groups, filters)`.

    `padding` is ((top, bottom), (left, right)), or "same" where TensorFlow's rule must decide. `sizes` says how large
    the outputs of each channel are, from the batch normalisation that was folded last, if there was one.
    """

    kernel: np.ndarray
    bias: np.ndarray
    strides: tuple
    padding: tuple | str
    groups: int
    dilation: tuple = (1, 1)  # of depthwise ones only
    sizes: np.ndarray | None = None

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
    """`scale * x + offset` channel by channel: batch normalisation, which knows how large its outputs are."""

    scale: np.ndarray
    offset: np.ndarray
    sizes: np.ndarray | None = None


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

    run: Callable  # from the list of input tensors and a function that makes names unique to the list of outputs
    position: int = 0
    operation: object = None  # the one that is called, under its own name, where no copy of it is made


class Graph:
    """The nodes of a model, each after its inputs, and those that are its outputs."""

    def __init__(self, nodes, outputs):
        self.nodes = nodes
        self.outputs = outputs

    def consumers(self):
        """Returns a dict from node to the nodes that read it. An output of the model also counts None."""
        consumers = {node: [] for node in self.nodes}
        for node in self.nodes:
            for source in node.inputs:
                consumers[source].append(node)
        for node in self.outputs:
            consumers[node].append(None)
        return consumers

    def replace(self, old, *new):
        """Puts the chain `new` in the place of `old`. Without a chain, puts what `old` reads there."""
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
