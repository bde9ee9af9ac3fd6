"""COCO's average precision of detections."""

from typing import NamedTuple

import keras
import numpy as np

from keras_lightnets.detection.boxes import overlaps
from keras_lightnets.errors import UserError

_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0.0, 1.0, 101)
# Of one class in one image.
_MOST = 100
# In square pixels.
_AREAS = {"AP": (0, np.inf), "AP_small": (0, 32**2), "AP_medium": (32**2, 96**2), "AP_large": (96**2, np.inf)}


class _Found(NamedTuple):
    """The detections of one class in one image.

    Attributes:
        scores: `(detections,)`.
        right: bool array `(thresholds, detections)`: has the object that nobody found with a higher score.
        wrong: bool array `(thresholds, detections)`: has none. What is neither does not count.
        objects: number of objects to be found.
    """

    scores: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    objects: int


class COCOMeanAP(keras.metrics.Metric):
    """Mean average precision as COCO defines it, equal to the result of pycocotools.

    Precision is averaged over 101 recalls, then over the thresholds 0.50, 0.55 to 0.95 of intersection over union, then
    over the classes that have objects. At most 100 detections of a class count in an image. The metric works on arrays,
    after `decode_detections`. A low `score` there, such as 0.001, is part of the definition.

    Args:
        classes: int, number of classes.
        name: str. Defaults to "AP".

    Reference:
        Lin et al., Microsoft COCO: Common Objects in Context, ECCV 2014, and github.com/cocodataset/cocoapi.

    Example:

    >>> metric = keras_lightnets.COCOMeanAP(classes=1)
    >>> there = {"boxes": np.array([[[0.1, 0.1, 0.5, 0.5]]]), "labels": np.array([[0]])}
    >>> found = {**there, "scores": np.array([[0.9]])}
    >>> metric.update_state(there, found)
    >>> metric.result()
    1.0
    """

    def __init__(self, classes: int, name: str = "AP"):
        super().__init__(name=name)
        self.classes = classes
        self.reset_state()

    def reset_state(self) -> None:
        """Forgets all images."""
        self._found: dict = {}
        self._sized = True

    def update_state(self, y_true: dict, detections: dict) -> None:
        """Adds a batch of images.

        Args:
            y_true: dict of `"boxes"`, float `(batch, objects, 4)`, "rel_yxyx", and `"labels"`, int
                `(batch, objects)`, negative for padding. May also have `"crowd"`, bool `(batch, objects)`: objects that
                count neither as found nor as missed. `"sizes"`, `(batch, 2)`, are height and width of the images in
                pixels, for the figures by size. `"areas"`, `(batch, objects)`, in square pixels, replace the areas of
                the boxes there.
            detections: dict of `"boxes"`, `"labels"` and `"scores"`, as `decode_detections` returns.

        Raises:
            UserError: if a label is not below `classes`.
        """
        y_true, detections = ({name: np.asarray(part) for name, part in side.items()} for side in (y_true, detections))
        for side in (y_true, detections):
            if side["labels"].size and side["labels"].max() >= self.classes:
                raise UserError(
                    f"Labels must be below the number of classes. Received: label {side['labels'].max()}, "
                    f"classes={self.classes}"
                )
        self._sized &= "sizes" in y_true
        y_true.setdefault("crowd", np.zeros(y_true["labels"].shape, bool))
        y_true.setdefault("sizes", np.ones((len(y_true["labels"]), 2)))
        if "areas" not in y_true:
            y_true["areas"] = _areas(y_true["boxes"], y_true["sizes"])
        detections["areas"] = _areas(detections["boxes"], y_true["sizes"])
        for image in range(len(y_true["labels"])):
            self._add({k: v[image] for k, v in y_true.items()}, {k: v[image] for k, v in detections.items()})

    def _add(self, objects, detections):
        for label in filter(lambda label: label >= 0, {*objects["labels"].tolist(), *detections["labels"].tolist()}):
            real, found = objects["labels"] == label, detections["labels"] == label
            crowd, areas = objects["crowd"][real].astype(bool), objects["areas"][real]
            order = np.argsort(-detections["scores"][found], kind="stable")[:_MOST]
            scores, found_areas = (detections[name][found][order] for name in ("scores", "areas"))
            overlap = overlaps(detections["boxes"][found][order], objects["boxes"][real], crowd)
            for name, (least, most) in _AREAS.items():
                ignored = crowd | (areas < least) | (areas > most)
                chosen = _assign(overlap, ignored, crowd)
                unimportant = np.append(ignored, False)[chosen]
                # A detection of another size that finds nothing is no mistake, either.
                unimportant |= (chosen < 0) & ((found_areas < least) | (found_areas > most))
                right, wrong = (chosen >= 0) & ~unimportant, (chosen < 0) & ~unimportant
                image = _Found(scores, right, wrong, int(np.sum(~ignored)))
                self._found.setdefault((name, label), []).append(image)

    def result(self) -> float:
        """Returns AP between 0 and 1. NaN if there are no objects."""
        return self.summary()["AP"]

    def summary(self) -> dict:
        """Returns every figure, between 0 and 1, and NaN where there are no objects.

        Returns:
            Dict of the floats `"AP"`, `"AP50"` and `"AP75"`, and of `"per_class"`, a list of AP. If every batch had
            `"sizes"`, also `"AP_small"`, `"AP_medium"` and `"AP_large"`: objects below 32x32, up to 96x96 pixels, and
            above.
        """
        precisions = self.precisions()
        sizes = [name for name in _AREAS if name != "AP"] if self._sized else []
        return {
            **{"AP": _mean(precisions), "AP50": _mean(precisions[:, 0]), "AP75": _mean(precisions[:, 5])},
            **{name: _mean(self._precisions(name)) for name in sizes},
            "per_class": [_mean(curve) for curve in precisions],
        }

    def precisions(self) -> np.ndarray:
        """Returns the precision of every class, at every threshold and recall: what AP is the mean of.

        Returns:
            Float array `(classes, 10, 101)` for intersections over union of 0.5, 0.55 to 0.95 and recalls of 0, 0.01 to
            1. NaN where a class has no objects.
        """
        return self._precisions("AP")

    def _precisions(self, name):
        return np.stack([_precisions(self._found.get((name, label), [])) for label in range(self.classes)])

    def get_config(self) -> dict:
        """Returns the arguments."""
        return {"classes": self.classes, "name": self.name}


