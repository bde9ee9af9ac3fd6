"""The activations in memory and the traffic of each call, as `complexity` defines them."""

import math
from collections import defaultdict
from typing import NamedTuple

from keras_lightnets.complexity.rules import fused

_BYTES = 4


class Memory(NamedTuple):
    """Bytes of one call: `moved` by it, and `live` while it runs."""

    moved: int
    live: int


def plan(calls):
    """Returns a list of `Memory`, one for every `Call` of the list `calls`."""
    readers = defaultdict(set)
    for position, call in enumerate(calls):
        for tensor in call.inputs:
            readers[id(tensor)].add(position)
        if call.final:
            for tensor in call.outputs:
                readers[id(tensor)].add(len(calls))
    # From tensor to where it lies, named after the tensor that was written there first.
    places, sizes, first, moved = {}, {}, {}, []

    def lay(tensor, place, position):
        places[id(tensor)] = place
        sizes.setdefault(place, _bytes(tensor))
        first.setdefault(place, position)

    for position, call in enumerate(calls):
        for tensor in call.inputs:
            if id(tensor) not in places:
                lay(tensor, id(tensor), 0)
        in_place = fused(call.operation) and readers[id(call.inputs[0])] == {position}
        for tensor in call.outputs:
            lay(tensor, places[id(call.inputs[0])] if in_place else id(tensor), position)
        touched = {places[id(tensor)] for tensor in (*call.inputs, *call.outputs)}
        weights = sum(map(_bytes, getattr(call.operation, "weights", ())))
        moved.append(0 if in_place else weights + sum(sizes[place] for place in touched))
    last = dict(first)
    for tensor, place in places.items():
        last[place] = max(last[place], *readers[tensor], 0)
    live = [
        sum(size for place, size in sizes.items() if first[place] <= position <= last[place])
        for position in range(len(calls))
    ]
    return [Memory(*pair) for pair in zip(moved, live, strict=True)]


def _bytes(tensor):
    return _BYTES * math.prod(tensor.shape)
