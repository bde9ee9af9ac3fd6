"""What a published table is made of, and what counts its figures."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from keras_lightnets.complexity import complexity


class Row(NamedTuple):
    """One line: the printed figures, and a function that returns the counted ones."""

    name: str
    printed: tuple[str, ...]
    count: Callable[[], tuple]  # type: ignore[assignment]  # Not the method of tuples.
    why: str = ""


class Table(NamedTuple):
    """One published table."""

    title: str
    source: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


@cache
def build(builder, **arguments):
    """Returns a network with random weights, always the same one."""
    return builder(weights=None, **arguments)


@cache
def cost_of(builder, size, **arguments):
    """Returns the `Complexity` of a network at a size."""
    return complexity(build(builder, **arguments), (size, size, 3))


def total_madds(cost):
    """Multiply-adds, the mix of Dynamic Shift-Max included, in millions."""
    return (cost.madds + cost.mix_madds) / 1e6


def total_gigas(cost):
    """Multiply-adds, the mix of Dynamic Shift-Max included, in billions."""
    return total_madds(cost) / 1e3


def madds_of_features(cost):
    """Multiply-adds without the classifier, in millions."""
    return total_madds(cost) - cost.parts["head"].madds / 1e6


def total_params(cost):
    """Trainable parameters, in millions."""
    return cost.params / 1e6


def params_without_normalization(cost):
    """Parameters without batch normalisation, in millions."""
    return total_params(cost) - cost.parts["normalization"].params / 1e6


def params_with_half_of_statistics(cost):
    """Parameters and one of the two moving statistics of batch normalisation, in millions."""
    return total_params(cost) + cost.non_trainable_params / 2e6


def network(name, printed, builder, size=224, measures=(total_madds, total_params), why="", **arguments):
    """Returns the `Row` of a network, with one measure for every printed figure."""
    return Row(name, printed, lambda: tuple(measure(cost_of(builder, size, **arguments)) for measure in measures), why)


MILLIONS = ("MAdds, M", "params, M")
BILLIONS = ("MAdds, B", "params, M")
SLIM = "README of TensorFlow's slim models"