def _areas(boxes, sizes):
    return (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1) * sizes.prod(axis=-1)[:, None]


def _assign(overlap, ignored, crowd):
    """Gives the detections of one class in one image, best first, the objects that they overlap most.

    Args:
        overlap: `(detections, objects)`.
        ignored: bool array `(objects,)`: those that count neither way. Any other one comes first.
        crowd: bool array `(objects,)`: those that any number of detections may have.

    Returns:
        Int array `(thresholds, detections)` of objects, -1 for none.
    """
    chosen = np.full((len(_THRESHOLDS), len(overlap)), -1)
    if not overlap.size:
        return chosen
    free = np.ones((len(_THRESHOLDS), overlap.shape[1]), bool)
    for detection, row in enumerate(overlap):
        value = np.where(free & (row >= _THRESHOLDS[:, None]), row + 2.0 * ~ignored, -1.0)
        # Of equals the last, as pycocotools does.
        best = value.shape[1] - 1 - np.argmax(value[:, ::-1], axis=1)
        thresholds = np.flatnonzero(value.max(axis=1) >= 0)
        chosen[thresholds, detection] = best[thresholds]
        free[thresholds, best[thresholds]] = crowd[best[thresholds]]
    return chosen


def _precisions(images):
    """Returns the precision of one class by threshold and recall, `(10, 101)`. NaN if it has no objects."""
    objects = sum(image.objects for image in images)
    if not objects:
        return np.full((len(_THRESHOLDS), len(_RECALLS)), np.nan)
    order = np.argsort(-np.concatenate([image.scores for image in images]), kind="stable")
    right = np.concatenate([image.right for image in images], axis=1)[:, order].cumsum(axis=1)
    wrong = np.concatenate([image.wrong for image in images], axis=1)[:, order].cumsum(axis=1)
    precision = right / np.maximum(right + wrong, 1)
    # The best precision at any higher recall, and none at recalls that were not reached.
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    precision = np.pad(precision, ((0, 0), (0, 1)))
    return np.stack([row[np.searchsorted(r / objects, _RECALLS)] for row, r in zip(precision, right, strict=True)])


def _mean(precisions):
    return float(np.nanmean(precisions)) if not np.isnan(precisions).all() else float("nan")
