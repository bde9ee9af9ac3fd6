"""`fuse`: the equivalent inference graph of a model."""

from keras_lightnets.export.fusing.building import Builder
from keras_lightnets.export.fusing.folding import fold
from keras_lightnets.export.fusing.graph import read_graph
from keras_lightnets.graph import functional


def fuse(model):
    """Returns the inference graph of a model: equal outputs from fewer and faster operations.

    Batch normalisation, padding and channel shuffles vanish into the weights of convolutions, factorised stems become
    one convolution, and the shift of Dynamic Shift-Max one rotation of the channels. The weights are copies, folded in
    float64, so outputs agree to float32 rounding (2e-5 of the largest logit). Layers it does not know stay as they
    are. `to_tflite` converts the fused graph; call it yourself to look at it.

    Args:
        model: `keras.Model`, channels last: functional, or `Sequential`, or subclassed and called before. It is not
            changed.

    Returns:
        A functional `keras.Model` with the inputs, outputs and name of `model`, for inference only.

    Raises:
        UserError: if the shape of the model's input is unknown.

    Example:

    >>> model = keras_lightnets.MicroNetM0(weights=None, input_shape=(64, 64, 3), classes=10)
    >>> fused = keras_lightnets.export.fuse(model)
    >>> len(fused.layers) < len(model.layers)
    True
    """
    model = functional(model)
    graph = read_graph(model)
    fold(graph)
    fused = Builder(graph).model(model)
    # `keras.Model.export` takes models only that were called.
    fused(fused.input)
    return fused
