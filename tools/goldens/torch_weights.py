"""Seeded Keras weights as the state of a PyTorch or PaddlePaddle network, by the package's own maps of names."""

import re
from typing import NamedTuple

import numpy as np

from keras_lightnets.weights.load import targets, tensor_names
from keras_lightnets.weights.name_maps import LAYOUTS
from keras_lightnets.weights.opening import Source
from keras_lightnets.weights.readers import Tensors


class Reference(NamedTuple):
    """A network of others, and whose names its tensors have: `publisher` of a `Layout` of `builder`."""

    builder: str
    publisher: str
    network: object

    @property
    def layout(self):
        """The package's map of names."""
        return layout_of(self.builder, self.publisher)


def layout_of(builder, publisher):
    """Returns the package's map of names."""
    return next(layout for layout in LAYOUTS[builder] if layout.publisher == publisher)


def checkpoint(model, arrays, builder, publisher):
    """Returns the arrays of `model` under the names and in the axes of a publisher's files.

    Args:
        model: a Keras model of ours.
        arrays: dict from Keras variable path to array.
        builder: name of the builder.
        publisher: whose names.
    """
    layout, wanted = layout_of(builder, publisher), targets(model.layers)
    names = tensor_names(Source("", builder, Tensors({}, "torch"), layout, ""), wanted, model.name)
    state = {}
    for target in wanted:
        if layout.without_bias == target.part and target.kind == "bias":
            continue
        array = arrays[target.path]
        if layout.framework == "keras":
            parts = np.split(array, len(names[target.path]), axis=-1)
            state |= dict(zip(names[target.path], parts, strict=True))
        elif builder.startswith("ReXNet") and publisher in ("the authors", "paddleclas") and array.ndim == 2:
            # Our dense layers are 1x1 convolutions of the pooled map there.
            state[names[target.path][0]] = torch_layout(array, False)[:, :, None, None]
        elif layout.framework == "paddle" and array.ndim == 2:
            state[names[target.path][0]] = array
        else:
            if re.fullmatch(layout.transposed, target.part):
                array = array.reshape(*array.shape[:-1], -1, 4)[..., [1, 0, 3, 2]].reshape(array.shape)
            state[names[target.path][0]] = torch_layout(array, target.depthwise)
    return state


def torch_layout(array, depthwise):
    """Transposes a kernel from Keras' layout to PyTorch's; vectors stay as they are."""
    if depthwise and array.ndim == 4:
        height, width, channels, multiplier = array.shape
        return np.ascontiguousarray(array.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width))
    return np.ascontiguousarray(array.transpose({1: (0,), 2: (1, 0), 4: (3, 2, 0, 1)}[array.ndim]))


def logits(reference, model, arrays, images):
    """Returns the logits of a reference network with our weights; refuses any tensor left over on either side."""
    import torch

    state = checkpoint(model, arrays, reference.builder, reference.publisher)
    tensors = {name: torch.tensor(array) for name, array in state.items()}
    missing, unexpected = reference.network.load_state_dict(tensors, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise SystemExit(f"not matched: missing {missing}, unexpected {unexpected}")
    with torch.no_grad():
        outputs = reference.network.eval()(torch.tensor(images.transpose(0, 3, 1, 2))).numpy()
    return outputs + arrays["logits/bias"] if reference.layout.without_bias else outputs
