"""What cannot be exported, said before any work is done."""

import json

from keras_lightnets.errors import UserError
from keras_lightnets.export.detectors import classes_of
from keras_lightnets.export.fusing.fuse import check_unquantized
from keras_lightnets.export.precision import in_float32
from keras_lightnets.graph import functional, own_weights
from keras_lightnets.layers.quantized import FakeQuantize


def image_model(model):
    """Returns a model as a functional one in float32 with one image input, or says why it cannot be exported.

    Raises:
        UserError: if the model cannot be made functional, was quantised by Keras, is channels_first, has other inputs
            than one image, or gives bool.
    """
    model = functional(model)
    check_unquantized(model)
    for layer, _ in own_weights(model):
        if getattr(layer, "data_format", None) == "channels_first":
            raise UserError(
                f"The layer {layer.name} of {model.name} is channels_first, which phones and CPUs cannot compute. "
                "Build the model with data_format='channels_last'."
            )
    model = in_float32(model)
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise UserError(f"Export needs one image input; {model.name} has {shapes}.")
    if any(tensor.dtype == "bool" for tensor in model.outputs):
        raise UserError(f"{model.name} gives bool: export the scores, and compare them with the threshold afterwards.")
    return model


def check_size(model):
    """Raises a `UserError` for a model whose images have no known size."""
    shape = tuple(model.inputs[0].shape)
    if None in shape[1:]:
        raise UserError(
            f"TFLite export needs one image input of known size; {model.name} has {[shape]}: pass `input_shape` to its "
            "builder, or make inputs = keras.Input((height, width, channels)); keras.Model(inputs, model(inputs))."
        )


def check_target(path):
    """Raises a `UserError` for the path of a file that cannot be written, or has another ending than .tflite."""
    if path.suffix != ".tflite":
        raise UserError(f"{path} must end in .tflite.")
    if path.is_dir():
        raise UserError(f"Cannot write {path}: it is a folder. Choose another name.")
    if not path.parent.is_dir():
        raise UserError(f"Cannot write {path}: the folder {path.parent} does not exist. Create it first.")


def check_metadata(metadata, model):
    """Raises a `UserError` for metadata that are no JSON, or speak of another model."""
    try:
        json.dumps(metadata, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"`metadata` must be a dict of JSON values: {error}.") from None
    if not isinstance(metadata, dict):
        raise UserError(f"`metadata` must be a dict of JSON values. Received: {metadata!r:.60}")
    labels, classes = metadata.get("labels"), classes_of(model)
    # A single score has two classes, but for detectors.
    known = (classes, max(classes or 0, 2)) if len(model.outputs) == 1 else (classes,)
    if labels is not None and not _are_names(labels):
        raise UserError(f"`labels` in `metadata` must be a list of names. Received: {labels!r:.60}")
    if labels is not None and classes is not None and len(labels) not in known:
        raise UserError(f"`metadata` has {len(labels)} labels, and {model.name} {classes} outputs.")
    about = metadata.get("input", {})
    if not isinstance(about, dict):
        raise UserError(f"`input` in `metadata` must be a dict. Received: {about!r:.60}")
    size = about.get("size")
    if isinstance(size, int) and size not in model.inputs[0].shape[1:3]:
        raise UserError(f"`metadata` has images of {size} pixels, and {model.name} takes {model.inputs[0].shape[1:]}.")


def check_labelled(samples, labels):
    """Raises a `UserError` for labels without the images that they are of."""
    if samples is None and labels is not None:
        raise UserError("`labels` need `samples`, the images that they are of.")


def _are_names(labels):
    """Whether labels are names that a file can hold. A byte that is no text has a code that UTF-8 lacks."""
    names = isinstance(labels, list | tuple) and len(labels) > 0 and all(isinstance(label, str) for label in labels)
    return names and not any("\ud800" <= letter <= "\udfff" for label in labels for letter in label)


def check_ranges(model):
    """Raises a `UserError` for a quantisation-aware model that has seen no data."""
    unseen = [layer for layer, _ in own_weights(model) if isinstance(layer, FakeQuantize) and not layer.seen]
    if unseen:
        raise UserError(
            f"{model.name} has seen no data, {unseen[0].name} has no range yet: train it, or pass representative data "
            "to quantize_aware."
        )


def check_layers(names, known, model_name):
    """Raises a `UserError` for a name that is not `known` as the name of a layer of the fused graph of a model."""
    if unknown := sorted(set(names) - set(known)):
        raise UserError(
            f"{model_name} has no layer {unknown[0]!r} in its fused graph. Names: {', '.join(known[:6])}, ...; "
            "see export.fuse(model).layers."
        )
