"""Does the exported file say what the Keras model says?"""

import copy
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_lightnets.errors import UserError
from keras_lightnets.export.agreement import agreement, average_precision, detections_of, mean_iou
from keras_lightnets.export.detectors import anchors_of, deployed, suppression
from keras_lightnets.export.heads import IGNORED, class_numbers, decisions, head_of, logits
from keras_lightnets.export.images import check_samples
from keras_lightnets.export.interpreter import TFLiteModel, latencies
from keras_lightnets.export.metadata import pixels_of
from keras_lightnets.export.pixels import with_pixels
from keras_lightnets.export.precision import in_float32
from keras_lightnets.graph import functional, operations

_BATCH = 256
# Logits that are smaller than this are compared as if they were of this size.
_LEAST_LOGIT = 0.01
# Reference kernels take a second for an image and more.
_SLOWLY_RUN = 8


@dataclass
class Report:
    """What was found of an exported file.

    Attributes:
        path: str, the file or folder.
        quantization: None, "float16", "dynamic", "int8" or "int16x8". None for a SavedModel.
        size_bytes: int, all files together.
        samples: int, number of images compared.
        max_abs_diff: float, largest difference of any output from the Keras model, under XNNPACK's kernels. It is
            `max_score_diff` for a file with the suppression inside, whose other outputs the model does not have.
        top1_agreement: float or None, share of the images with the same likeliest class, or of the pixels, if each has
            scores. With a single score, the class is whether it is above 0.5, or above 0 if the model ends in a logit.
            None where it would mean nothing: all images have the same scores, or the model has several outputs.
        accuracy: float or None, share of right predictions if labels were given. For a segmenter, of right pixels.
        average_precision: float or None, COCO's AP of a detector where boxes and labels were given.
        mean_iou: float or None, mean intersection over union of a segmenter where masks were given.
        detections_agreement: float or None, share of the detections that file and Keras model share: of the same class,
            with boxes whose intersection over union is at least 0.95. None for other models, or without detections.
        max_score_diff: float or None, the largest difference of the scores of these detections.
        latency_ms: float or None, median time of one image on one thread. None for a SavedModel.
        partitions: int or None, number of XNNPACK partitions. None for a SavedModel.
        operators: number of operators outside and inside the delegate. None for a SavedModel.
        io: str or None, the type of the input: "float32", "uint8", "int8" or "int16". None for a SavedModel.
        pixels: str or None, what the file takes: "0..255" for raw RGB pixels. None for what the Keras model takes.
        reference_kernels_diff: float or None, `max_abs_diff` of the first 8 images under TFLite's reference kernels.
            Integer files round otherwise from one runtime to the next: expect the larger of the two. None for others.
    """

    path: str
    quantization: str | None
    size_bytes: int
    samples: int
    max_abs_diff: float
    top1_agreement: float | None = None
    accuracy: float | None = None
    average_precision: float | None = None
    mean_iou: float | None = None
    detections_agreement: float | None = None
    max_score_diff: float | None = None
    latency_ms: float | None = None
    partitions: int | None = None
    operators: int | None = None
    io: str | None = None
    pixels: str | None = None
    reference_kernels_diff: float | None = None

    def to_dict(self):
        """Returns the report as a dict of JSON values."""
        return asdict(self)


def verify(
    path: str | os.PathLike,
    model: keras.Model,
    samples: np.ndarray,
    labels: np.ndarray | dict | None = None,
    quantization: str | None = None,
    detections: bool | dict = False,
) -> Report:
    """Runs an exported file and the Keras model on the same images and compares the outputs.

    A file that takes raw pixels is shown the pixels that the samples were made of.

    Args:
        path: str or Path of a `.tflite` file or of a SavedModel folder.
        model: the `keras.Model` that was exported.
        samples: float array `(n, height, width, channels)`, as the model takes them.
        labels: numbers of the right classes, for the accuracy: int array `(n,)` or `(n, 1)`, or one-hot
            `(n, classes)`. For a segmenter, int array `(n, height, width)`, where 255 does not count. For a detector,
            dict of `"boxes"` and `"labels"`, as `COCOMeanAP` takes it. Defaults to None.
        quantization: what to write into the report. Defaults to None.
        detections: what the file was exported with. Defaults to False.

    Returns:
        A `Report`.

    Raises:
        UserError: if the file cannot be run, has other inputs or outputs than the model, samples or labels do not fit
            the model, or a score is not finite.

    Example:

    >>> keras_lightnets.export.verify("m0.tflite", model, images).top1_agreement
    1.0
    """
    reference = Reference(model, samples, labels)
    inside = None if Path(path).is_dir() else pixels_of(path)[1]
    if inside is not None:
        reference = reference.with_pixels(inside)
    return reference.run(path, quantization, suppression(detections, reference.anchors, reference.model.name))[0]


