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
    check_labelled,
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
    has_float_operators,
    quantized,
    trace,
    with_int8_classifier,
)
from keras_lightnets.export.detectors import anchors_of, classes_of, deployed, suppression, tail_of, with_detections
from keras_lightnets.export.fusing import fuse
from keras_lightnets.export.images import check_data, random_samples, raw_pixels
from keras_lightnets.export.interpreter import vouch_for
from keras_lightnets.export.judging import check_detections, check_file, check_fused
from keras_lightnets.export.metadata import anchors_in, with_raw_pixels
from keras_lightnets.export.narrowing import with_narrow_ranges
from keras_lightnets.export.outliers import without_outliers
from keras_lightnets.export.pixels import AUTO, find_preprocessing, recorded, with_pixels
from keras_lightnets.export.task_metadata import task_of, task_tables
from keras_lightnets.export.tflite_metadata import LABELS, class_names, image, with_tflite_metadata
from keras_lightnets.export.verification import Reference, Report
from keras_lightnets.files import add_metadata, replacing, write_json
from keras_lightnets.graph import calls, functional
from keras_lightnets.layers.quantized import is_quantize_aware
from keras_lightnets.preprocessing import RAW, Preprocessing

QUANTIZATIONS = (None, "float16", "dynamic", "int8")
_KNOWN = (*QUANTIZATIONS, "int16x8")
# The extremes of more images are so rare that they cost all others more steps than they are worth.
_CALIBRATING = 64
# What integer files can take and give, the usual one first.
_ENDS = {"int8": ("uint8", "int8", "float32"), "int16x8": ("int16", "float32")}


def to_tflite(
    model: keras.Model,
    path: str | os.PathLike,
    quantization: str | None = None,
    representative_data: Any = None,
    samples: np.ndarray | None = None,
    labels: np.ndarray | dict | None = None,
    metadata: dict | None = None,
    float_io: bool = False,
    keep_float: Iterable[str] = (),
    detections: bool | dict = False,
    io: str | None = None,
    preprocessing: Preprocessing | str | None = AUTO,
) -> Report:
    """Writes a `.tflite` file, runs it in the LiteRT interpreter, and compares it with the Keras model.

    The file takes raw pixels, RGB in 0-255, and normalises them inside, if it is known how: from the builder of the
    network, from `metadata` or from `preprocessing`. For a model from `quantize_aware` one of the latter must say it.
    `representative_data` and `samples` are images as the model takes them in any case.

    A file that says something else than the model is not written. Before any quantization the inference graph, and
    then the float32 file, must agree with the model on the samples to 1e-3 of the largest logit. Rounding stays fifty
    times below that.

    Args:
        model: a `keras.Model` with one image input of known size. A model of mixed precision is exported in float32.
            The file of a `Detector` returns box codes and probabilities, `"boxes"` and `"scores"`: pass both as they
            are to `decode_detections`.
        path: str or Path ending in ".tflite". An existing file is replaced once the new one is whole.
        quantization: None for float32. "float16" has half the size at the same speed. "dynamic" has int8 weights in the
            classifier alone, and is smaller and faster. "int8" is int8 throughout, the smallest, and what accelerators
            and microcontrollers take. "int16x8" has int16 activations and int8 weights. It is nearly exact, and slow
            where no kernel is made for it. A model from `quantize_aware` is exported as "int8" only. Defaults to None.
        representative_data: images as the model takes them, which calibrate "int8" and "int16x8". Both require them
            unless the model comes from `quantize_aware`. Pass a float array `(n, height, width, channels)`, a data set
            or list of batches or of single images, with labels or without, or TFLite's own form, a function that
            yields `[image]`. The first 256 images count. For "int8", images whose activations in any layer exceed
            eight times the median are ignored, and 64 of the others are used, evenly spaced. Defaults to None.
        samples: float array to compare on. Defaults to None: the representative data, else 8 random images.
        labels: of the samples, as in `verify`. Defaults to None.
        metadata: dict of JSON values to put into the file, such as "labels". `metadata["input"]` may say by "mean" and
            "std" how the model wants its pixels. In a file that takes raw pixels they become 0 and 1. Defaults to None.
        float_io: bool, the older name of `io="float32"`. Defaults to False.
        keep_float: names of layers that stay float32 in an "int8" file, such as the worst of
            `optimization.layer_errors`. Defaults to none.
        detections: for a `Detector`, whether the file decodes its boxes and suppresses all but the best of each object,
            by operators that TFLite has built in. It then returns what `decode_detections` returns, in float32:
            `"boxes"` `(1, most, 4)`, `"classes"` `(1, most)`, `"scores"` `(1, most)` and `"count"` `(1,)`. True stands
            for the defaults of `decode_detections`. A dict has some of its arguments, such as `{"score": 0.05}`.
            MediaPipe's ObjectDetector opens either file and gives the same detections. Defaults to False.
        io: what an integer file takes and gives: "uint8", "int8" or "float32". Microcontrollers take "int8". An
            "int16x8" file takes "int16" or "float32". Defaults to None: "uint8", where raw pixels go in as they are, or
            "int16".
        preprocessing: how the model wants its pixels, a `keras_lightnets.preprocessing.Preprocessing`. The rows of
            `list_models()` have one. With None, the file takes images as the model does. Defaults to "auto": what
            `metadata` says, else what the family of the network wants, else None.

    Returns:
        A `Report`, also written as JSON beside the file.

    Raises:
        UserError: for an unknown `quantization`, or one that would change nothing. For representative data, samples,
            labels or metadata that are missing or do not fit the model. For a path with another ending, and an input
            of unknown size. For layers that TFLite or int8 cannot express, and names of layers that do not exist. For
            scores that are not finite, and a file that cannot be written. For a file that would differ from the model,
            with the first layer that differs.

    Example:

    >>> model = keras_lightnets.MicroNetM0(weights=None, input_shape=(64, 64, 3), classes=10)
    >>> keras_lightnets.export.to_tflite(model, "m0.tflite").partitions
    1
    """
    if float_io and io not in (None, "float32"):
        raise UserError(f"`float_io=True` means io='float32'. Received: io={io!r}")
    io = "float32" if float_io and quantization in INTEGERS else io
    preprocessing = preprocessing if preprocessing != AUTO else recorded(metadata) or AUTO
    with Exporter(model, representative_data, samples, labels, preprocessing) as exporter:
        return exporter.write(path, quantization, metadata, keep_float, io, detections)


