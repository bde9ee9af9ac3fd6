"""In which order the channels of every tensor are stored, so that shuffles and shifts cost nothing.

A stored tensor has an `order`: position `i` holds channel `order[i]`, or nothing of use where that is -1. Layers with
weights take their inputs in any order and can leave their outputs in any order, by permuting weights. So a shuffle
only renames channels. What remains to choose is the order in which each layer leaves its outputs. Going backwards,
every tensor collects what its readers would like:

* a grouped convolution reads its channels in their own order, so that each group finds its own together.
* Dynamic Shift-Max wants its shift to be a rotation of all channels, by the same number of positions.
"""

from dataclasses import dataclass

import numpy as np

from keras_lightnets.export.fusing.graph import (
    Affine,
    Channelwise,
    ColumnBias,
    Conv,
    Dense,
    Merge,
    Permute,
    ShiftMax,
)
from keras_lightnets.kernels.permutations import shift_permutation

# Measured on x86 cores: a group with fewer outputs leaves vector registers empty, so that zeros may as well fill them.
FULL_GROUP = 16
# Fewer outputs than this and a group is not worth a transposition of its channels.
WIDE_GROUP = 32
_KEPT_GROUP = 12
# A shift of up to this many channels that nothing rotates is a cheap 1x1 convolution.
_NARROW_SHIFT = 128
# From this many channels on, groups with a few channels twice are faster than a dense convolution.
_DUPLICATES_FROM = 96


@dataclass
class Wish:
    """What the readers of a tensor would like: an order, or None, and the shifts that should be rotations."""

    order: np.ndarray | None
    shifts: list


def plan(graph):
    """Returns a dict from node to the `Wish` of its readers."""
    wishes, consumers = {}, graph.consumers()
    for node in reversed(graph.nodes):
        own_order = Wish(np.arange(node.channels), [])
        wished = [own_order if reader is None else _wish(reader, node, wishes) for reader in consumers[node]]
        orders = [wish.order for wish in wished if wish.order is not None]
        shifts = max((wish.shifts for wish in wished), key=len, default=[])
        wishes[node] = Wish(orders[0] if orders else None, shifts)
    return wishes


def _wish(reader, node, wishes):
    """The wish of `reader` about its input `node`."""
    beyond = wishes[reader]
    if isinstance(reader, Permute):
        order, back = reader.order, np.argsort(reader.order)
        return Wish(None if beyond.order is None else order[beyond.order], [order[s[back]] for s in beyond.shifts])
    if isinstance(reader, ShiftMax):
        return Wish(beyond.order, [reader.shift, *beyond.shifts] if rotates(reader) else [])
    if isinstance(reader, Channelwise | ColumnBias | Affine | Merge) or (isinstance(reader, Conv) and reader.depthwise):
        return beyond
    if isinstance(reader, Dense) or (isinstance(reader, Conv) and not keeps_groups(reader)):
        return Wish(None, [])
    return Wish(np.arange(node.channels), [])


def keeps_groups(conv):
    """Whether a convolution in groups is faster than the same one with zeros for what it lacks."""
    # Multipliers of depthwise convolutions can be gathered into as large groups as are fast.
    return conv.groups > 1 and (conv.groups == conv.inputs[0].channels or conv.channels // conv.groups >= _KEPT_GROUP)


def rotates(node):
    """Whether the shift of a Dynamic Shift-Max shall be a rotation."""
    return node.pieces > 1 or node.channels > _NARROW_SHIFT


def output_order(node, wish):
    """Returns the order in which a layer with weights leaves its channels."""
    own = np.arange(node.channels)
    grouped = isinstance(node, Conv) and keeps_groups(node)
    if wish.shifts and all(np.array_equal(shift, wish.shifts[0]) for shift in wish.shifts):
        shift = wish.shifts[0]
        by_group = own.reshape(node.groups, -1) if grouped else None
        if (
            grouped
            and node.channels >= _DUPLICATES_FROM
            and node.groups < node.inputs[0].channels
            and np.array_equal(shift, shift_permutation(node.channels, node.groups))
        ):
            # Each group once more begins after its end: the shift moves by a group and one, for every group alike.
            return np.concatenate([by_group, by_group[:, : len(wish.shifts)]], axis=1).reshape(-1)
        return cycles(shift)
    if wish.order is None:
        return own
    if grouped and node.channels // node.groups >= WIDE_GROUP and not _by_groups(wish.order, node):
        return own
    return wish.order


def _by_groups(order, conv):
    """Whether each group of `conv` finds its outputs next to each other in `order`."""
    groups = np.asarray(order).reshape(conv.groups, -1) // (conv.channels // conv.groups)
    return bool((groups == groups[:, :1]).all())


def cycles(shift):
    """The order in which the permutation `shift`, whose cycles are equally long, is a rotation."""
    channels = len(shift)
    cycles, seen = [], set()
    for start in range(channels):
        if start not in seen:
            cycle, channel = [], start
            while channel not in seen:
                seen.add(channel)
                cycle.append(channel)
                channel = shift[channel]
            cycles.append(cycle)
    if len({len(cycle) for cycle in cycles}) > 1:
        return np.arange(channels)
    return np.array(cycles).T.reshape(-1)


def rotation(order, shift):
    """Finds the rotation of stored channels that is `shift`.

    Args:
        order: int array, the order of the input.
        shift: int array, the permutation of the channels.

    Returns:
        The number of positions, and the order of the result, -1 wherever it is not `shift`. `(None, None)` if every
        rotation loses a channel.
    """
    wanted = np.where(order < 0, -2, shift[order])
    for positions in range(1, len(order)):
        kept = np.where(np.roll(order, -positions) == wanted, order, -1)
        if len(np.unique(kept[kept >= 0])) == len(shift):
            return positions, kept
    return None, None


def positions(order, channels):
    """Returns the first position of each channel in `order`."""
    first = np.full(channels, -1)
    for position in reversed(range(len(order))):
        if order[position] >= 0:
            first[order[position]] = position
    return first


def stored_groups(links):
    """Returns the number of groups that a convolution falls into.

    Args:
        links: bool array `(inputs, outputs)`, which stored input feeds which stored output.

    Returns:
        The largest number with at least `FULL_GROUP` outputs in each group and no link between groups.
    """
    inputs, outputs = links.shape
    for groups in range(outputs // FULL_GROUP, 1, -1):
        if inputs % groups == 0 and outputs % groups == 0:
            blocks = links.reshape(groups, inputs // groups, groups, outputs // groups).any(axis=(1, 3))
            if not (blocks & ~np.eye(groups, dtype=bool)).any():
                return groups
    return 1
