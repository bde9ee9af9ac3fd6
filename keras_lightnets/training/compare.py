"""Several networks under one budget, side by side."""

import dataclasses
import math
from pathlib import Path

from keras_lightnets.applications.catalog import find_model
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.drawing import draw_costs, require_matplotlib
from keras_lightnets.files import reading, write_csv, write_json
from keras_lightnets.training.card import WORDS, task_of
from keras_lightnets.training.report import read_report
from keras_lightnets.training.training import train

# The figures of a task, as the reports of its runs have them. Runs are sorted by the first.
FIGURES = {"classify": ("top1", "top5"), "detect": ("AP", "AP50"), "segment": ("mean_iou", "pixel_accuracy")}
_FLOAT = "model_float32.tflite"
_WAY_OUT = "Leave it out, or train again into another folder."


def compare(names, output, config=None, console=None):
    """Puts networks for one task side by side: accuracy against parameters, multiply-adds and latency.

    Args:
        names: list of str: output folders of finished runs, and names of networks to train first, each into a folder
            of `output`. A run that was interrupted continues, and a finished one is not repeated.
        output: str or Path of the folder to write `comparison.json`, `comparison.csv` and `comparison.png` into.
        config: `Config` that every named network is trained with. Defaults to None: folders of runs only.
        console: as in `train`. Defaults to None.

    Returns:
        A list of dicts in falling order of accuracy: "name", "model", "size", "epochs", "top1", "top5", "parameters",
        "madds", "latency_ms" (one image on one thread, float32), "size_bytes" and "int8_top1". Detectors have "AP",
        "AP50" and "int8_AP" instead, segmenters "mean_iou", "pixel_accuracy" and "int8_mean_iou".

    Raises:
        UserError: for a name that is neither, fewer than two, or runs for unequal tasks or on unequal test images.

    Example:

    >>> config = load_recipe("cifar10", data="tfds:cifar10")
    >>> compare(["MicroNetM0", "MobileNetV2-alpha=0.35"], "out", config)[0]["model"]
    """
    require_matplotlib("picture of the comparison")
    output = Path(output)
    if len(names) < 2:
        raise UserError("A comparison needs at least two runs or networks.")
    for name in names:
        if not (Path(name) / "report.json").is_file():
            if config is None:
                raise UserError(f"{name} is not the folder of a finished run; to train it, pass a recipe and data.")
            # Bad names are told before the first hour of training.
            dataclasses.replace(config, model=name).record  # noqa: B018
    folders = []
    for name in names:
        folder = Path(name)
        if not (folder / "report.json").is_file():
            folder = output / name
            train(dataclasses.replace(config, model=name, output=str(folder)), console)
        folders.append(folder)
    reports = read_runs(folders)
    first, _ = FIGURES[task_of(reports[0])]
    rows = sorted(map(_row, folders, reports), key=lambda row: -row[first])
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / "comparison.json", rows)
    write_csv(output / "comparison.csv", rows)
    drawn = [{**row, "family": find_model(row["model"]).family, "top1": 100 * row[first]} for row in rows]
    label = f"{WORDS[task_of(reports[0])].measure}, %"
    draw_costs(drawn, ("madds", "parameters", "latency_ms"), label, output / "comparison.png")
    return rows


def read_runs(folders):
    """Returns the reports of finished runs.

    Raises:
        UserError: if they are for unequal tasks, or were tested on unequal images.
    """
    reports, tested = [read_report(folder) for folder in folders], []
    for folder, report in zip(folders, reports, strict=True):
        with reading(folder / "report.json", _WAY_OUT):
            tested.append((task_of(report), report["classes"], report["images"]["test"]))
    for folder, images in zip(folders, tested, strict=True):
        if images != tested[0]:
            raise UserError(
                f"{folder.name} was tested on other images than {folders[0].name}: they cannot be compared."
            )
    return reports


def _row(folder, report):
    with reading(folder / "report.json", _WAY_OUT):
        task = task_of(report)
        figures = FIGURES[task]
        exports = {export["path"]: export for export in report["exports"]}
        if _FLOAT not in exports:
            raise UserError(f"{folder} has no {_FLOAT}, whose latency is compared: leave it out.")
        numbers = {
            "size": report["options"]["size"],
            "epochs": len(report["history"]),
            **{name: report["test"][name] for name in figures},
            "parameters": report["parameters"],
            "madds": report["madds"],
            "latency_ms": exports[_FLOAT]["latency_ms"],
            "size_bytes": exports[_FLOAT]["size_bytes"],
        }
        if wrong := [name for name, number in numbers.items() if not math.isfinite(number)]:
            raise ValueError(f"{wrong[0]} is {numbers[wrong[0]]}")
        int8 = exports.get("model_int8.tflite", {}).get(WORDS[task].figure)
        return {"name": folder.name, "model": report["model"], **numbers, f"int8_{figures[0]}": int8}
