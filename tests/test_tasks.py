"""Detectors and segmenters as users train them: the commands, their files and their refusals."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from typer.testing import CliRunner

import keras_lightnets as kl
from keras_lightnets.cli.main import app
from keras_lightnets.data.annotations import open_annotated, targets
from keras_lightnets.data.digit_scenes import write_digit_scenes
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.prediction import predict
from keras_lightnets.export.metadata import Metadata
from keras_lightnets.files import add_metadata, read_metadata
from keras_lightnets.training import Config, load_recipe, recipes
from keras_lightnets.training.distribution import Distribution
from keras_lightnets.training.models import build_backbone
from keras_lightnets.training.progress import Progress
from keras_lightnets.training.task import Task
from keras_lightnets.training.tasks import TASKS

TFLITE = ("model_float32.tflite", "model_float16.tflite", "model_int8.tflite")
FIGURES = {"detect": "average_precision", "segment": "mean_iou"}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_digit_scenes(folder, {"train": 40, "test": 12})
    return folder


def _arguments(task, data, output, *more):
    return [
        *("finetune", "--task", task, "--model", "MobileNet-alpha=0.25", "--data", str(data), "--output", str(output)),
        *("--size", "32", "--epochs", "2", "--batch-size", "16", "--head-width", "0.1", "--no-flip", *more),
    ]


def _run(arguments):
    result = CliRunner().invoke(app, arguments)
    if result.exception:
        raise result.exception
    return result.stdout


@pytest.fixture(scope="module")
def finished(scenes, tmp_path_factory):
    """Function from a task to the output folder and the terminal of its finished run."""
    runs = {}

    def run(task):
        if task not in runs:
            output = tmp_path_factory.mktemp(task) / "out"
            runs[task] = output, _run(_arguments(task, scenes / "one", output))
        return runs[task]

    return run


def test_scenes(scenes):
    """Boxes hold the ink of their digits, and the training digits are others than the test digits."""
    boxed, masked = (open_annotated(scenes / "ten", task, seed=0, holdout=0.0) for task in ("detect", "segment"))
    assert boxed.classes == tuple("0123456789") and masked.classes == ("background", *boxed.classes)
    for objects, mask in zip(targets(boxed.splits["test"]), targets(masked.splits["test"]), strict=True):
        assert mask.shape == (128, 128) and len(objects["labels"])
        for label, box in zip(objects["labels"], np.rint(objects["boxes"] * 128).astype(int), strict=True):
            top, left, bottom, right = box
            ink = mask[top:bottom, left:right] == label + 1
            assert ink.any(axis=0)[[0, -1]].all() and ink.any(axis=1)[[0, -1]].all()


@pytest.mark.slow
@pytest.mark.parametrize("task", FIGURES)
def test_a_run_from_photos_to_files(finished, task):
    output, terminal = finished(task)
    report = json.loads((output / "report.json").read_text())
    assert report["options"]["task"] == task and len(report["history"]) == 2
    assert report["images"] == {"train": 36, "validation": 4, "test": 12}
    own = ["model_detections.tflite"] if task == "detect" else []
    assert [export["path"] for export in report["exports"]] == ["saved_model", *TFLITE, *own]
    figure = report[f"compared_{FIGURES[task]}"]
    float32 = report["exports"][1]
    assert float32["max_abs_diff"] < 1e-4 and float32[FIGURES[task]] == pytest.approx(figure, abs=1e-4)
    for name in ("model.keras", *TFLITE):
        assert f"\n{name} " in terminal
        about = read_metadata(output / name)
        assert about["task"] == task and about["labels"][-1] == "digit" and about["input"]["size"] == 32
    card = (output / "model_card.md").read_text()
    assert {"detect": "Detector (SSDLite)", "segment": "Segmenter (LR-ASPP)"}[task] in card
    with Image.open(output / "held_out.png") as picture:
        assert picture.size == (4 * 224, 3 * 224)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "method"), [("detect", "ptq"), ("segment", "ptq"), ("segment", "qat")])
def test_a_finished_run_is_optimized(finished, scenes, tmp_path, task, method):
    model = finished(task)[0] / "model.keras"
    command = ["optimize", "--model", str(model), "--data", str(scenes / "one"), "--output", str(tmp_path)]
    report = json.loads(_run([*command, "--method", method, "--epochs", "1", "--batch-size", "20", "--json"]))
    kinds = ("float16", "int8", "int16x8") if method == "ptq" else ("int8",)
    files = ["before.tflite", *(f"model_{kind}.tflite" for kind in kinds)]
    assert [row["file"] for row in report["files"]] == files
    for row in report["files"]:
        assert row["bytes"] == (tmp_path / row["file"]).stat().st_size and row["latency_ms"] > 0
        assert 0 <= row[FIGURES[task]] <= 1


@pytest.mark.slow
@pytest.mark.parametrize("task", FIGURES)
def test_finished_runs_are_compared(finished, tmp_path, task):
    output = finished(task)[0]
    shutil.copytree(output, tmp_path / "again")
    first, second = json.loads(
        _run(["compare", str(output), str(tmp_path / "again"), "--output", str(tmp_path), "--json"])
    )
    figure = {"detect": "AP", "segment": "mean_iou"}[task]
    report = json.loads((output / "report.json").read_text())
    assert first[figure] == second[figure] == report["test"][figure] and second["name"] == "again"
    assert first["parameters"] == report["parameters"] and (tmp_path / "comparison.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in recipes() if load_recipe(name).task != "classify"])
def test_recipes_train(scenes, tmp_path, monkeypatch, name):
    """Each recipe takes its first steps. What comes after them is the same for every network."""
    reports, config = [], load_recipe(name, size=64)
    monkeypatch.setattr(Task, "deliver", lambda task, model, about, step: about)
    monkeypatch.setattr(Progress, "result", lambda progress, report, output: reports.append(report))
    weights = tmp_path / "backbone.weights.h5"
    build_backbone(config).save_weights(weights)
    files = ("--data", str(scenes / "one"), "--output", str(tmp_path / "out"))
    backbone = ("--weights", str(weights)) if config.weights or "--weights" in config.about["command"] else ()
    _run(["train", "--recipe", name, *files, *backbone, "--size", "64", "--epochs", "1", "--batch-size", "20"])
    (epoch,) = reports[0]["history"]
    assert np.isfinite(epoch["loss"]) and np.isfinite(epoch["val_loss"])


def _untrained(task, path):
    """Writes a network of random weights as `finetune` writes it."""
    config = Config("MobileNet-alpha=0.25", task=task, size=32, head_width=0.1)
    labels = ["digit"] if task == "detect" else ["background", "digit"]
    TASKS[task].build(config, len(labels)).save(path)
    add_metadata(path, Metadata(config.model, labels, 32, 1.0, config.record.preprocessing, task).to_dict())


@pytest.mark.parametrize("task", ["detect", pytest.param("segment", marks=pytest.mark.slow)])
def test_predict_draws(scenes, tmp_path, task):
    photo = scenes / "one" / "test" / "images" / "0000.jpg"
    _untrained(task, tmp_path / "model.keras")
    command = ["predict", "--model", str(tmp_path / "model.keras"), "--output", str(tmp_path), str(photo)]
    (row,) = json.loads(_run([*command, "--json"]))
    assert row["image"] == str(photo) and row["picture"] == str(tmp_path / "0000.png")
    if task == "detect":
        assert all(set(found) == {"class", "score", "box"} and len(found["box"]) == 4 for found in row["objects"])
    else:
        assert sum(share for _, share in row["classes"]) == pytest.approx(1.0)
    with Image.open(tmp_path / "0000.png") as picture:
        assert picture.size == (256, 256)
    assert "drawn: " in _run(command)
    # The photo of the user, and the pictures of photos of one name.
    own = tmp_path / "0000.png"
    with pytest.raises(UserError, match="0000.png would replace .*choose another folder"):
        predict(tmp_path / "model.keras", [own], output=tmp_path)
    copies = [tmp_path / name for name in ("x/a.jpg", "y/a.jpg", "a_1.jpg")]
    for copy in copies:
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(photo, copy)
    drawn = [row["picture"] for row in predict(tmp_path / "model.keras", copies, output=tmp_path / "drawn")]
    assert len(set(drawn)) == len(list((tmp_path / "drawn").iterdir())) == 3


def test_several_workers_train_the_loss_of_the_detector():
    """Around its layers `fit` gets another model, which must not lose the loss and the names of the outputs."""
    backbone = kl.MobileNet(alpha=0.25, weights=None, include_top=False, input_shape=(32, 32, 3))
    detector = kl.SSDLite(backbone, classes=1, widths=())
    trainee = Distribution("multiworker", tf.distribute.get_strategy(), workers=2).trainee(detector)
    objects = {"boxes": np.array([[[0.1, 0.2, 0.7, 0.8]]] * 2, "float32"), "labels": np.zeros((2, 1), int)}
    images = np.random.RandomState(0).rand(2, 32, 32, 3).astype("float32")
    trainee.compile(keras.optimizers.SGD(0.0), run_eagerly=True, jit_compile=False)
    loss = trainee.test_step((images, objects))["loss"]
    detector.compile(run_eagerly=True, jit_compile=False)
    assert loss.shape == (1,) and float(loss[0]) == pytest.approx(float(detector.test_step((images, objects))["loss"]))


def _with_a_bird(data):
    path = data / "train" / "annotations.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "categories": [*content["categories"], {"id": 7, "name": "bird"}]}))


REFUSALS = {
    "unknown task": (("--task", "find"), None, "`task` must be one of classify, detect, segment"),
    "a classifier's head": (("--task", "classify"), None, "head_width=0.1 is for the task detect or segment"),
    "a class without boxes": ((), _with_a_bird, "no training image with an object of class 'bird'"),
    "no annotations": ((), lambda data: (data / "train" / "annotations.json").unlink(), "annotated images for train"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_leave_nothing_behind(name, scenes, tmp_path):
    more, spoil, message = REFUSALS[name]
    data, output = tmp_path / "data", tmp_path / "out"
    shutil.copytree(scenes / "one", data)
    if spoil:
        spoil(data)
    with pytest.raises(UserError, match=message) as refusal:
        _run(_arguments("detect", data, output, *more))
    assert "\n" not in str(refusal.value) and not output.exists()


@pytest.mark.parametrize(("task", "more"), [("detect", ("--top", "2")), ("classify", ("--output", "out"))])
def test_arguments_of_other_networks(scenes, task, more, tmp_path):
    photo = str(scenes / "one" / "test" / "images" / "0000.jpg")
    model = tmp_path / "model.keras"
    if task == "classify":
        _classifier(model)
    else:
        _untrained(task, model)
    with pytest.raises(UserError, match=more[0]):
        _run(["predict", "--model", str(model), *more, photo])


def _classifier(path):
    image = keras.Input((32, 32, 3))
    keras.Model(image, keras.layers.Dense(2, "softmax")(keras.layers.GlobalAveragePooling2D()(image))).save(path)
