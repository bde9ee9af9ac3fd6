"""`fuse`: the equivalent inference graph of a model."""

import keras

from keras_lightnets.errors import UserError
from keras_lightnets.export.fusing.building import Builder
from keras_lightnets.export.fusing.copying import float32_layers
from keras_lightnets.export.fusing.folding import fold
from keras_lightnets.export.fusing.reading import read_graph
from keras_lightnets.graph import functional, own_weights


def fuse(model: keras.Model) -> keras.Model:
    """Returns the inference graph of a model: equal outputs from fewer and faster operations.

    Batch normalisation, padding and channel shuffles vanish into the weights of convolutions. Factorised stems become
    one convolution, and the shift of Dynamic Shift-Max becomes one rotation of the channels. Dropout and augmentation
    are left out. The weights are folded in float64, so outputs agree to float32 rounding (2e-5 of the largest logit).

    A layer is fused only if its class is exactly one that is known. Any other layer is used as it is, with its state: a
    subclass of a Keras layer, a layer of your own, a `Lambda`. Such a layer is shared with `model`. All other weights
    are copies. A model of mixed precision becomes a float32 model.

    `to_tflite` converts the fused graph. Call `fuse` yourself to look at it.

    Args:
        model: `keras.Model`, channels last: functional, or `Sequential`, or subclassed and called before. It is not
            changed.

    Returns:
        A functional `keras.Model` with the inputs, outputs and name of `model`, for inference only.

    Raises:
        UserError: if the shape of the model's input is unknown, or a layer is quantised.

    Example:

    >>> model = keras_lightnets.MicroNetM0(weights=None, input_shape=(64, 64, 3), classes=10)
    >>> fused = keras_lightnets.export.fuse(model)
    >>> [layer.name for layer in fused.layers if layer.name.endswith("_bn")]  # batch normalisation is folded
    []
    """
    model = functional(model)
    check_unquantized(model)
    with float32_layers():
        graph = read_graph(model)
        fold(graph)
        fused = Builder(graph).model(model)
        # `keras.Model.export` takes models only that were called.
        fused(fused.input)
    return fused


def check_unquantized(model):
    """Raises a `UserError` for what `keras.Model.quantize` leaves."""
    for layer, _ in own_weights(model):
        if mode := getattr(layer, "quantization_mode", None):
            raise UserError(
                f"{model.name} is quantised already: its layer {layer.name} is {mode}. Start from the float model."
            )