class Reference:
    """What a Keras model says about some images, which each of its files is compared with.

    Args:
        model: as in `verify`.
        samples: as in `verify`.
        labels: as in `verify`. Defaults to None.

    Attributes:
        model: the model, functional and in float32.
        samples: float32 array of the images.
        expected: list with the array of each output.
        anchors: the anchors of a detector, or None.

    Raises:
        UserError: if samples or labels do not fit the model, or a score is not finite.
    """

    def __init__(self, model, samples, labels=None):
        self.model = in_float32(deployed(functional(model)))
        self.anchors = anchors_of(self.model)
        self.samples = check_samples(self.model, samples)
        outputs = self.model.predict(self.samples, batch_size=_BATCH, verbose=0)
        self.expected = [np.asarray(output, "float32") for output in keras.tree.flatten(outputs)]
        if not all(np.isfinite(output).all() for output in self.expected):
            raise UserError(f"{self.model.name} gives scores that are not finite: {_reason(self.model)}.")
        self.heads = [head_of(self.model, tensor) for tensor in self.model.outputs]
        self._labels = None if labels is None else self._check_labels(labels)

    def _check_labels(self, labels):
        name = self.model.name
        if self.anchors is not None:
            if not isinstance(labels, dict) or not {"boxes", "labels"} <= set(labels):
                raise UserError(f"`labels` of the detector {name} must be a dict of 'boxes' and 'labels'.")
            if len(labels["labels"]) != len(self.samples):
                raise UserError(f"`labels` are of {len(labels['labels'])} images, and there are {len(self.samples)}.")
            classes = self.expected[1].shape[-1]
            if np.max(labels["labels"]) >= classes:
                raise UserError(f"`labels` of {name} must be below {classes}. Received: {np.max(labels['labels'])}")
            return labels
        if len(self.expected) > 1:
            raise UserError(f"{name} has {len(self.expected)} outputs: labels are for a model with one.")
        return class_numbers(labels, self.expected[0], name)

    def with_pixels(self, preprocessing):
        """Returns the same `Reference` for files that take raw pixels and have a `Preprocessing` inside."""
        other = copy.copy(self)
        other.model, other.samples = with_pixels(self.model, preprocessing), preprocessing.pixels(self.samples)
        return other

    def run(self, path, quantization=None, options=None):
        """Returns the `Report` of an exported file, and the list of its outputs.

        Args:
            path: as in `verify`.
            quantization: as in `verify`. Defaults to None.
            options: arguments of `decode_detections` if the file has the suppression inside. Defaults to None.
        """
        path = Path(path)
        report = Report(str(path), quantization, 0, len(self.samples), 0.0)
        if path.is_dir():
            outputs = _run_saved_model(path, self.samples)
        else:
            runner = TFLiteModel(path)
            outputs = keras.tree.flatten(runner.predict(self.samples))
            report.latency_ms = latencies([runner])[0]
            report.partitions = runner.operators.count("DELEGATE")
            report.operators = len(runner.operators) - report.partitions
            report.io, report.pixels = runner.io, pixels_of(path)[0]
        self._check(path, outputs, options)
        report.size_bytes = _size(path)
        if options is None:
            report.max_abs_diff = self._largest_difference(outputs)
            if report.io not in (None, "float32") or quantization in ("int8", "int16x8"):
                slow = TFLiteModel(path, reference_kernels=True).predict(self.samples[:_SLOWLY_RUN])
                report.reference_kernels_diff = self._largest_difference(keras.tree.flatten(slow))
        if self.anchors is not None:
            self._judge_detections(report, outputs, options)
        elif len(outputs) == 1:
            self._judge_classes(report, outputs[0])
        return report, outputs

    def _largest_difference(self, outputs):
        """The largest difference from the model's outputs for the first images."""
        pairs = zip(outputs, self.expected, strict=True)
        return max(float(np.max(np.abs(ours - theirs[: len(ours)]))) for ours, theirs in pairs)

    def _judge_detections(self, report, outputs, options):
        found, expected = (detections_of(each, self.anchors, options) for each in (outputs, self.expected))
        report.detections_agreement, report.max_score_diff = agreement(found, expected)
        if options is not None:
            report.max_abs_diff = report.max_score_diff or 0.0
        if self._labels is not None:
            classes = self.expected[1].shape[-1]
            report.average_precision = average_precision(outputs, self.anchors, self._labels, classes)

    def _judge_classes(self, report, output):
        (expected,), (head,) = self.expected, self.heads
        found = decisions(output, head)
        if not _is_constant(output) and not _is_constant(expected):
            report.top1_agreement = float(np.mean(found == decisions(expected, head)))
        if self._labels is not None:
            report.accuracy = self._accuracy(found)
            if found.ndim == 3:
                report.mean_iou = mean_iou(found, self._labels, max(output.shape[-1], 2))

    def _accuracy(self, found):
        right = found == self._labels
        return float(np.mean(right[self._labels != IGNORED] if found.ndim == 3 else right))

    def accuracy(self):
        """Returns the share of right answers of the model itself."""
        return self._accuracy(decisions(self.expected[0], self.heads[0]))

    def difference(self, outputs):
        """Returns the largest difference of some outputs from the model's, as a share of the largest logit.

        Probabilities are compared by their logits: where all are near 0 and 1, they themselves hide what differs.

        Args:
            outputs: list with the array of each output for the first of the samples.
        """
        shares = []
        for ours, theirs, head in zip(outputs, self.expected, self.heads, strict=True):
            ours, theirs = logits(ours, head), logits(theirs[: len(ours)], head)
            shares.append(np.max(np.abs(ours - theirs)) / max(np.max(np.abs(theirs)), _LEAST_LOGIT))
        return float(max(shares))

    def rounding(self):
        """Returns by how much the logits move if each pixel is rounded once more, as a share of the largest logit."""
        some = self.samples[:_SLOWLY_RUN]
        signs = np.random.default_rng(0).choice(np.float32([-1, 1]), some.shape)
        outputs = self.model.predict(some * (1 + np.finfo("float32").eps * signs), verbose=0)
        return self.difference(keras.tree.flatten(outputs))

    def _check(self, path, outputs, options):
        ours, theirs = ([tuple(output.shape[1:]) for output in each] for each in (outputs, self.expected))
        if options is not None:
            theirs = [(options["most"], 4), (options["most"],), (), (options["most"],)]
        if ours != theirs:
            raise UserError(f"{path} has outputs of shape {ours}, and {self.model.name} of {theirs}: another model.")
        if not all(np.isfinite(output).all() for output in outputs):
            raise UserError(f"{path} gives scores that are not finite, which {self.model.name} does not.")


def _is_constant(scores):
    """Whether several images have the same scores."""
    return len(scores) > 1 and np.max(np.ptp(scores, axis=0)) <= 1e-6 * np.max(np.abs(scores))


def _reason(model):
    for layer in (each for each in operations(model) if isinstance(each, keras.layers.Layer)):
        if not all(np.isfinite(weight).all() for weight in layer.get_weights()):
            return f"its layer {layer.name} has weights that are NaN or infinite"
    return "its activations overflow for these images"


def _run_saved_model(path, samples):
    try:
        loaded = tf.saved_model.load(str(path))
        serve = loaded.serve
    # What TensorFlow raises for a damaged folder is not documented.
    except Exception as error:
        raise UserError(f"{path} is not a SavedModel of keras-lightnets: {str(error).splitlines()[0]}") from error
    batches = [keras.tree.flatten(serve(samples[i : i + _BATCH])) for i in range(0, len(samples), _BATCH)]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def _size(path):
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
