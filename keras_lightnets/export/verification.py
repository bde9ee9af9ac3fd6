"""Does the exported file say what the Keras model says?"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_lightnets.export.interpreter import TFLiteModel, latencies

_BATCH = 256


@dataclass
class Report:
    """What was found of an exported file.

    Attributes:
        path: str, the file or folder.
        quantization: None, "float16", "dynamic" or "int8"; None for a SavedModel.
        size_bytes: int, all files together.
        samples: int, number of images compared.
        max_abs_diff: float, largest difference of any output from the Keras model.
        top1_agreement: float, share of the images with the same likeliest class.
        accuracy: float or None, share of right answers where labels were given.
        latency_ms: float or None, median time of one image on one thread; None for a SavedModel.
        partitions: int or None, number of XNNPACK partitions; None for a SavedModel.
        operators: number of operators outside and inside the delegate; None for a SavedModel.
    """

    path: str
    quantization: str | None
    size_bytes: int
    samples: int
    max_abs_diff: float
    top1_agreement: float
    accuracy: float | None = None
    latency_ms: float | None = None
    partitions: int | None = None
    operators: int | None = None

    def to_dict(self):
        """Returns the report as a dict of JSON values."""
        return asdict(self)


def verify(path, model, samples, labels=None, quantization=None):
    """Runs an exported file and the Keras model on the same images and compares the outputs.

    Args:
        path: str or Path of a `.tflite` file or of a SavedModel folder.
        model: the `keras.Model` that was exported.
        samples: float array `(n, height, width, channels)`, as the model takes them.
        labels: int array `(n,)` for the accuracy. Defaults to None.
        quantization: what to write into the report. Defaults to None.

    Returns:
        A `Report`.

    Raises:
        UserError: if the file is not a model that can be run.
    """
    return Reference(model, samples, labels).compare(path, quantization)


class Reference:
    """What a Keras model says about some images, which each of its files is compared with.

    Args:
        model: the `keras.Model`.
        samples: float array `(n, height, width, channels)`, as the model takes them.
        labels: int array `(n,)` for the accuracy. Defaults to None.
    """

    def __init__(self, model, samples, labels=None):
        self.model, self.samples, self.labels = model, samples, labels
        self.expected = model.predict(samples, batch_size=_BATCH, verbose=0)

    def compare(self, path, quantization=None):
        """Returns the `Report` of an exported file."""
        path = Path(path)
        report = Report(str(path), quantization, _size(path), len(self.samples), 0.0, 1.0)
        if path.is_dir():
            loaded = tf.saved_model.load(str(path))
            batches = [loaded.serve(self.samples[i : i + _BATCH]) for i in range(0, len(self.samples), _BATCH)]
            outputs = np.concatenate(batches)
        else:
            runner = TFLiteModel(path)
            outputs = runner.predict(self.samples)
            report.latency_ms = latencies([runner])[0]
            report.partitions = runner.operators.count("DELEGATE")
            report.operators = len(runner.operators) - report.partitions
        report.max_abs_diff = float(np.max(np.abs(outputs - self.expected)))
        report.top1_agreement = float(np.mean(outputs.argmax(-1) == self.expected.argmax(-1)))
        if self.labels is not None:
            report.accuracy = float(np.mean(outputs.argmax(-1) == self.labels))
        return report


def random_samples(model, count=8):
    """Returns `count` images of standard normal pixels in the input shape of `model`, 224x224 where unknown."""
    shape = [224 if side is None else side for side in model.inputs[0].shape[1:]]
    return np.random.default_rng(0).standard_normal((count, *shape)).astype("float32")


def _size(path):
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
