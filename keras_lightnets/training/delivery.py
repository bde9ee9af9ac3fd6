"""The output folder of a run: models, exports that were run and compared, report, curve, tables and card."""

import dataclasses
import platform
import shutil
from pathlib import Path

import keras

from keras_lightnets.complexity import complexity
from keras_lightnets.data.pipeline import evaluation_batches, training_batches
from keras_lightnets.errors import NotWrittenError, UserError
from keras_lightnets.evaluation.drawing import can_draw, draw_curve
from keras_lightnets.export.images import CALIBRATION_IMAGES
from keras_lightnets.export.interpreter import TFLiteModel, latencies
from keras_lightnets.export.metadata import Metadata
from keras_lightnets.export.saved_model import write_saved_model
from keras_lightnets.export.tflite import Exporter
from keras_lightnets.export.verification import Reference
from keras_lightnets.files import add_metadata, replacing, write_json
from keras_lightnets.training.card import COMPARED, WORDS, model_card
from keras_lightnets.training.models import copy_backbone
from keras_lightnets.training.recommending import recommended
from keras_lightnets.version import __version__

# Exports are run one image at a time.
_COMPARED_IMAGES = 2000


def deliver(task, model, about, step):
    """Writes every file of the output folder.

    Args:
        task: `Classification`, `Detection` or `Segmentation`, which says what the files are measured by.
        model: the trained model, with a softmax if it is a classifier.
        about: dict with "options", "bad_images", "history" and "best_epoch" of the report.
        step: callable, told what is being written.

    Returns:
        The report, a dict of JSON values, as in `report.json`.
    """
    config, data = task.config, task.data
    output = Path(config.output)
    record = config.record
    crop = config.eval_crop if config.task == "classify" else 1.0
    shown = config.size, crop, record.preprocessing, config.task
    metadata = Metadata(config.model, data.classes, *shown, seed=config.seed).to_dict()
    step("model.keras")
    with replacing(output / "model.keras") as temporary:
        model.save(temporary)
        add_metadata(temporary, metadata)
    with replacing(output / "backbone.weights.h5") as temporary:
        copy_backbone(model, config).save_weights(temporary)
    with replacing(output / "labels.txt") as temporary:
        temporary.write_text("\n".join(data.classes) + "\n", encoding="utf-8")
    step("evaluation")
    measured = task.test(model)
    cost = complexity(model)
    compared, exports, failed = _exports(task, model, metadata, step)
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
        **measured,
        COMPARED[config.task]: compared,
        "exports": exports,
        "recommended": {
            "path": recommended(exports, WORDS[config.task].figure),
            "machine": platform.machine(),
        },
        "failed_exports": failed,
    }
    task.picture(model, output)
    if can_draw():
        draw_curve(report["history"], output / "training_curve.png")
    with replacing(output / "model_card.md") as temporary:
        temporary.write_text(model_card(report), encoding="utf-8")
    write_json(output / "report.json", report)
    return report


def _exports(task, model, metadata, step):
    output = Path(task.config.output)
    samples, labels = task.samples()
    step("saved_model")
    # A run interrupted here leaves a folder behind.
    shutil.rmtree(output / "saved_model", ignore_errors=True)
    reference = Reference(model, samples, labels)
    reports, failed = [write_saved_model(reference, output / "saved_model")], {}
    images, preprocessing = task.calibration_images(), task.config.record.preprocessing
    with Exporter(model, images, reference, preprocessing=preprocessing) as exporter:
        for name, how in task.files.items():
            step(name)
            try:
                reports.append(exporter.write(output / name, metadata=metadata, **how))
            except NotWrittenError:
                raise
            except UserError as error:
                # The others are no worse for it.
                failed[name] = str(error)
                step(f"{name} failed, it is left out: {error}")
    step("latency")
    times = latencies([TFLiteModel(report.path) for report in reports[1:]])
    for report, milliseconds in zip(reports[1:], times, strict=True):
        report.latency_ms = milliseconds
    rows = [{**report.to_dict(), "path": Path(report.path).name} for report in reports]
    return task.compared(reference, labels), rows, failed


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
