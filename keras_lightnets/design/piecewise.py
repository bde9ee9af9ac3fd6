"""Channels as a piecewise-linear function of the block, cut to fit limits of cost: the space of the channel search.

Block i of d has c_i = a * f(i) + b channels, where f rises from 0 to 1. Between knots at any of the blocks, f is a
straight line, which may be flat. Straight lines, staircases and late jumps are all of this form. Knots, rises and b are
drawn. a is as large as the limits allow, so that candidates differ in their shape and not in their cost.
"""

from typing import NamedTuple

import numpy as np

from keras_lightnets.design.bottleneck_net import bottleneck_net_cost
from keras_lightnets.errors import UserError

# Fewest channels of a block.
_NARROWEST = 8
# Draws per network that is wanted.
_ATTEMPTS = 200


class Shape(NamedTuple):
    """One function of the block: b, and the rise of f up to each block but the first, None between two knots."""

    rises: tuple
    base: int

    def heights(self):
        """Returns f at every block."""
        knots = [0, *(block for block, rise in enumerate(self.rises, 1) if rise is not None)]
        heights = np.cumsum([0.0, *(rise for rise in self.rises if rise is not None)])
        return np.interp(range(len(self.rises) + 1), knots, heights / (heights[-1] or 1.0))


class Limits(NamedTuple):
    """Most parameters and multiply-adds of a network, and the share of both that it has to use at least."""

    params: float
    madds: float
    spend: float = 0.9


class Space:
    """The networks of a search: shapes of `blocks` blocks that meet `limits`.

    Args:
        blocks: int, number of blocks.
        limits: `Limits`.
        **network: arguments of `BottleneckNet` that all networks share, such as `downsample` and `input_shape`.

    Raises:
        UserError: if no network meets the limits, saying which one is too tight.
    """

    def __init__(self, blocks, limits, **network):
        self._blocks, self._limits, self._network = blocks, limits, network
        smallest = self.cost([_NARROWEST] * blocks)
        for name, words in (("params", "parameters"), ("madds", "multiply-adds")):
            if getattr(smallest, name) > getattr(limits, name):
                raise UserError(
                    f"No network of {blocks} blocks meets the limit of {getattr(limits, name):,.0f} {words}: with "
                    f"{_NARROWEST} channels throughout it has {getattr(smallest, name):,} already. Raise the limit, or "
                    "take smaller images or fewer features."
                )
        # Bases above this one meet the limits with no rise at all.
        self._widest = _largest(lambda base: self._fits([base] * blocks), _NARROWEST, 1 << 20)

    def cost(self, channels):
        """Returns the `Cost` of the network with these channels."""
        return bottleneck_net_cost(channels, **self._network)

    def channels(self, shape):
        """Returns the channels of the widest network of a `Shape` within the limits. None if it uses too little."""
        heights = shape.heights()

        def widths(scale):
            return tuple(int(width) for width in np.round(scale * heights + shape.base))

        scale = _largest(lambda scale: self._fits(widths(scale)), 0, 1 << 20) if heights[-1] else 0
        channels = widths(scale)
        cost = self.cost(channels)
        spent = min(cost.params / self._limits.params, cost.madds / self._limits.madds)
        return channels if spent >= self._limits.spend else None

    def sample(self, count, random, parents=(), taken=()):
        """Draws networks, each with other channels.

        Args:
            count: int, how many.
            random: `numpy.random.Generator`.
            parents: shapes to vary. Defaults to none: shapes are drawn afresh.
            taken: channels that are not to be drawn again. Defaults to none.

        Returns:
            A dict from channels to their `Shape`.

        Raises:
            UserError: if so many networks are not found.
        """
        found = {}
        for _ in range(_ATTEMPTS * count):
            shape = self._vary(parents[random.integers(len(parents))], random) if parents else self._draw(random)
            channels = self.channels(shape)
            if channels is not None and channels not in taken:
                found.setdefault(channels, shape)
            if len(found) == count:
                return found
        raise UserError(
            f"Only {len(found)} of {count} networks of {self._blocks} blocks were found that have at most "
            f"{self._limits.params:,.0f} parameters and {self._limits.madds:,.0f} multiply-adds and use "
            f"{self._limits.spend:.0%} of both. {self._hint(random)}"
        )

    def _hint(self, random):
        """Says which limit binds, by the cost of straight lines."""
        line = Space(self._blocks, self._limits._replace(spend=0), **self._network)
        costs = [
            self.cost(line.channels(Shape((None,) * (self._blocks - 2) + (1.0,), int(base))))
            for base in random.integers(_NARROWEST, self._widest + 1, 20)
        ]
        params, madds = (np.mean([getattr(cost, name) for cost in costs]) for name in ("params", "madds"))
        return (
            f"Straight lines within the limits have {params:,.0f} parameters and {madds:,.0f} multiply-adds: change "
            "the limit that is far off, search fewer, or let them spend less."
        )

    def _fits(self, channels):
        cost = self.cost(channels)
        return cost.params <= self._limits.params and cost.madds <= self._limits.madds

    def _draw(self, random):
        knots = random.permutation(self._blocks - 2)[: random.integers(self._blocks - 1)]
        rises = [None] * (self._blocks - 2) + [_rise(random)]
        for knot in knots:
            rises[knot] = _rise(random)
        return Shape(tuple(rises), int(random.integers(_NARROWEST, self._widest + 1)))

    def _vary(self, shape, random):
        """Changes the rise up to one block, or the base by up to a fifth."""
        rises, base, place = list(shape.rises), shape.base, random.integers(self._blocks)
        if place == self._blocks - 1:
            base = int(np.clip(round(base * random.uniform(0.8, 1.25)), _NARROWEST, self._widest))
        elif place == self._blocks - 2 or rises[place] is None or random.random() < 0.5:
            rises[place] = _rise(random)
        else:
            rises[place] = None
        return Shape(tuple(rises), base)


def _rise(random):
    """Returns a rise of f, before it is scaled to 1. Every third line is flat."""
    return 0.0 if random.random() < 1 / 3 else float(random.exponential())


def _largest(fits, low, high):
    """Returns the largest integer from `low` to `high` that fits, if `low` does."""
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
