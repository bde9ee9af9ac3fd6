"""The features of a network at several resolutions, for detection and segmentation."""

import re
from collections.abc import Iterable

import keras

from keras_lightnets import graph
from keras_lightnets.applications.catalog import FAMILIES
from keras_lightnets.layers import AxialDepthwiseConv2D


@keras.saving.register_keras_serializable(package="keras_lightnets")
class FeaturePyramid(keras.Model):
    """Model of `feature_pyramid`: a functional model whose outputs are a dict from "P2" and so on to features."""

    @property
    def pyramid_outputs(self):
        """Dict from the name of a level to its symbolic tensor, as KerasHub's tasks ask of a backbone."""
        return dict(self.output)


def feature_pyramid(model: keras.Model, levels: Iterable[int] = (2, 3, 4, 5)) -> FeaturePyramid:
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
    chosen = tuple(levels) if isinstance(levels, list | tuple | range | set) else (levels,)
    missing = [level for level in chosen if level not in available]
    if missing or not chosen:
        raise ValueError(f"`levels` must be among {tuple(available)} for {model.name}. Received: levels={chosen}")
    return FeaturePyramid(
        model.input, {f"P{level}": available[level] for level in sorted(chosen)}, name=f"{model.name}_pyramid"
    )


def pyramid_levels(model, first=False):
    """Returns the features that end a block, the last ones at each stride.

    Args:
        model: a model from a builder of this package, as `feature_pyramid` takes it.
        first: bool, whether to return the first ones at each stride instead. Defaults to False.

    Returns:
        A dict from level to symbolic tensor. Level k has stride 2**k.

    Raises:
        ValueError: if `model` is not one of this package.
    """
    return _levels(model, _pyramid(model).ends, first)


def expansion_levels(model):
    """Returns the widest features, the last ones at each stride: where SSDLite reads stride 16.

    A block of the later MobileNets and ReXNets first expands its input: these features, after their activation, are
    what the depthwise convolution into the next stride reads. Blocks without an expansion give their outputs instead.

    Args:
        model: a model from a builder of this package, as `feature_pyramid` takes it.

    Returns:
        A dict from level to symbolic tensor. Level k has stride 2**k.

    Raises:
        ValueError: if `model` is not one of this package.

    Reference:
        Sandler et al., MobileNetV2, CVPR 2018, section 6.2. Howard et al., MobileNetV3, ICCV 2019, section 6.3.

    Example:

    >>> model = keras_lightnets.MobileNetV2(alpha=0.35, weights=None, include_top=False)
    >>> expansion_levels(model)[4].shape, pyramid_levels(model)[4].shape
    ((None, None, None, 192), (None, None, None, 32))
    """
    pyramid = _pyramid(model)
    return _levels(model, pyramid.expansions or pyramid.ends)


def _pyramid(model):
    """Returns the `Pyramid` of a model's family: a saved model does not know its builder, but has its layers' names."""
    names = {layer.name for layer in model.layers}
    for family in FAMILIES:
        if family.pyramid.mark in names:
            return family.pyramid
    raise ValueError(f"`model` must come from a builder of keras_lightnets. Received: model={model.name}")


def _levels(model, pattern, first=False):
    strides = strides_of(model)
    levels = {}
    for layer in model.layers:
        if re.fullmatch(pattern, layer.name):
            height, width = strides[layer.output]
            # Powers of two only: another one comes from the layers in front of the network's own.
            level = height.bit_length() - 1
            if height == width and height.bit_count() == 1 and not (first and level in levels):
                levels[level] = layer.output
    return levels


def strides_of(model):
    """Returns the dict from the tensors of a functional `model` to their stride along height and width."""
    strides = dict.fromkeys(model.inputs, (1, 1))
    for call in graph.calls(model):
        # Branches that meet have one stride. A squeeze-excite has lost its height and width, but keeps the stride here.
        height, width = (max(sides) for sides in zip(*(strides[source] for source in call.inputs), strict=True))
        own = _own_strides(call.operation)
        strides.update((output, (height * own[0], width * own[1])) for output in call.outputs)
    return strides


def _own_strides(operation):
    if isinstance(operation, AxialDepthwiseConv2D):
        return (operation.stride, 1) if operation.axis == "height" else (1, operation.stride)
    return getattr(operation, "strides", (1, 1))
