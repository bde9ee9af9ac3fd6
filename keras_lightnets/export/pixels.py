"""Files that take raw pixels: how a model wants its pixels, and that normalisation as a part of the model."""

import keras

from keras_lightnets.applications.catalog import FAMILIES
from keras_lightnets.applications.pyramid import pyramid_levels
from keras_lightnets.errors import UserError
from keras_lightnets.export.metadata import preprocessing_in
from keras_lightnets.graph import IDENTITIES, calls
from keras_lightnets.layers.quantized import FakeQuantize, QuantizedWeights, is_quantize_aware
from keras_lightnets.preprocessing import RAW

AUTO = "auto"
# Networks of others share single names with ours, but not blocks down to this stride.
_LEVEL = 4
# Layers that a network may have in front of its first layer with weights.
_PASSED = {keras.layers.ZeroPadding2D, keras.layers.Rescaling, FakeQuantize}


def find_preprocessing(model, preprocessing=AUTO):
    """Returns how a model wants its pixels, which its files then do inside.

    Args:
        model: functional `keras.Model` with one image input.
        preprocessing: as in `to_tflite`. Defaults to "auto".

    Returns:
        A `Preprocessing`, or None if the files take images as the model does.

    Raises:
        UserError: if `preprocessing` is none, or the model has another number of channels.
    """
    if preprocessing is None:
        return None
    is_rgb = model.inputs[0].shape[-1] == 3
    if preprocessing == AUTO:
        return _of_family(model) if is_rgb else None
    if not is_rgb:
        raise UserError(
            f"`preprocessing` is for RGB images; {model.name} takes {model.inputs[0].shape[1:]}: pass None."
        )
    try:
        mean, std = preprocessing
    except (TypeError, ValueError):
        raise UserError(
            f"`preprocessing` must be 'auto', None or a `Preprocessing`. Received: {preprocessing!r:.60}"
        ) from None
    return preprocessing_in({"mean": mean, "std": std}, lambda reason: UserError(f"`preprocessing`: {reason}."))


def recorded(metadata):
    """Returns the `Preprocessing` that the metadata of a file name, or None. Damage is a UserError."""
    about = metadata.get("input") if isinstance(metadata, dict) else None
    if not isinstance(about, dict) or not {"mean", "std"} & set(about):
        return None
    return preprocessing_in(about, lambda reason: UserError(f"`metadata` has a damaged input: {reason}."))


def _of_family(model):
    """The preprocessing of the family whose network sees the images of a model as they come, or None."""
    network, scaled = _network(model)
    if network is None:
        return None
    names = {layer.name for layer in network.layers}
    for family in FAMILIES:
        # MobileNetV3 scales inside, unless its builder was told not to.
        if family.pyramid.mark in names and scaled == (family.preprocessing == RAW):
            return family.preprocessing if _LEVEL in pyramid_levels(network) else None
    return None


def _network(model):
    """Returns the innermost model whose first layer with weights sees the images, and whether they are rescaled."""
    scaled = False
    for operation, network in _placed(model):
        kind = type(operation)
        if kind not in IDENTITIES | _PASSED:
            return (network if getattr(operation, "weights", ()) else None), scaled
        scaled = scaled or kind is keras.layers.Rescaling
    return None, scaled


def _placed(model):
    """Yields the operations of a model, and of the models inside it, each with the model that it is in."""
    for call in calls(model):
        if call.model is not None:
            yield from _placed(call.model)
        else:
            yield call.operation, model


def with_pixels(model, preprocessing):
    """Returns a functional model that takes raw pixels, RGB in 0-255, and normalises them for another one."""
    (image,) = model.inputs
    inputs = keras.Input(batch_shape=image.shape, dtype=image.dtype, name=image.name)
    if is_quantize_aware(model):
        x = FakeQuantize((0.0, 255.0), name="pixels_range")(inputs)
        layer = keras.layers.DepthwiseConv2D(1, name="pixels")
        x = QuantizedWeights(layer, name="pixels")(x)
        mean, std = (keras.ops.array(values) for values in preprocessing)
        layer.set_weights([(1 / std)[None, None, :, None], -mean / std])
    else:
        variance = [value**2 for value in preprocessing.std]
        x = keras.layers.Normalization(mean=preprocessing.mean, variance=variance, name="pixels")(inputs)
    pack = keras.tree.pack_sequence_as
    return keras.Model(pack(model.input, [inputs]), model(pack(model.input, [x])), name=model.name)
