"""Detectors as their files have them: box codes and scores, or whole detections."""

import inspect

import keras
import numpy as np
import tensorflow as tf

from keras_lightnets.detection import Anchors, decode_detections
from keras_lightnets.detection.boxes import decode
from keras_lightnets.errors import UserError
from keras_lightnets.graph import calls, operations

OUTPUTS = ("boxes", "classes", "scores", "count")


def anchors_of(model):
    """Returns the anchors `(anchors, 4)` of a functional detector, or None for any other model."""
    return next((layer.anchors for layer in operations(model) if isinstance(layer, Anchors)), None)


def classes_of(model):
    """Returns the number of scores of each image, pixel or anchor, or None for a model with several other outputs."""
    # The last output of a detector are the scores of its classes.
    known = len(model.outputs) == 1 or anchors_of(model) is not None
    return model.outputs[-1].shape[-1] if known else None


def deployed(model):
    """Returns what is exported of a functional model: a detector with probabilities, and any other model as it is.

    The file of a detector returns what MediaPipe and `decode_detections` take: box codes, `"boxes"`, and the
    probabilities of the classes, `"scores"`. The background is left out, so class 0 is the first label.
    """
    outputs = model.output
    if not isinstance(outputs, dict) or set(outputs) != {"boxes", "classes"} or anchors_of(model) is None:
        return model
    # With the background among them the probabilities add up to one, so it is left out behind the softmax.
    scores = keras.layers.Softmax(name="probabilities")(outputs["classes"])[..., 1:]
    return keras.Model(model.input, {"boxes": outputs["boxes"], "scores": scores}, name=model.name)


def suppression(detections, anchors, name):
    """Returns the arguments of `decode_detections` that `detections` of `to_tflite` stands for, or None.

    Args:
        detections: bool, or a dict of some of these arguments.
        anchors: the anchors of the model, or None.
        name: str, name of the model.

    Raises:
        UserError: if the model is no detector, or `decode_detections` has no such arguments.
    """
    if detections is False:
        return None
    if anchors is None:
        raise UserError(f"`detections` is for detectors such as SSDLite; {name} is none. Leave it out.")
    parameters = inspect.signature(decode_detections).parameters.values()
    known = {each.name: each.default for each in parameters if each.default is not each.empty}
    given = {} if detections is True else detections
    if not isinstance(given, dict) or not set(given) <= set(known):
        raise UserError(
            f"`detections` must be True, or a dict of {', '.join(known)}. Received: detections={detections!r}"
        )
    options = known | given
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in options.values()) or not (
        0 <= options["score"] < 1 and 0 < options["iou"] <= 1 and options["most"] >= 1 and options["most"] % 1 == 0
    ):
        raise UserError(
            "`detections` needs 0 <= score < 1, 0 < iou <= 1 and a whole number most >= 1. "
            f"Received: detections={detections!r}"
        )
    return options


def with_detections(model, anchors, options):
    """Returns a functional model of box codes and scores with `decode_detections` behind it.

    Args:
        model: functional `keras.Model` with the outputs `"boxes"` and `"scores"`.
        anchors: float array `(anchors, 4)`.
        options: dict of the arguments of `decode_detections`.

    Returns:
        A functional model with the float32 outputs `"boxes"` `(batch, most, 4)`, `"classes"` `(batch, most)`,
        `"scores"` `(batch, most)` and `"count"` `(batch,)`.
    """
    layer = Detections(anchors, **options, name="detections")
    return keras.Model(model.input, layer(model.output["boxes"], model.output["scores"]), name=model.name)


def tail_of(model):
    """Returns the names of the operations that a model of `with_detections` has behind its codes and logits."""
    givers = {id(tensor): call for call in calls(model) for tensor in call.outputs}
    call = givers[id(model.outputs[0])]
    names, tensor = [call.operation.name], call.inputs[1]
    while not isinstance(call.operation, keras.layers.Softmax):
        call = givers[id(tensor)]
        names.append(call.operation.name)
        tensor = call.inputs[0]
    return names


class Detections(keras.layers.Layer):
    """`decode_detections` by operators that TFLite has built in, and that work without Flex.

    Args:
        anchors: float array `(anchors, 4)`.
        score: as in `decode_detections`.
        iou: as in `decode_detections`.
        most: as in `decode_detections`.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, anchors, score, iou, most, **kwargs):
        super().__init__(**kwargs)
        self._anchors, self._score, self._iou, self._most = anchors, score, iou, int(most)

    def call(self, codes, scores):
        """Returns a dict of detections, highest score first, for codes and scores of a batch."""
        boxes = tf.clip_by_value(decode(codes, self._anchors), 0.0, 1.0)
        if scores.shape[0] == 1:
            # A loop over the images would be a loop in the file.
            return {name: part[None] for name, part in self._suppressed((boxes[0], scores[0])).items()}
        return tf.map_fn(self._suppressed, (boxes, scores), fn_output_signature=dict.fromkeys(OUTPUTS, tf.float32))

    def _suppressed(self, image):
        boxes, scores = image
        best, anchors = tf.math.top_k(tf.transpose(scores), min(self._most, scores.shape[0]))
        classes = np.repeat(np.arange(best.shape[0], dtype="float32"), best.shape[1])
        boxes, scores = tf.gather(boxes, tf.reshape(anchors, [-1])), tf.reshape(best, [-1])
        # One suppression does for all classes: the boxes of each class are moved apart from the others.
        # Other forms of it are a loop in TFLite, or lose the count.
        kept, count = tf.raw_ops.NonMaxSuppressionV4(
            boxes=boxes + classes[:, None],
            scores=scores,
            max_output_size=self._most,
            iou_threshold=self._iou,
            score_threshold=self._score,
            pad_to_max_output_size=True,
        )
        real = tf.cast(tf.range(self._most) < count, "float32")
        return {
            "boxes": tf.gather(boxes, kept) * real[:, None],
            # -1 behind the last.
            "classes": (tf.gather(classes, kept) + 1.0) * real - 1.0,
            "scores": tf.gather(scores, kept) * real,
            "count": tf.cast(count, "float32"),
        }

    def compute_output_spec(self, codes, scores):
        """Returns the shapes of the outputs."""
        shapes = {"boxes": (self._most, 4), "classes": (self._most,), "scores": (self._most,), "count": ()}
        return {name: keras.KerasTensor((codes.shape[0], *shape)) for name, shape in shapes.items()}
