"""How far two sets of detections agree, and how good detections and masks are."""

import keras
import numpy as np

from keras_lightnets.detection import COCOMeanAP, decode_detections
from keras_lightnets.detection.boxes import overlaps
from keras_lightnets.export.heads import IGNORED

# Boxes that overlap this much are the same.
_SAME = 0.95
# From this score on, detections count for average precision.
_LEAST_SCORE = 0.001


def detections_of(outputs, anchors, options=None):
    """Returns what the outputs of a detector's file say, as `decode_detections` returns it.

    Args:
        outputs: list of arrays: box codes and scores, or boxes, classes, count and scores.
        anchors: float array `(anchors, 4)`.
        options: dict of the arguments of `decode_detections` for box codes. Defaults to None: its own.
    """
    if len(outputs) == 2:
        codes, scores = outputs
        return decode_detections({"boxes": codes, "scores": scores}, anchors, **(options or {}))
    boxes, classes, count, scores = outputs
    return {"boxes": boxes, "labels": classes.astype(int), "scores": scores, "count": count.astype(int)}


def agreement(found, expected):
    """Compares the detections of some images with the expected ones.

    Two detections are the same if they have one class and their boxes an intersection over union of at least 0.95.

    Args:
        found: dict as `decode_detections` returns it.
        expected: the same.

    Returns:
        The share of the detections of both sides that the other side has too, and the largest difference of their
        scores. Both are None if there are no detections.
    """
    same, differences = 0, [0.0]
    for image in range(len(expected["count"])):
        ours, theirs = (
            {name: side[name][image, : side["count"][image]] for name in ("boxes", "labels", "scores")}
            for side in (found, expected)
        )
        overlap = overlaps(ours["boxes"], theirs["boxes"]) * (ours["labels"][:, None] == theirs["labels"])
        while overlap.size and overlap.max() >= _SAME:
            one, other = np.unravel_index(overlap.argmax(), overlap.shape)
            differences.append(abs(ours["scores"][one] - theirs["scores"][other]))
            overlap[one], overlap[:, other] = 0.0, 0.0
            same += 2
    every = found["count"].sum() + expected["count"].sum()
    return (float(same / every), float(max(differences))) if every else (None, None)


def average_precision(outputs, anchors, objects, classes):
    """Returns COCO's AP of the outputs of a detector's file.

    Args:
        outputs: as in `detections_of`.
        anchors: as in `detections_of`.
        objects: dict of `"boxes"` and `"labels"`, as `COCOMeanAP` takes it.
        classes: int, number of classes.
    """
    metric = COCOMeanAP(classes)
    metric.update_state(objects, detections_of(outputs, anchors, {"score": _LEAST_SCORE}))
    return metric.result()


def mean_iou(found, masks, classes):
    """Returns the mean intersection over union of masks of class numbers.

    Args:
        found: int array `(n, height, width)`.
        masks: int array `(n, height, width)`, the right ones. Pixels of `IGNORED` do not count.
        classes: int, number of classes.
    """
    metric = keras.metrics.MeanIoU(classes, ignore_class=IGNORED)
    metric.update_state(masks, found)
    return float(metric.result())
