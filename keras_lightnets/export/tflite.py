"""Export to TFLite: fused graph, batch 1, built-in operators only, and every file run before it is reported."""

import dataclasses
import functools
import math
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_lightnets.errors import UserError
from keras_lightnets.export.checks import (
    check_layers,
    check_metadata,
    check_ranges,
    check_size,
    check_target,
    image_model,
)
from keras_lightnets.export.converting import (
    INTEGERS,
    check_content,
    convert,
    trace,
    with_float_layers,
    with_int8_classifier,
)
from keras_lightnets.export.detectors import deployed
from keras_lightnets.export.fusing import fuse
from keras_lightnets.export.images import check_data, random_samples
from keras_lightnets.export.interpreter import vouch_for
from keras_lightnets.export.judging import check_file, check_fused
from keras_lightnets.export.metadata import anchors_in
from keras_lightnets.export.outliers import without_outliers
from keras_lightnets.export.verification import Reference, Report
from keras_lightnets.files import add_metadata, replacing, write_json
from keras_lightnets.graph import calls
from keras_lightnets.layers.quantized import is_quantize_aware

QUANTIZATIONS = (None, "float16", "dynamic", "int8")
_KNOWN = (*QUANTIZATIONS, "int16x8")


def to_tflite(
    model: keras.Model,
    path: str | os.PathLike,
    quantization: str | None = None,
    representative_data: Any = None,
    samples: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    metadata: dict | None = None,
    float_io: bool = False,
    keep_float: Iterable[str] = (),
) -> Report:
    """Writes a `.tflite` file, runs it in the LiteRT interpreter, and compares it with the Keras model.

    A file that says something else than the model is not written. Before any quantization the inference graph, and
    then the float32 file, must agree with the model on the samples to 1e-3 of the largest logit. Rounding stays fifty
    times below that.

    Args:
        model: a `keras.Model` with one image input of known size. A model of mixed precision is exported in float32.
            The file of a `Detector` returns box codes and probabilities: pass them to `decode_detections` as
            `{"boxes": ..., "scores": ...}`.
        path: str or Path ending in ".tflite". An existing file is replaced once the new one is whole.
        quantization: None for float32; "float16" for half the size at the same speed; "dynamic" for int8 weights in
            the classifier alone, smaller and faster; "int8" for int8 throughout, input and output too, the smallest
            and what accelerators and microcontrollers take; "int16x8" for int16 activations and int8 weights, nearly
            exact, slow where no kernel is made for it. A model from `quantize_aware` is exported as "int8" only.
            Defaults to None.
        representative_data: images as the model takes them, which calibrate "int8" and "int16x8". Both require them
            unless the model comes from `quantize_aware`. Pass a float array `(n, height, width, channels)`, a data set
            or list of batches or of single images, with labels or without, or TFLite's own form, a function that
            yields `[image]`. The first 256 images count. Calibration for "int8" ignores images whose activations in
            any layer exceed eight times the median. Defaults to None.
        samples: float array to compare on. Defaults to None: the representative data, else 8 random images.
        labels: int array `(n,)` or `(n, 1)`, or one-hot `(n, classes)`, of the samples for the accuracy. Defaults to
            None.
        metadata: dict of JSON values to put into the file (labels, preprocessing). Defaults to None.
        float_io: bool, whether an integer file takes and gives float32. Defaults to False.
        keep_float: names of layers that stay float32 in an "int8" file, such as the worst of
            `optimization.layer_errors`. Defaults to none.

    Returns:
        A `Report`, also written as JSON beside the file.

    Raises:
        UserError: for an unknown `quantization`, or one that would change nothing; representative data, samples,
            labels or metadata that are missing or do not fit the model; a path with another ending; an input of
            unknown size; layers that TFLite or int8 cannot express, or that do not exist; scores that are not finite;
            a file that would differ from the model, with the first layer that differs; or a file that cannot be
            written.

    Example:

    >>> model = keras_lightnets.MicroNetM0(weights=None, input_shape=(64, 64, 3), classes=10)
    >>> keras_lightnets.export.to_tflite(model, "m0.tflite").partitions
    1
    """
    with Exporter(model, representative_data, samples, labels) as exporter:
        return exporter.write(path, quantization, metadata, float_io, keep_float)


