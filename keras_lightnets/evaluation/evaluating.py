"""Evaluation of a model file on a data set."""

from pathlib import Path

from keras_lightnets.data.annotations import open_annotated
from keras_lightnets.data.opening import open_data
from keras_lightnets.data.pipeline import Evaluation
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation import detections, masks
from keras_lightnets.evaluation.drawing import draw_confusion, require_matplotlib
from keras_lightnets.evaluation.measures import class_table, confusion_matrix, predict_source, summarize
from keras_lightnets.evaluation.opening import NETWORKS, ModelFile
from keras_lightnets.files import write_csv, write_json

_BATCH = 64


def evaluate(model, data, output, split="test", seed=None, holdout=0.0):
    """Measures a model file on a data set.

    Args:
        model: str or Path of a `.keras` or `.tflite` file that keras-lightnets wrote.
        data: str, as in `open_data`, or in `open_annotated` for a detector or segmenter. The classes must be the
            model's.
        output: str or Path of the folder to write: `evaluation.json`, `classes.csv`, and pictures. A classifier has
            `confusion.png`, a segmenter `confusion.png` of pixels, and a detector `precision_recall.png`. The last two
            have `worst.png` too, the images where they err most, as annotated and as found.
        split: "train", "validation" or "test". Defaults to "test".
        seed: int, seed of the split of the run. Defaults to None: that in the file, or else 0.
        holdout: float, share held out in the run. Defaults to 0.0.

    Returns:
        A dict with "model", "data", "split", "task", "images", the figures, and "classes", a list of dicts of the
        figures of each class. Figures are shares between 0 and 1, None where nothing can be measured.

        * Classifiers: as in `summarize` and `class_table`.
        * Detectors: as in `COCOMeanAP.summary`. "missed" counts the objects that no detection shows, and "wrong" the
          detections that show no object, at a score of 0.3.
        * Segmenters: "mean_iou", "pixel_accuracy", and "IoU" of each class, at the size of the network's input.

    Raises:
        UserError: if the model or the data cannot be read, or do not fit together, or the file names another seed.

    Example:

    >>> evaluate("out/model_int8.tflite", "tfds:cifar10", "out/int8")["top1"]
    """
    require_matplotlib("picture of an evaluation")
    path = Path(model)
    file = ModelFile(path, tuple(NETWORKS))
    about = file.metadata
    if seed is not None and about.seed not in (None, seed):
        raise UserError(f"{path} was trained on the split of seed {about.seed}: leave --seed out.")
    opened = open_known(data, about.seed or seed or 0, holdout, about.labels, path, file.task)
    if split not in opened.splits:
        raise UserError(f"{data} has no split {split!r}. It has: {', '.join(opened.splits)}.")
    source = opened.splits[split]
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    how = Evaluation(about.size, about.crop, about.preprocessing, _BATCH)
    figures = _MEASURES[file.task](file, source, opened.classes, how, output)
    result = {"model": str(path), "data": data, "split": split, "task": file.task, "images": source.count, **figures}
    write_csv(output / "classes.csv", result["classes"])
    write_json(output / "evaluation.json", result)
    return result


def _classifier(file, source, classes, evaluation, output):
    scores, labels = predict_source(file, source, len(classes), evaluation)
    matrix = confusion_matrix(scores, labels)
    draw_confusion(matrix, classes, output / "confusion.png")
    return {**summarize(scores, labels), "classes": class_table(matrix, classes)}


def _detector(file, source, classes, evaluation, output):
    def detect(images):
        return file.detect(images, score=detections.LEAST_SCORE)

    metric, images = detections.measure(detect, source, classes, evaluation)
    detections.draw(metric, images, source, classes, output)
    return detections.summarize(metric, images, classes)


def _segmenter(file, source, classes, evaluation, output):
    matrix, worst = masks.measure(file.segment, source, classes, evaluation)
    masks.draw(matrix, worst, source, classes, output)
    return masks.summarize(matrix, classes)


_MEASURES = {"classify": _classifier, "detect": _detector, "segment": _segmenter}


def open_known(data, seed, holdout, labels, path, task="classify"):
    """Opens data for a task. Raises a UserError unless their classes are the `labels` of the model at `path`."""
    opened = open_data(data, seed, holdout) if task == "classify" else open_annotated(data, task, seed, holdout)
    if list(opened.classes) != labels:
        raise UserError(f"{path} knows {_some(labels)}, and {data} has {_some(opened.classes)}: they must be the same.")
    return opened


def _some(classes):
    return f"{len(classes)} classes ({', '.join(classes[:3])}, ...)"
