"""The features of a network at several resolutions, for detection and segmentation."""

import re

import keras

from keras_lightnets.applications import (
    micronet,
    mobilenet,
    mobilenet_v2,
    mobilenet_v3,
    rexnet,
    shufflenet,
    shufflenet_v2,
)
from keras_lightnets.layers import AxialDepthwiseConv2D

_MODULES = (micronet, mobilenet, mobilenet_v2, mobilenet_v3, rexnet, shufflenet, shufflenet_v2)


@keras.saving.register_keras_serializable(package="keras_lightnets")
class FeaturePyramid(keras.Model):
    """Model of `feature_pyramid`: a functional model whose outputs are a dict from "P2" and so on to features."""

    @property
    def pyramid_outputs(self):
        """Dict from the name of a level to its symbolic tensor, as KerasHub's tasks ask of a backbone."""
        return dict(self.output)


def feature_pyramid(model, levels=(2, 3, 4, 5)):
    """Cuts a network into a model that returns its features at several strides.

    The features of level k are the output of the last block with stride 2**k, counted from the input of `model`. Layers
    and weights are shared with `model`. The result serves KerasHub's tasks as image encoder: it has `pyramid_outputs`.

    Args:
        model: a model from a builder of this package, with or without top, of any input size, renamed, loaded or built
            upon another tensor.
        levels: ints, in any order. Defaults to `(2, 3, 4, 5)`.

    Returns:
        A `keras.Model` whose outputs are a dict: `"P2"` of shape `(batch, height / 4, width / 4, channels)`, and so on.
        Sizes that 2**k does not divide are rounded as the network rounds them, upwards but in MobileNet (V1).

    Raises:
        ValueError: if `model` is not one of this package, or has no block with the stride of a level.

    Example:

    >>> model = keras_lightnets.MicroNetM0(weights=None, include_top=False, input_shape=(64, 64, 3))
    >>> {name: features.shape for name, features in keras_lightnets.feature_pyramid(model, (3, 5)).output.items()}
    {'P3': (None, 8, 8, 12), 'P5': (None, 2, 2, 384)}
    """
    available = pyramid_levels(model)
    levels = tuple(levels) if isinstance(levels, list | tuple | range | set) else (levels,)
    missing = [level for level in levels if level not in available]
    if missing or not levels:
        raise ValueError(f"`levels` must be among {tuple(available)} for {model.name}. Received: levels={levels}")
    return FeaturePyramid(
        model.input, {f"P{level}": available[level] for level in sorted(levels)}, name=f"{model.name}_pyramid"
    )


def pyramid_levels(model):
    """Returns the dict from the levels that `model` offers to their features, symbolic tensors.

    Raises:
        ValueError: if `model` is not one of this package.
    """
    # A saved model does not know its builder, but its layers have the builder's names.
    ends = max(
        ([layer for layer in model.layers if re.fullmatch(module.BLOCK_OUTPUTS, layer.name)] for module in _MODULES),
        key=len,
    )
    if not ends:
        raise ValueError(f"`model` must come from a builder of keras_lightnets. Received: model={model.name}")
    strides = _strides(model)
    levels = {}
    for layer in ends:
        height, width = strides[layer.output]
        # Powers of two only: another one comes from the layers in front of the network's own.
        if height == width and height.bit_count() == 1:
            levels[height.bit_length() - 1] = layer.output
    return levels


def _strides(model):
    """Returns the dict from the tensors of `model` to their stride along height and width."""
    strides = {tensor: (1, 1) for tensor in model.inputs}
    # Sums and products written with operators are operations, too, but not layers.
    for operation in model.operations:
        if isinstance(operation, keras.layers.InputLayer):
            continue
        sources = keras.tree.flatten(operation.input)
        # Branches that meet have one stride; a squeeze-excite has lost its height and width, but keeps the stride here.
        height, width = (max(sides) for sides in zip(*(strides[source] for source in sources), strict=True))
        own = _own_strides(operation)
        for output in keras.tree.flatten(operation.output):
            strides[output] = (height * own[0], width * own[1])
    return strides


def _own_strides(operation):
    if isinstance(operation, AxialDepthwiseConv2D):
        return (operation.stride, 1) if operation.axis == "height" else (1, operation.stride)
    return getattr(operation, "strides", (1, 1))
