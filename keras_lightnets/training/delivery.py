"""The output folder of a run: models, exports that were run and compared, report, curve and card."""

import shutil
from pathlib import Path

import keras
import numpy as np

from keras_lightnets.export.files import add_metadata, replacing, write_json
from keras_lightnets.export.interpreter import TFLiteModel, latencies
from keras_lightnets.export.saved_model import to_saved_model
from keras_lightnets.export.tflite import CALIBRATION_IMAGES, QUANTIZATIONS, static_graph, write_tflite
from keras_lightnets.training.batches import Batches, normalised
from keras_lightnets.training.card import model_card
from keras_lightnets.training.checkpoint import best_epoch
from keras_lightnets.training.phases import HEAD
from keras_lightnets.version import __version__


def deliver(model, options, folder, images, bad_images, history, step):
    """Writes every file of the output folder.

    Args:
        model: the trained model.
        options: `Options`.
        folder: `Folder`.
        images: dict from split name to `Images`; the test images are what every export is compared on.
        bad_images: list of messages about images left out.
        history: list of dicts, one per epoch.
        step: callable, told what is being written.

    Returns:
        The report, a dict of JSON values, as in `report.json`.
    """
    output, preprocessing = Path(options.output), options.record.preprocessing
    samples, labels = normalised(images["test"], preprocessing), images["test"].labels
    metadata = {
        "keras_lightnets": __version__,
        "model": options.model,
        "labels": folder.classes,
        "input": {
            "size": options.size,
            "image": "central square, scaled bilinearly",
            "channels": "RGB",
            "pixels": "(0..255 - mean) / std",
            "mean": preprocessing.mean,
            "std": preprocessing.std,
        },
    }
    step("model.keras")
    with replacing(output / "model.keras") as temporary:
        model.save(temporary)
        add_metadata(temporary, metadata)
    with replacing(output / "backbone.weights.h5") as temporary:
        keras.Model(model.input, model.get_layer(HEAD[0]).input).save_weights(temporary)
    with replacing(output / "labels.txt") as temporary:
        temporary.write_text("\n".join(folder.classes) + "\n", encoding="utf-8")
    report = {
        "keras_lightnets": __version__,
        "model": options.model,
        "options": {name: value for name, value in vars(options).items() if name not in ("data", "output")},
        "classes": list(folder.classes),
        "images": {part: len(split.labels) for part, split in images.items()},
        "bad_images": bad_images,
        "parameters": model.count_params(),
        "history": history,
        "best_epoch": best_epoch(history)["epoch"],
        "test_accuracy": float(np.mean(model.predict(samples, batch_size=256, verbose=0).argmax(-1) == labels)),
        "exports": _exports(model, options, images, samples, labels, metadata, step),
    }
    with replacing(output / "training_curve.png") as temporary:
        _draw_curve(history, temporary)
    with replacing(output / "model_card.md") as temporary:
        temporary.write_text(model_card(report), encoding="utf-8")
    write_json(output / "report.json", report)
    return report


def _exports(model, options, images, samples, labels, metadata, step):
    output = Path(options.output)
    step("saved_model")
    # A run interrupted here leaves a folder behind.
    shutil.rmtree(output / "saved_model", ignore_errors=True)
    reports = [to_saved_model(model, output / "saved_model", samples, labels)]
    batches = Batches(images["train"], options)
    calibration = [batches[i][0] for i in range(min(len(batches), -(-CALIBRATION_IMAGES // options.batch_size)))]
    with static_graph(model) as graph:
        for quantization in QUANTIZATIONS:
            path = output / f"model_{quantization or 'float32'}.tflite"
            step(path.name)
            reports.append(write_tflite(graph, model, path, quantization, calibration, samples, labels, metadata))
    step("latency")
    times = latencies([TFLiteModel(report.path) for report in reports[1:]])
    for report, milliseconds in zip(reports[1:], times, strict=True):
        report.latency_ms = milliseconds
    return [{**report.to_dict(), "path": Path(report.path).name} for report in reports]


def _draw_curve(history, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    epochs = [epoch["epoch"] for epoch in history]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, [epoch[name] for epoch in history], label="training")
        axes.plot(epochs, [epoch[f"val_{name}"] for epoch in history], label="validation")
        for last, following in zip(history, history[1:], strict=False):
            if last["phase"] != following["phase"]:
                axes.axvline(last["epoch"] + 0.5, color="grey", linestyle=":", label="all layers trained")
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.legend()
    figure.savefig(path, dpi=120)
