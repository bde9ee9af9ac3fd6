"""How good a detector is: average precision, class by class and by size, and the images where it errs most."""

import numpy as np
import tensorflow as tf

from keras_lightnets.data.annotations import evaluation_batches, targets
from keras_lightnets.detection import COCOMeanAP
from keras_lightnets.detection.boxes import overlaps
from keras_lightnets.evaluation.drawing import draw_precision_recall
from keras_lightnets.evaluation.overlays import sheet, with_boxes
from keras_lightnets.evaluation.worst import MOST, shown

# From this score on, detections count for average precision, and from that one on they are shown.
LEAST_SCORE, _SHOWN_SCORE = 0.001, 0.3
_SAME = 0.5


def measure(detect, source, classes, evaluation):
    """Measures a detector on every image of a `Source`.

    Args:
        detect: function from a batch of images to a dict as `decode_detections` returns it, with scores down to
            `LEAST_SCORE`.
        source: `Source` of images with boxes.
        classes: names of the classes.
        evaluation: `Evaluation`.

    Returns:
        A `COCOMeanAP`, and a list with a pair for each image. The first of the pair is the number of objects missed and
        of wrong detections above a score of 0.3, the second the detections.

    Raises:
        UserError: names an image that cannot be read.
    """
    metric, images, truth = COCOMeanAP(len(classes)), [], targets(source)
    try:
        for batch, _ in evaluation_batches(source, "detect", evaluation).as_numpy_iterator():
            found = detect(batch)
            # The last batch is filled up.
            for position, objects in zip(range(len(batch)), truth, strict=False):
                own = {name: found[name][position] for name in ("boxes", "labels", "scores")}
                metric.update_state(_as_coco(objects), {name: part[None] for name, part in own.items()})
                own = {name: part[own["scores"] >= _SHOWN_SCORE] for name, part in own.items()}
                images.append((mistakes(objects, own), own))
    except tf.errors.OpError:
        source.check()
        raise
    return metric, images


def _as_coco(objects):
    """Returns the objects of one image as `COCOMeanAP` takes them."""
    names = {"boxes": "boxes", "labels": "labels", "crowd": "ignored", "areas": "areas", "sizes": "size"}
    return {theirs: objects[ours][None] for theirs, ours in names.items()}


def mistakes(objects, found):
    """Returns how many objects of an image nothing shows, and how many detections show no object, a pair of ints.

    Args:
        objects: dict of `"boxes"`, `"labels"` and `"ignored"`.
        found: dict of `"boxes"` and `"labels"`, best first.
    """
    free, wrong, ignored = ~objects["ignored"], 0, objects["ignored"]
    overlap = overlaps(found["boxes"], objects["boxes"], ignored)
    overlap *= found["labels"][:, None] == objects["labels"]
    for row in overlap:
        own = np.where(free, row, 0.0)
        if own.size and own.max() >= _SAME:
            free[own.argmax()] = False
        else:
            wrong += not (row[ignored] >= _SAME).any()
    return int(free.sum()), wrong


def summarize(metric, images, classes):
    """Returns the figures of `measure` as a dict of JSON values, None where there are no objects."""
    summary, precisions = metric.summary(), metric.precisions()
    per_class = zip(classes, summary.pop("per_class"), precisions[:, 0].mean(axis=-1), strict=True)
    return {
        **{name: _number(value) for name, value in summary.items()},
        **{kind: sum(image[0][i] for image in images) for i, kind in enumerate(("missed", "wrong"))},
        "classes": [{"class": name, "AP": _number(ap), "AP50": _number(ap50)} for name, ap, ap50 in per_class],
    }


def _number(value):
    return None if np.isnan(value) else float(value)


def draw(metric, images, source, classes, output):
    """Draws `precision_recall.png` and, if there are mistakes, `worst.png`: objects on the left, detections beside."""
    draw_precision_recall(metric.precisions()[:, 0], classes, output / "precision_recall.png")
    errors = [sum(image[0]) for image in images]
    worst = [number for number in np.argsort(errors, kind="stable")[::-1][:MOST].tolist() if errors[number]]
    pictures = []
    for number, pixels, objects in shown(source, worst):
        real = np.ones(len(objects["labels"]))
        pictures.append(with_boxes(pixels, objects["boxes"], objects["labels"], real, classes))
        pictures.append(with_boxes(pixels, *images[number][1].values(), classes))
    if pictures:
        sheet(pictures, output / "worst.png")