class Exporter:
    """Writes one model to several `.tflite` files: data are checked, and the model is fused and traced, once.

    Args:
        model: as in `to_tflite`.
        representative_data: as in `to_tflite`. Defaults to None.
        samples: as in `to_tflite`, or the `Reference` of the model. Defaults to None.
        labels: as in `to_tflite`. Defaults to None.

    Raises:
        UserError: if the model or the data cannot be used.
    """

    def __init__(self, model, representative_data=None, samples=None, labels=None):
        self._model = image_model(deployed(model))
        check_size(self._model)
        self._aware = is_quantize_aware(self._model)
        if self._aware:
            check_ranges(self._model)
        self._images = None if representative_data is None else check_data(self._model, representative_data)
        self._samples, self._labels = samples, labels
        self._folder = tempfile.TemporaryDirectory()
        self._traces = {}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._folder.cleanup()

    @functools.cached_property
    def reference(self):
        """The `Reference` that every file is compared with."""
        if isinstance(self._samples, Reference):
            return self._samples
        given = self._images if self._samples is None else self._samples
        return Reference(self._model, random_samples(self._model) if given is None else given, self._labels)

    @functools.cached_property
    def fused(self):
        """The inference graph of the model."""
        return self._model if self._aware else fuse(self._model)

    @functools.cached_property
    def _typical(self):
        """The images for the ranges of int8."""
        return self._images if self._aware else without_outliers(self.fused, self._images)

    def write(self, path, quantization=None, metadata=None, float_io=False, keep_float=()):
        """Writes a file, runs it and compares it; the arguments and the `Report` are those of `to_tflite`."""
        path = Path(path)
        check_target(path)
        if metadata is not None:
            check_metadata(metadata, self._model)
        self._check(quantization, keep_float)
        self._check_fused()
        content = self.convert(quantization, float_io, keep_float)
        with replacing(path) as temporary:
            temporary.write_bytes(content)
            if metadata is not None:
                add_metadata(temporary, metadata | anchors_in(self._model))
            vouch_for(temporary)
            report, outputs = self.reference.run(temporary, quantization)
            if quantization is None:
                check_file(self.reference, outputs, self.fused, self._convert_anew)
        vouch_for(path)
        report = dataclasses.replace(report, path=str(path))
        write_json(path.with_suffix(".tflite.json"), report.to_dict())
        return report

    @functools.cache  # noqa: B019
    def _check_fused(self):
        if not self._aware:
            check_fused(self.reference, self.fused)

    def convert(self, quantization=None, float_io=False, keep_float=()):
        """Returns the bytes of a `.tflite` file; the arguments are those of `to_tflite`."""
        self._check(quantization, keep_float)
        if keep_float:
            # The ranges are learned from the float file.
            content = with_float_layers(convert(self._traced("int8")), keep_float, self._ends, self._typical, float_io)
        elif quantization == "dynamic":
            content = with_int8_classifier(convert(self._traced("float")), _classifier(self.fused), self._ends)
        elif quantization in INTEGERS:
            images = None if self._aware else self._typical if quantization == "int8" else self._images
            content = convert(self._traced("int8"), quantization, images, float_io)
        else:
            content = convert(self._traced("float"), quantization)
        check_content(content, quantization, self._model.name)
        return content

    def _check(self, quantization, keep_float):
        name = self._model.name
        if quantization not in _KNOWN:
            raise UserError(f"`quantization` must be one of {_KNOWN}. Received: quantization={quantization!r}")
        if self._aware and keep_float:
            raise UserError(f"{name} is quantisation-aware: layers are kept float of the float model alone.")
        if (self._aware or keep_float) and quantization != "int8":
            what = f"{name} is quantisation-aware" if self._aware else "`keep_float` is about int8"
            raise UserError(f"{what}: pass quantization='int8'. Received: quantization={quantization!r}")
        if quantization in INTEGERS and self._images is None and not self._aware:
            raise UserError(
                f"{quantization} needs `representative_data`, some images as the model takes them, to learn ranges "
                "from."
            )
        if keep_float:
            check_layers(keep_float, [layer.name for layer in self.fused.layers], name)

    @property
    def _ends(self):
        """The names of the layers that give the outputs."""
        givers = {id(tensor): call.operation.name for call in calls(self.fused) for tensor in call.outputs}
        return [givers[id(tensor)] for tensor in self.fused.outputs]

    def _traced(self, arithmetic):
        """Returns the folder of the SavedModel of the inference graph."""
        if arithmetic not in self._traces:
            self._traces[arithmetic] = f"{self._folder.name}/{arithmetic}"
            trace(self.fused, arithmetic, self._traces[arithmetic])
        return self._traces[arithmetic]

    def _convert_anew(self, model):
        folder = f"{self._folder.name}/anew"
        trace(model, "float", folder)
        return convert(folder)


def _classifier(model):
    """The names of all layers with weights behind the last map of pixels."""
    made = calls(model)
    last = max(
        (p for p, call in enumerate(made) if any(math.prod(x.shape[1:-1]) > 1 for x in call.outputs)), default=-1
    )
    return [call.operation.name for call in made[last + 1 :] if getattr(call.operation, "weights", ())]
