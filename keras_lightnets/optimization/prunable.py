"""Which weights are pruned and clustered, and how many of them are zero."""

import math

import keras
import numpy as np

from keras_lightnets.graph import own_weights
from keras_lightnets.layers import AxialDepthwiseConv2D


def prunable(operation):
    """Returns the paths of the kernels of a layer or model that are worth pruning and clustering.

    Depthwise kernels are not: their weights are few, and every output depends on a handful of them.
    """
    depthwise = (keras.layers.DepthwiseConv2D, AxialDepthwiseConv2D)
    return {
        variable.path
        for layer, weights in own_weights(operation)
        if not isinstance(layer, depthwise)
        for variable in weights
        if len(variable.shape) > 1
    }


def pruning_shares(model, sparsity):
    """Distributes a share of zeros over the layers of a model: large kernels lose most, the smallest nothing.

    A layer keeps weights in proportion to the number of its inputs and outputs, as in an Erdos-Renyi graph, and at most
    all of them. The same share for all would cost much of the accuracy in the first layers, and save little there.

    Args:
        model: functional `keras.Model`.
        sparsity: float in (0, 1), share of all weights that `prunable` chooses.

    Returns:
        Dict from the name of each layer with such weights to its share of zeros.

    Reference:
        Mocanu et al., Scalable training of artificial neural networks with adaptive sparse connectivity, 2018. Evci et
        al., Rigging the Lottery, ICML 2020.
    """
    sizes, ends = {}, {}
    for layer in model.layers:
        chosen = prunable(layer)
        shapes = [variable.shape for variable in layer.variables if variable.path in chosen]
        if shapes:
            sizes[layer.name] = sum(math.prod(shape) for shape in shapes)
            ends[layer.name] = sum(math.prod(shape[:-1]) + shape[-1] for shape in shapes)
    left, shares = (1 - sparsity) * sum(sizes.values()), {}
    # Those that may keep all come first, and leave the more to the others.
    names = sorted(sizes, key=lambda name: sizes[name] / ends[name])
    for position, name in enumerate(names):
        kept = min(sizes[name], left * ends[name] / sum(ends[other] for other in names[position:]))
        shares[name] = 1 - kept / sizes[name]
        left -= kept
    return shares


def sparsity(model: keras.Model) -> float:
    """Returns the share of zeros among the weights of a model that pruning counts.

    Pruning counts all kernels except depthwise ones.

    Args:
        model: functional `keras.Model`.

    Returns:
        A float in [0, 1].

    Example:

    >>> model = keras_lightnets.MicroNetM0(weights="cifar10", input_shape=(48, 48, 3))
    >>> round(keras_lightnets.optimization.sparsity(model), 3)
    0.0
    """
    chosen = prunable(model)
    kernels = [keras.ops.convert_to_numpy(v) for v in model.variables if v.path in chosen]
    count = sum(kernel.size for kernel in kernels)
    return sum(int(np.sum(kernel == 0)) for kernel in kernels) / count if count else 0.0