class Exporter:
    """Writes one model to several `.tflite` files: data are checked, and the model is fused and traced, once.

    Args:
        model: as in `to_tflite`.
        representative_data: as in `to_tflite`. Defaults to None.
        samples: as in `to_tflite`, or the `Reference` of the model. Defaults to None.
        labels: as in `to_tflite`. Defaults to None.
        preprocessing: as in `to_tflite`. Defaults to "auto".

    Attributes:
        model: the model, functional and in float32.

    Raises:
        UserError: if the model or the data cannot be used.
    """

    def __init__(self, model, representative_data=None, samples=None, labels=None, preprocessing=AUTO):
        model = image_model(deployed(functional(model)))
        check_size(model)
        self._aware = is_quantize_aware(model)
        if self._aware:
            check_ranges(model)
        self._preprocessing = find_preprocessing(model, preprocessing)
        self._images = None if representative_data is None else check_data(model, representative_data)
        self.model = model
        self._deployed = with_pixels(model, self._preprocessing) if self._scales else model
        self._samples, self._labels = samples, labels
        self._folder = tempfile.TemporaryDirectory()
        self._traces, self._floats = {}, {}
        # The layers of a quantisation-aware model stay as they are.
        self._checked = self._aware

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._folder.cleanup()

    @functools.cached_property
    def reference(self):
        """The `Reference` that every file is compared with."""
        reference = self._samples
        if not isinstance(reference, Reference):
            given = self._images if reference is None else reference
            check_labelled(given, self._labels)
            if given is None:
                given = random_samples(self.model, preprocessing=self._preprocessing)
            reference = Reference(self.model, given, self._labels)
        return reference.with_pixels(self._preprocessing) if self._scales else reference

    @functools.cached_property
    def fused(self):
        """The inference graph of the model."""
        return self._deployed if self._aware else fuse(self._deployed)

    @functools.cached_property
    def _shown(self):
        """The images for the ranges, as the files take them."""
        return raw_pixels(self._images, self._preprocessing) if self._scales else self._images

    @functools.cached_property
    def _typical(self):
        """The images for the ranges of int8."""
        typical = without_outliers(self.fused, self._shown)
        return typical[np.linspace(0, len(typical) - 1, min(len(typical), _CALIBRATING)).astype(int)]

    @property
    def _scales(self):
        """Whether the files normalise their pixels."""
        return self._preprocessing not in (None, RAW)

    def write(self, path, quantization=None, metadata=None, keep_float=(), io=None, detections=False):
        """Writes a file, runs it and compares it. The arguments and the `Report` are as in `to_tflite`."""
        path = Path(path)
        check_target(path)
        if metadata is not None:
            check_metadata(metadata, self.model)
        options = suppression(detections, anchors_of(self.model), self.model.name)
        self._check(quantization, keep_float, io, options is not None)
        self._check_fused()
        content = self.convert(quantization, keep_float, io, options)
        if self._preprocessing is not None:
            metadata = with_raw_pixels(metadata, self._preprocessing, self.model.inputs[0].shape)
        labels = class_names(metadata, classes_of(self.model))
        ends, custom = task_tables(self.model, self.reference.heads, options is not None, labels is not None)
        content = with_tflite_metadata(content, self.model.name, image(recorded(metadata)), ends, custom)
        with replacing(path) as temporary:
            temporary.write_bytes(content)
            if metadata is not None:
                texts = {} if labels is None else {LABELS: labels}
                about = {"task": task_of(self.model), **metadata, **anchors_in(self.model)}
                add_metadata(temporary, about, texts)
            vouch_for(temporary)
            report, outputs = self.reference.run(temporary, quantization, options)
            if quantization is None and options is not None:
                check_detections(self.reference, report)
            elif quantization is None:
                check_file(self.reference, outputs, self.fused, self._convert_anew)
        vouch_for(path)
        report = dataclasses.replace(report, path=str(path))
        write_json(path.with_suffix(".tflite.json"), report.to_dict())
        return report

    def _check_fused(self):
        """Checks the inference graph, once for all files."""
        if not self._checked:
            check_fused(self.reference, self.fused)
            self._checked = True

    def convert(self, quantization=None, keep_float=(), io=None, options=None):
        """Returns the bytes of a `.tflite` file.

        Args:
            quantization: as in `to_tflite`. Defaults to None.
            keep_float: as in `to_tflite`. Defaults to none.
            io: as in `to_tflite`. Defaults to None.
            options: arguments of `decode_detections` for a suppression inside. Defaults to None: without.
        """
        inside = options is not None
        self._check(quantization, keep_float, io, inside)
        io = io or _ENDS.get(quantization, ("float32",))[0]
        graph = with_detections(self.fused, self.reference.anchors, options) if inside else self.fused
        if quantization == "int8" and not self._aware:
            content = self._int8(graph, keep_float, io, inside)
        elif quantization == "dynamic":
            content = with_int8_classifier(self._float(graph, "float"), _classifier(graph), _output_layers(graph))
        elif quantization in INTEGERS:
            images = None if self._aware else self._shown
            content = convert(self._traced(graph, "int8"), quantization, images, io, inside)
        elif quantization is None:
            content = self._float(graph, "float")
        else:
            content = convert(self._traced(graph, "float"), quantization)
        check_content(content, quantization, self.model.name)
        return content

    def _int8(self, graph, keep_float, io, inside):
        """Returns the bytes of an int8 file with ranges from the images."""
        # Boxes in 256 steps would be too coarse.
        floats = (*keep_float, *(tail_of(graph) if inside else ()))
        content = quantized(self._float(graph, "int8"), floats, _output_layers(graph), self._typical, io, inside)
        if not floats and has_float_operators(content):
            # TensorFlow's converter knows more operators, and less exact ranges.
            content = convert(self._traced(graph, "int8"), "int8", self._typical, io, inside)
        return with_narrow_ranges(content)

    def _check(self, quantization, keep_float, io, inside):
        name = self.model.name
        if quantization not in _KNOWN:
            raise UserError(f"`quantization` must be one of {_KNOWN}. Received: quantization={quantization!r}")
        ends = _ENDS.get(quantization, ("float32",))
        if io is not None and io not in ends:
            raise UserError(f"`io` of a file with quantization={quantization!r} is one of {ends}. Received: io={io!r}")
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
        if quantization == "int16x8" and inside:
            raise UserError("An int16x8 file has no operators for `detections`. Leave it out, or use 'int8'.")
        if keep_float:
            check_layers(keep_float, [layer.name for layer in self.fused.layers], name)

    def _traced(self, graph, arithmetic):
        """Returns the folder of the SavedModel of an inference graph. The graph of the model is written once."""
        if graph is not self.fused:
            folder = tempfile.mkdtemp(dir=self._folder.name)
            trace(graph, arithmetic, folder)
            return folder
        if arithmetic not in self._traces:
            self._traces[arithmetic] = f"{self._folder.name}/{arithmetic}"
            trace(self.fused, arithmetic, self._traces[arithmetic])
        return self._traces[arithmetic]

    def _float(self, graph, arithmetic):
        """Returns the float file of an inference graph. The files of the model itself are made once."""
        if graph is not self.fused:
            return convert(self._traced(graph, arithmetic))
        if arithmetic not in self._floats:
            self._floats[arithmetic] = convert(self._traced(graph, arithmetic))
        return self._floats[arithmetic]

    def _convert_anew(self, model):
        folder = f"{self._folder.name}/anew"
        trace(model, "float", folder)
        return convert(folder)


def _output_layers(model):
    """The names of the layers that give the outputs."""
    givers = {id(tensor): call.operation.name for call in calls(model) for tensor in call.outputs}
    return [givers[id(tensor)] for tensor in model.outputs]


def _classifier(model):
    """The names of all layers with weights behind the last map of pixels."""
    made = calls(model)
    last = max(
        (p for p, call in enumerate(made) if any(math.prod(x.shape[1:-1]) > 1 for x in call.outputs)), default=-1
    )
    return [call.operation.name for call in made[last + 1 :] if getattr(call.operation, "weights", ())]
