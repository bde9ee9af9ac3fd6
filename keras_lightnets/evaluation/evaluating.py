"""Evaluation of a model file on a data set."""

from pathlib import Path

from keras_lightnets.data.opening import open_data
from keras_lightnets.data.pipeline import Evaluation
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.drawing import draw_confusion, require_matplotlib
from keras_lightnets.evaluation.measures import class_table, confusion_matrix, predict_source, summarize
from keras_lightnets.evaluation.opening import ModelFile
from keras_lightnets.files import write_csv, write_json

_BATCH = 64


def evaluate(model, data, output, split="test", seed=0, holdout=0.0):
    """Measures a model file on a data set.

    Args:
        model: str or Path of a `.keras` or `.tflite` file that keras-lightnets wrote.
        data: str, as in `open_data`. Its classes must be those of the model.
        output: str or Path of the folder to write: `evaluation.json`, `classes.csv` and `confusion.png`.
        split: "train", "validation" or "test". Defaults to "test".
        seed: int, seed of the split of the run. Defaults to 0.
        holdout: float, share held out in the run. Defaults to 0.0.

    Returns:
        The dict of `summarize` with "model", "data", "split" and "classes", the table of `class_table`.

    Raises:
        UserError: if the model or the data cannot be read, or do not fit together.

    Example:

    >>> evaluate("out/model_int8.tflite", "tfds:cifar10", "out/int8")["top1"]
    """
    require_matplotlib("confusion matrix")
    path = Path(model)
    file = ModelFile(path)
    about = file.metadata
    opened = open_known(data, seed, holdout, about.labels, path)
    if split not in opened.splits:
        raise UserError(f"{data} has no split {split!r}. It has: {', '.join(opened.splits)}.")
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    how = Evaluation(about.size, about.crop, about.preprocessing, _BATCH)
    scores, labels = predict_source(file, opened.splits[split], len(opened.classes), how)
    matrix = confusion_matrix(scores, labels)
    rows = class_table(matrix, opened.classes)
    result = {"model": str(path), "data": data, "split": split, **summarize(scores, labels), "classes": rows}
    draw_confusion(matrix, opened.classes, output / "confusion.png")
    write_csv(output / "classes.csv", rows)
    write_json(output / "evaluation.json", result)
    return result


def open_known(data, seed, holdout, labels, path):
    """Opens data as `open_data` does; a UserError unless their classes are the `labels` of the model at `path`."""
    opened = open_data(data, seed, holdout)
    if list(opened.classes) != labels:
        raise UserError(f"{path} knows {_some(labels)}, and {data} has {_some(opened.classes)}: they must be the same.")
    return opened


def _some(classes):
    return f"{len(classes)} classes ({', '.join(classes[:3])}, ...)"
