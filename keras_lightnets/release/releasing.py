"""Finished runs among the released models."""

import hashlib
import os
import shutil
from pathlib import Path

import h5py
import numpy as np

from keras_lightnets.data.opening import open_data
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.evaluating import open_known
from keras_lightnets.evaluation.measures import predict_source, summarize
from keras_lightnets.evaluation.opening import load_keras
from keras_lightnets.export.interpreter import TFLiteModel, latencies
from keras_lightnets.export.metadata import metadata_of
from keras_lightnets.export.verification import verify
from keras_lightnets.files import read_json, reading, replacing, write_json
from keras_lightnets.preprocessing import IMAGENET_STATISTICS, RAW, SYMMETRIC
from keras_lightnets.release.card import released_card
from keras_lightnets.training.config import make_config
from keras_lightnets.training.delivery import some_images
from keras_lightnets.training.recommending import recommended
from keras_lightnets.training.report import finished_report, read_report
from keras_lightnets.training.training import train
from keras_lightnets.weights.records import record as records
from keras_lightnets.weights.records.shipped import WEIGHTS

# The float16 file has half the size of the float32 file, at the same speed.
_INT8 = "model_int8.tflite"
_EXPORTS = ("model_float16.tflite", _INT8)
_LARGEST_LOSS = 0.01
# Arrays of this size and more are stored to compress well: a chunk costs more than it saves in smaller ones.
_SHUFFLED = 512
_WAY_OUT = "Restore it, or release into another folder."
_PREPROCESSING = {IMAGENET_STATISTICS: records.IMAGENET, SYMMETRIC: records.SYMMETRIC, RAW: records.INSIDE}


def released_path(run, folder):
    """Returns the Path that a run has in a folder of released models."""
    return Path(folder) / Path(run).resolve().name


def check_name(config, folder):
    """Raises a UserError if the folder of released models has the run's name, or its network with the same data."""
    target, entries = released_path(config.output, folder), _entries(folder)
    if target.exists() and not _unlisted(target, config, entries):
        raise UserError(f"{target} is released already. Remove it, or choose another name for the output.")
    with reading(_manifest(folder), _WAY_OUT):
        same = [name for name, entry in entries.items() if _identity(config).items() <= entry.items()]
    if others := [name for name in same if (Path(folder) / name).exists()]:
        raise UserError(
            f"{folder} has {config.model} with the weights {entries[others[0]]['weights']!r} already, in {others[0]}, "
            "and the name would mean both. Remove that one first."
        )


def _unlisted(target, config, entries):
    """Whether a kill came between the folder of this very run and its entry in the manifest."""
    if target.name in entries or not (target / "report.json").is_file():
        return False
    report = read_json(target / "report.json", f"Remove {target}.")
    return "released" in report and report.get("options") == config.settings


def _manifest(folder):
    return Path(folder) / "manifest.json"


def _entries(folder):
    manifest = _manifest(folder)
    return read_json(manifest, _WAY_OUT) if manifest.exists() else {}


def _identity(config):
    """What a released model is found by."""
    return {
        "weights": Path(config.data.removeprefix("tfds:")).name,
        "builder": config.record.builder.__name__,
        "arguments": config.record.kwargs,
    }


def release(
    run: str | os.PathLike, folder: str | os.PathLike, data: str, optimized: str | os.PathLike | None = None
) -> Path:
    """Adds a finished run of `train` to a folder of released models.

    A folder of the run's name gets the weights in float16, which are measured on the test images. It also gets a float
    and an int8 `.tflite` file, `report.json` and the model card. An entry with the sha256 of every file joins
    `manifest.json`.

    Args:
        run: str or Path of the output folder of a finished run.
        folder: str or Path.
        data: str, the data of the run, as in `open_data`. The weights are named after them.
        optimized: str or Path of a folder that `optimize --method qat` wrote for the run's `model.keras`. Its int8 file
            takes the place of the run's own. Defaults to None.

    Returns:
        The Path of the released model.

    Raises:
        UserError: if the run is not finished, the name or the network is released already, an export is missing, or the
            accuracy in float16 is lower by more than 0.01. If the optimized file is of another network or method, or no
            better than the run's own.

    Example:

    >>> keras_lightnets.training.release("runs/MicroNetM0", "saved_models", data="tfds:cifar10")
    """
    run, folder = Path(run), Path(folder)
    if not (run / "report.json").is_file():
        raise UserError(f"{run} holds no finished run: report.json is missing.")
    report = read_report(run)
    if "strategy" not in report:
        raise UserError(f"{run} is no run of `train`: only those have the layers of the builder.")
    for name in _EXPORTS:
        if not (run / name).is_file():
            raise UserError(f"{run} has no {name}: {report['failed_exports'].get(name, 'the export failed')}")
    config = make_config({**report["options"], "data": data, "output": str(run)})
    check_name(config, folder)
    if optimized is not None:
        _training(Path(optimized))
    target = released_path(run, folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        with replacing(target) as temporary:
            temporary.mkdir()
            _write(temporary, run, report, config, optimized)
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(target.iterdir())}
    entry = _entry(config, read_report(target))
    entries = {**_entries(folder), target.name: {**entry, "files": digests}}
    write_json(_manifest(folder), dict(sorted(entries.items())))
    return target


