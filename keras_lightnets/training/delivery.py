"""The output folder of a run: models, exports that were run and compared, report, curve, tables and card."""

import dataclasses
import shutil
from pathlib import Path

import keras
import numpy as np

from keras_lightnets.complexity import complexity
from keras_lightnets.data.pipeline import evaluation_batches, training_batches
from keras_lightnets.errors import NotWrittenError, UserError
from keras_lightnets.evaluation.drawing import can_draw, draw_curve
from keras_lightnets.evaluation.measures import predict_source, summarize
from keras_lightnets.export.images import CALIBRATION_IMAGES
from keras_lightnets.export.interpreter import TFLiteModel, latencies
from keras_lightnets.export.metadata import Metadata
from keras_lightnets.export.saved_model import write_saved_model
from keras_lightnets.export.tflite import QUANTIZATIONS, Exporter
from keras_lightnets.export.verification import Reference
from keras_lightnets.files import add_metadata, replacing, write_json
from keras_lightnets.training.card import model_card
from keras_lightnets.training.models import copy_backbone
from keras_lightnets.version import __version__

# Exports are run one image at a time.
_COMPARED_IMAGES = 2000


def deliver(model, config, data, about, step):
    """Writes every file of the output folder.

    Args:
        model: the trained model, with a softmax.
        config: `Config`.
        data: `Data`; the test images are what every export is compared on.
        about: dict with "options", "bad_images", "history" and "best_epoch" of the report.
        step: callable, told what is being written.

    Returns:
        The report, a dict of JSON values, as in `report.json`.
    """
    output = Path(config.output)
    record = config.record
    metadata = Metadata(config.model, data.classes, config.size, config.eval_crop, record.preprocessing).to_dict()
    step("model.keras")
    with replacing(output / "model.keras") as temporary:
        model.save(temporary)
        add_metadata(temporary, metadata)
    with replacing(output / "backbone.weights.h5") as temporary:
        copy_backbone(model, config).save_weights(temporary)
    with replacing(output / "labels.txt") as temporary:
        temporary.write_text("\n".join(data.classes) + "\n", encoding="utf-8")
    step("evaluation")
    scores, labels = predict_source(model, data.splits["test"], len(data.classes), config.evaluation)
    cost = complexity(model)
    compared, exports, failed = _exports(model, config, data, metadata, step)
    # Without images for the validation, the test images stand for them.
    parts = {part: split for part, split in data.splits.items() if part == "test" or split is not data.splits["test"]}
    report = {
        "keras_lightnets": __version__,
        "model": config.model,
        **about,
        "classes": list(data.classes),
        "images": {part: split.count for part, split in parts.items()},
        "parameters": model.count_params(),
        "madds": cost.madds + cost.mix_madds,
        "test_accuracy": float(np.mean(scores.argmax(-1) == labels)),
        "test": summarize(scores, labels),
        "compared_accuracy": compared,
        "exports": exports,
        "failed_exports": failed,
    }
    if can_draw():
        draw_curve(report["history"], output / "training_curve.png")
    with replacing(output / "model_card.md") as temporary:
        temporary.write_text(model_card(report), encoding="utf-8")
    write_json(output / "report.json", report)
    return report


def _exports(model, config, data, metadata, step):
    output = Path(config.output)
    samples, labels = some_images(data.splits["test"], len(data.classes), config)
    step("saved_model")
    # A run interrupted here leaves a folder behind.
    shutil.rmtree(output / "saved_model", ignore_errors=True)
    reference = Reference(model, samples, labels)
    reports, failed = [write_saved_model(reference, output / "saved_model")], {}
    images, preprocessing = calibration_images(data, config), config.record.preprocessing
    with Exporter(model, images, reference, preprocessing=preprocessing) as exporter:
        for quantization in QUANTIZATIONS:
            path = output / f"model_{quantization or 'float32'}.tflite"
            step(path.name)
            try:
                reports.append(exporter.write(path, quantization, metadata))
            except NotWrittenError:
                raise
            except UserError as error:
                # The others are no worse for it.
                failed[path.name] = str(error)
                step(f"{path.name} failed, it is left out: {error}")
    step("latency")
    times = latencies([TFLiteModel(report.path) for report in reports[1:]])
    for report, milliseconds in zip(reports[1:], times, strict=True):
        report.latency_ms = milliseconds
    return reference.accuracy(), [{**report.to_dict(), "path": Path(report.path).name} for report in reports], failed


def some_images(source, classes, config):
    """Returns up to `_COMPARED_IMAGES` images of a source, drawn by the seed, as arrays."""
    count = min(source.count, _COMPARED_IMAGES)
    seed = keras.ops.convert_to_tensor([config.seed, 1], "int64")
    chosen = source._replace(count=count, ordered=lambda _: source.ordered(seed).take(count))
    batches = evaluation_batches(chosen, classes, config.evaluation).unbatch().take(count).batch(count)
    images, labels, _ = next(batches.as_numpy_iterator())
    return images, labels.argmax(-1)


def calibration_images(data, config):
    """Returns crops of training images for the ranges of activations, without mixing or distortion."""
    count = min(CALIBRATION_IMAGES, data.splits["train"].count)
    plain = {"jitter": 0.0, "randaugment": 0.0, "erasing": 0.0, "mixup": 0.0, "cutmix": 0.0}
    plain = dataclasses.replace(config, batch_size=count, steps_per_execution=1, **plain)
    batches = training_batches(data.splits["train"], len(data.classes), plain)
    return next(batches.as_numpy_iterator())[0]
