"""From the outputs of a detector to boxes: decoding, and non-maximum suppression."""

import keras
import numpy as np
from keras import ops

from keras_lightnets.detection.boxes import decode, overlaps
from keras_lightnets.errors import UserError


def decode_detections(
    outputs: dict, anchors: np.ndarray, score: float = 0.3, iou: float = 0.55, most: int = 100
) -> dict:
    """Turns the outputs of a detector into boxes, each object once.

    Of the boxes of one class that overlap by more than `iou` only the one with the highest score stays (non-maximum
    suppression, class by class). It is plain NumPy: the same on every backend, and for what a `.tflite` file returns.

    Args:
        outputs: dict of `"boxes"`, box codes `(batch, anchors, 4)`, and either `"classes"`, logits
            `(batch, anchors, classes + 1)` with the background first, or `"scores"`, probabilities
            `(batch, anchors, classes)` without it.
        anchors: float array `(anchors, 4)`: `Detector.anchors`.
        score: boxes with a higher probability count. Defaults to 0.3. Average precision needs about 0.001.
        iou: intersection over union from which on two boxes show the same object. Defaults to 0.55.
        most: int, how many boxes to return of one image. As many are considered of each class. Defaults to 100.

    Returns:
        A dict of arrays, highest score first: `"boxes"` `(batch, most, 4)`, "rel_yxyx" and inside the image, `"labels"`
        `(batch, most)`, `"scores"` `(batch, most)`, and `"count"` `(batch,)`, the number of boxes. Behind them follow
        boxes of zeros with label -1 and score 0.

    Raises:
        UserError: if outputs are missing, or belong to other anchors.

    Example:

    >>> backbone = keras_lightnets.MicroNetM0(weights=None, include_top=False, input_shape=(64, 64, 3))
    >>> detector = keras_lightnets.SSDLite(backbone, classes=2)
    >>> outputs = detector.predict(np.zeros((1, 64, 64, 3)), verbose=0)
    >>> keras_lightnets.decode_detections(outputs, detector.anchors, most=5)["boxes"].shape
    (1, 5, 4)
    """
    shapes = {name: tuple(output.shape) for name, output in outputs.items()}
    if shapes.get("boxes", ())[1:] != np.shape(anchors) or not {"classes", "scores"} & set(shapes):
        raise UserError(
            f"`outputs` must have 'boxes', the codes of {len(anchors)} anchors, and 'classes' or 'scores'. Pass the "
            f"outputs and the anchors of one detector. Received: outputs of {shapes}"
        )
    boxes = np.clip(ops.convert_to_numpy(decode(outputs["boxes"], anchors)), 0.0, 1.0)
    scores = outputs["scores"] if "scores" in outputs else keras.activations.softmax(outputs["classes"])[..., 1:]
    found = [_suppressed(*image, score, iou, most) for image in zip(boxes, ops.convert_to_numpy(scores), strict=True)]
    return {
        "boxes": np.stack([_padded(boxes, most, 0.0) for boxes, _, _ in found]),
        "labels": np.stack([_padded(labels, most, -1) for _, labels, _ in found]),
        "scores": np.stack([_padded(scores, most, 0.0) for _, _, scores in found]),
        "count": np.array([len(labels) for _, labels, _ in found]),
    }


def _suppressed(boxes, scores, score, iou, most):
    """Returns the boxes, labels and scores of one image."""
    least = np.sort(scores, axis=0)[-most:][0]
    anchors, labels = np.nonzero((scores > score) & (scores >= least))
    boxes, scores = boxes[anchors], scores[anchors, labels]
    left, kept = np.argsort(-scores, kind="stable"), []
    while len(left) and len(kept) < most:
        first, left = left[0], left[1:]
        kept.append(first)
        rivals = np.flatnonzero(labels[left] == labels[first])
        same = overlaps(boxes[[first]], boxes[left[rivals]])[0] > iou
        left = np.delete(left, rivals[same])
    kept = np.array(kept, int)
    return boxes[kept], labels[kept], scores[kept]


def _padded(array, length, value):
    ends = ((0, length - len(array)), *((0, 0),) * (array.ndim - 1))
    return np.pad(array, ends, constant_values=value)
