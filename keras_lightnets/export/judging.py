"""A file that says something else than its model is not written, and the first layer that differs is named."""

import tempfile
from pathlib import Path

import keras
import numpy as np

from keras_lightnets.errors import UserError
from keras_lightnets.export.fusing import fuse
from keras_lightnets.export.interpreter import TFLiteModel, vouch_for
from keras_lightnets.export.verification import Reference
from keras_lightnets.graph import calls

# Share of the largest logit by which an inference graph or a float file may differ from the model. Rounding stays
# fifty times below it.
BOUND = 1e-3
# Where rounding alone moves the logits by more, nothing can be said about a file.
_MOST_ROUNDING = 1e-2
# Share of the detections that the file must have in common with the model. Where scores are equal but for rounding,
# suppression may keep another box.
_SHARED = 0.9
# Images that are enough to see a layer that computes something else.
_IMAGES = 16


def check_fused(reference, fused):
    """Raises a `UserError` if an inference graph says something else than the model of a `Reference`."""
    if not _agrees(reference, _outputs(fused, reference)):
        _check_rounding(reference)
        layer = _first_unlike_part(reference.model, reference.samples[:_IMAGES])
        raise _unlike(reference.model, layer, "its inference graph, made by `fuse`,")


def check_file(reference, outputs, fused=None, convert=None):
    """Raises a `UserError` if a float file says something else than the model of a `Reference`.

    Args:
        reference: `Reference`.
        outputs: list with the array of each output of the file.
        fused: the inference graph that a `.tflite` file was converted from. Defaults to None.
        convert: function from a functional model to the bytes of its `.tflite` file. Defaults to None.
    """
    if not _agrees(reference, outputs):
        _check_rounding(reference)
        layer = _first_unlike_in_file(fused, reference.samples[:_IMAGES], convert) if fused is not None else None
        raise _unlike(reference.model, layer, "the file")


def check_detections(reference, report):
    """Raises a `UserError` if a float file has other detections than the model of a `Reference`.

    Args:
        reference: `Reference`.
        report: the `Report` of the file.
    """
    if report.detections_agreement is not None and report.detections_agreement < _SHARED:
        raise UserError(
            f"Nothing was written: the file shares {report.detections_agreement:.0%} of its detections with "
            f"{reference.model.name}. Export it without `detections`, and use decode_detections."
        )


def _check_rounding(reference):
    rounding = reference.rounding()
    if rounding > _MOST_ROUNDING:
        raise UserError(
            f"Nothing was written: rounding alone moves the scores of {reference.model.name} by {rounding:.0%} on "
            "these samples, so no file can be verified by them. Pass `samples` of the images that it was trained on."
        )


def _unlike(model, layer, what):
    where = "" if layer is None else f"; the first layer that differs is {layer.name} ({type(layer).__name__})"
    return UserError(
        f"Nothing was written: {what} would say something else than {model.name}{where}. Use layers of Keras or of "
        "this package there."
    )


def _outputs(fused, reference):
    return keras.tree.flatten(fused.predict(reference.samples[:_IMAGES], verbose=0))


def _agrees(reference, outputs):
    """Whether outputs equal the outputs of the model, but for rounding."""
    difference = reference.difference(outputs)
    # Few networks react to rounding so strongly, so this is asked only where it matters.
    return difference <= BOUND or difference <= 2 * min(reference.rounding(), _MOST_ROUNDING)


def _first_unlike_part(model, samples):
    """Returns the first layer of a functional model that `fuse` makes another one of."""
    order = calls(model)

    def differs(call):
        part = keras.Model(model.inputs, call.outputs)
        reference = Reference(part, samples)
        return not _agrees(reference, _outputs(fuse(part), reference))

    low, high = -1, len(order) - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if differs(order[middle]) else (middle, high)
    call = order[high]
    while before := next((other for other in order if _feeds(other, call) and differs(other)), None):
        call = before
    if call.model is not None and len(call.inputs) == 1:
        inside = keras.Model(model.inputs, call.inputs[0]).predict(samples, verbose=0)
        reference = Reference(call.model, inside)
        if not _agrees(reference, _outputs(fuse(call.model), reference)):
            return _first_unlike_part(call.model, inside)
    return call.operation


def _feeds(call, other):
    return any(output is tensor for output in call.outputs for tensor in other.inputs)


def _first_unlike_in_file(fused, samples, convert):
    """Returns the first layer of an inference graph that its file computes otherwise, or None."""
    tensors = [(call.operation, tensor) for call in calls(fused) for tensor in call.outputs]
    every = keras.Model(fused.inputs, [tensor for _, tensor in tensors])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "every.tflite"
        path.write_bytes(convert(every))
        vouch_for(path)
        outputs = keras.tree.flatten(TFLiteModel(path).predict(samples))
    expected = keras.tree.flatten(every.predict(samples, verbose=0))
    for (layer, _), ours, theirs in zip(tensors, outputs, expected, strict=True):
        if not np.max(np.abs(ours - theirs)) <= BOUND * np.max(np.abs(theirs)):
            return layer
    return None
