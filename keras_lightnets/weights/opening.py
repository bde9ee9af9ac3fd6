"""The weights that a builder was asked for: found, fetched and read, before its graph is built."""

import os
import re
from typing import NamedTuple

from keras_lightnets.errors import UserError
from keras_lightnets.weights import download, registry
from keras_lightnets.weights.name_maps import LAYOUTS, ORDER_MARKS, Layout
from keras_lightnets.weights.readers import Tensors, read


class Source(NamedTuple):
    """Weights for one network.

    Attributes:
        path: of the file.
        builder: name of the builder, for the names in the file.
        tensors: what the file holds.
        layout: whose names these are, or None for Keras' names of our own layers.
        order: "" or the name of the order of channels that the network must be built with.
        classes: number of classes of weights that were given by name, else None.
    """

    path: str | os.PathLike
    builder: str
    tensors: Tensors
    layout: Layout | None
    order: str
    classes: int | None = None


def open_source(weights, network, include_top):
    """Returns the `Source` that the argument `weights` of a builder means.

    Args:
        weights: path of a file, "imagenet", or another name of the registry.
        network: `Network` that the weights are for.
        include_top: bool.

    Raises:
        UserError: if there are no such weights, or they cannot be downloaded or read.
    """
    classes = None
    if isinstance(weights, str | os.PathLike) and os.path.isfile(weights):
        path = os.fspath(weights)
    else:
        record = registry.find(weights, network, include_top)
        if record is None:
            raise UserError(_unknown(weights, network))
        path, classes = str(download.fetch(record)), record.classes
    tensors = read(path)
    tensors, layout = _recognised(tensors, network)
    order = layout.order if layout else next((o for o, mark in ORDER_MARKS.items() if mark in tensors.layers), "")
    return Source(path, network.builder, tensors, layout, order, classes)


def _recognised(tensors, network):
    """Returns the tensors under the names of a `Layout`, and the layout, which is None for names of Keras."""
    layouts = LAYOUTS.get(network.builder, ())
    if tensors.layout != "topological":
        fitting = (layout for layout in layouts if layout.framework == tensors.layout)
        return tensors, next((layout for layout in fitting if layout.mark in tensors.arrays), None)
    names = {without_scopes(name): array for name, array in tensors.arrays.items()}
    whole = len(names) == len(tensors.arrays)
    layout = next((la for la in layouts if whole and la.framework == "keras" and la.mark in names), None)
    return (tensors._replace(arrays=names) if layout else tensors), layout


def without_scopes(name):
    """tf2cv's names begin with the name of the network, and versions of Keras repeat the scopes differently."""
    return re.sub(r"\b(\w+)(/\1)+(?=/)", r"\1", re.sub(r"^.*?/?(features|output1)/", r"\1/", name))


def _unknown(weights, network):
    known = [record for record in registry.RECORDS if network.takes(record)]
    names = {r.name: f"{r.name!r}" if r.by_name else f"{r.name!r} by path, from {r.page}" for r in known}
    if any(record.imagenet for record in known):
        names = {"imagenet": "'imagenet'", **names}
    hint = registry.nearest(weights)
    return (
        "The `weights` argument should be either `None` (random initialization), the name of released weights "
        f"({', '.join(names.values()) or 'none are released for this network yet'}), or the path to the weights file "
        f"to be loaded.{f' Did you mean {hint}?' if hint else ''} Received: weights={weights!r}"
    )