def _write(target, run, report, config, optimized):
    """Writes the files of a released model."""
    model = load_keras(run / "model.keras")
    _save_float16(model, target / WEIGHTS)
    measured = _measure(target / WEIGHTS, config, report["classes"])
    if not measured["top1"] >= report["test"]["top1"] - _LARGEST_LOSS:
        raise UserError(
            f"{run}: the weights in float16 reach a top-1 accuracy of {measured['top1']:.2%}, in float32 "
            f"{report['test']['top1']:.2%}."
        )
    for name in _EXPORTS:
        shutil.copy(run / name, target / name)
    exports = {export["path"]: export for export in report["exports"] if export["path"] in _EXPORTS}
    report["released"] = {"path": WEIGHTS, "size_bytes": (target / WEIGHTS).stat().st_size, **measured}
    if optimized is not None:
        better = _optimized(Path(optimized) / _INT8, target / _INT8, model, config)
        if not better["accuracy"] > exports[_INT8]["accuracy"]:
            raise UserError(
                f"{optimized}/{_INT8} has an accuracy of {better['accuracy']:.2%}, and the run's own file "
                f"{exports[_INT8]['accuracy']:.2%}: release the run without it."
            )
        shutil.copy(Path(optimized) / _INT8, target / _INT8)
        exports[_INT8] = {**better, "path": _INT8}
        report["released"]["int8"] = _training(Path(optimized))
    report["exports"] = list(exports.values())
    # Times of one moment: the files may be of different days.
    times = latencies([TFLiteModel(target / export["path"]) for export in report["exports"]])
    for export, milliseconds in zip(report["exports"], times, strict=True):
        export["latency_ms"] = milliseconds
    if "recommended" in report:
        report["recommended"]["path"] = recommended(report["exports"], "accuracy")
    write_json(target / "report.json", report)
    (target / "model_card.md").write_text(released_card(report, _identity(config)), encoding="utf-8")


def _optimized(path, own, model, config):
    """Returns the `Report` of an int8 file, as a dict, on the images that the run's own was measured on."""
    if metadata_of(path) != metadata_of(own):
        raise UserError(f"{path} is of another network, size or classes than the run. Give what was made of the run.")
    source = open_data(config.data, config.seed, config.holdout).splits["test"]
    samples, labels = some_images(source, len(metadata_of(own).labels), config)
    return verify(path, model, samples, labels, "int8").to_dict()


def _training(optimized):
    """Returns how the int8 file in a folder of `optimize` was trained. Raises a UserError if it was not."""
    report, way_out = optimized / "report.json", "Run `optimize` again."
    for path in (optimized / _INT8, report):
        if not path.is_file():
            raise UserError(f"{path} is missing: give the output of `optimize --method qat`.")
    with reading(report, way_out):
        options = read_json(report, way_out)["options"]
        training = {name: options[name] for name in ("method", "epochs", "steps", "batch_size", "learning_rate")}
    if (method := training["method"]) != "qat":
        raise UserError(f"{optimized} is of `optimize --method {method}`: give the output of `--method qat`.")
    return training


def _entry(config, report):
    """Returns what the manifest says about a released model, but for its files."""
    return {
        **_identity(config),
        "size": config.size,
        "preprocessing": _PREPROCESSING[config.record.preprocessing],
        "labels": report["classes"],
        "parameters": report["parameters"],
        "madds": report["madds"],
        "top1": report["released"]["top1"],
        "images": report["released"]["images"],
        "keras_lightnets": report["keras_lightnets"],
    }


def train_and_release(config, folder, console=None, optimized=None):
    """Trains as `training.train` does, and adds the run to a folder of released models unless it is there.

    Args:
        config: `Config`.
        folder: str or Path of the released models. A name that they have already is refused before the training.
        console: as in `training.train`. Defaults to None.
        optimized: as in `release`. Defaults to None.

    Returns:
        The report, as `training.train` does.
    """
    target = released_path(config.output, folder)
    ended = finished_report(config.output, config.settings) is not None
    released = ended and target.exists() and target.name in _entries(folder)
    if released and optimized is not None:
        raise UserError(f"{target} is released already. Remove it first, or leave `optimized` out.")
    if not ended:
        check_name(config, folder)
    if optimized is not None:
        _training(Path(optimized))
    report = train(config, console)
    if report is not None and not released:
        release(config.output, folder, config.data, optimized)
    return report


def _save_float16(model, path):
    """Writes a `.weights.h5` file of Keras with every number in float16."""
    model.save_weights(path)
    # The old layout of HDF5 takes half as much again for so many small arrays.
    with replacing(path) as half, h5py.File(path) as whole, h5py.File(half, "w", libver="latest") as file:

        def copy(name, item):
            if not isinstance(item, h5py.Dataset):
                file.require_group(name).attrs.update(item.attrs)
            elif item.dtype.kind != "f":
                file[name] = item[()]
            elif item.size < _SHUFFLED:
                file[name] = np.asarray(item, "float16")
            else:
                # High bytes beside high bytes: a wheel compresses them.
                file.create_dataset(name, data=_rounded(item), chunks=item.shape, shuffle=True)

        whole.visititems(copy)


def _rounded(array):
    """Returns an array in float16, its mantissa rounded from ten bits to eight."""
    bits = np.asarray(array, "float16").view("uint16").astype("uint32")
    return (bits + 1 + (bits >> 2 & 1) >> 2 << 2).astype("uint16").view("float16")


def _measure(weights, config, labels):
    """Returns the `summarize` of a weights file on the test images."""
    record = config.record
    shape = (config.size, config.size, 3)
    network = record.builder(**record.kwargs, weights=str(weights), input_shape=shape, classes=len(labels))
    data = open_known(config.data, config.seed, config.holdout, labels, weights)
    return summarize(*predict_source(network, data.splits["test"], len(labels), config.evaluation))
