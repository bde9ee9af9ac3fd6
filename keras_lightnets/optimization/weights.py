"""Which weights are pruned and clustered, and how many of them are zero."""

import keras
import numpy as np

from keras_lightnets.layers import AxialDepthwiseConv2D


def prunable(operation):
    """Returns the paths of the kernels of a layer or model that are worth pruning and clustering.

    Those of depthwise convolutions are not: they are few, and every output hangs on a handful of them.
    """
    layers = operation._flatten_layers() if isinstance(operation, keras.layers.Layer) else ()
    depthwise = (keras.layers.DepthwiseConv2D, AxialDepthwiseConv2D)
    return {
        variable.path
        for layer in layers
        if not isinstance(layer, depthwise)
        for variable in layer._trainable_variables
        if len(variable.shape) > 1
    }


def sparsity(model):
    """Returns the share of zeros among the weights of a model that pruning counts."""
    chosen = prunable(model)
    kernels = [keras.ops.convert_to_numpy(v) for v in model.variables if v.path in chosen]
    count = sum(kernel.size for kernel in kernels)
    return sum(int(np.sum(kernel == 0)) for kernel in kernels) / count if count else 0.0
