"""The whole way as a user goes it: the command, on real images, its files, its interruptions and its refusals."""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from keras_lightnets.cli.main import app
from keras_lightnets.data.digits import write_digits
from keras_lightnets.errors import UserError
from keras_lightnets.export import verify
from keras_lightnets.export.interpreter import TFLiteModel
from keras_lightnets.files import read_metadata

COMMAND = (sys.executable, "-m", "keras_lightnets.cli.main")
TFLITE = ("model_float32.tflite", "model_float16.tflite", "model_dynamic.tflite", "model_int8.tflite")


def _arguments(data, output, *more):
    # The smallest graph of all networks; MicroNet-M0 goes the same way in the slow tests.
    return [
        *("finetune", "--model", "MobileNet-alpha=0.25", "--data", str(data), "--output", str(output), "--size", "32"),
        *("--epochs", "12", "--batch-size", "16", "--no-flip", *more),
    ]


def _run(arguments, **kwargs):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, **kwargs)


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """Four of the ten digits, 80 images each."""
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder / "all")
    for name in "0123":
        for path in sorted((folder / "all" / name).iterdir())[:80]:
            target = folder / "four" / name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return folder / "four"


@pytest.fixture(scope="session")
def finished(digits, tmp_path_factory):
    """The output folder and the terminal of one finished run."""
    output = tmp_path_factory.mktemp("finished") / "out"
    result = _run(_arguments(digits, output))
    assert result.returncode == 0, result.stderr
    return output, result


def test_terminal(finished):
    output, result = finished
    assert result.stderr == ""
    assert "Split by seed 0" in result.stdout
    assert result.stdout.count("\nepoch ") == 12
    for name in ("model.keras", "saved_model", *TFLITE):
        assert f"\n{name} " in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_files_and_report(finished, digits):
    output, _ = finished
    report = json.loads((output / "report.json").read_text())
    assert report["classes"] == list("0123")
    assert report["images"] == {"train": 256, "validation": 32, "test": 32}
    assert [epoch["epoch"] for epoch in report["history"]] == list(range(1, 13))
    assert report["history"][-1]["accuracy"] > 0.5
    assert not (output / "checkpoint").exists()
    assert not list(output.glob(".*"))
    names = {"report.json", "model.keras", "backbone.weights.h5", "labels.txt", "training_curve.png", "model_card.md"}
    names |= {"log.csv", "log.jsonl"}
    exports = {"saved_model", *TFLITE}
    assert {path.name for path in output.iterdir()} == names | exports | {f"{name}.json" for name in exports}
    assert [export["path"] for export in report["exports"]] == ["saved_model", *TFLITE]
    card = (output / "model_card.md").read_text()
    assert "pass this square as the region of interest" in " ".join(card.split())
    assert f"{report['test_accuracy']:.2%}" in card and "256 images for training" in card
    with Image.open(output / "training_curve.png") as curve:
        assert curve.size == (960, 480)


def test_every_export_says_what_the_model_says(finished):
    output, _ = finished
    float32, float16, dynamic, int8 = json.loads((output / "report.json").read_text())["exports"][1:]
    assert float32["max_abs_diff"] < 1e-5 and float32["top1_agreement"] == 1.0
    assert float16["max_abs_diff"] < 0.02 and dynamic["max_abs_diff"] < 0.05
    assert int8["top1_agreement"] >= 0.9
    assert float32["partitions"] == float16["partitions"] == dynamic["partitions"] == 1
    assert int8["size_bytes"] < float32["size_bytes"]
    assert all(export["latency_ms"] > 0 for export in (float32, float16, dynamic, int8))
    for name in TFLITE:
        runner = TFLiteModel(output / name)
        assert runner.input_shape == (1, 32, 32, 3)
        assert not [operator for operator in runner.operators if operator.startswith("Flex") or operator == "CUSTOM"]


def test_a_file_of_another_model_is_told_apart(finished):
    output, _ = finished
    model = keras.saving.load_model(output / "model.keras")
    kernel = model.get_layer("predictions").kernel
    kernel.assign(np.roll(kernel.numpy(), 1, axis=1))
    report = verify(
        output / "model_float32.tflite", model, np.random.RandomState(0).randn(8, 32, 32, 3).astype("float32")
    )
    assert report.max_abs_diff > 0.01


def test_metadata_travels_in_the_file(finished):
    output, _ = finished
    for name in ("model.keras", *TFLITE):
        metadata = read_metadata(output / name)
        assert metadata["labels"] == list("0123")
        assert metadata["input"]["size"] == 32
        # A `.tflite` file takes raw pixels and normalises them inside.
        about = metadata["input"] if name == "model.keras" else metadata["input"]["inside"]
        assert about["mean"] == pytest.approx([127.5, 127.5, 127.5])


def test_predict(finished, digits):
    output, _ = finished
    images = [str(sorted((digits / label).iterdir())[0]) for label in "0123"]
    scores = {}
    for name in ("model.keras", "model_float32.tflite", "model_int8.tflite"):
        result = CliRunner().invoke(app, ["predict", "--model", str(output / name), "--top", "4", "--json", *images])
        rows = json.loads(result.stdout)
        assert [row["image"] for row in rows] == images
        scores[name] = [[dict(row["classes"])[label] for label in "0123"] for row in rows]
    np.testing.assert_allclose(np.sum(scores["model.keras"], -1), 1.0, atol=1e-5)
    np.testing.assert_allclose(scores["model_float32.tflite"], scores["model.keras"], atol=1e-5)
    assert np.abs(np.subtract(scores["model_int8.tflite"], scores["model.keras"])).mean() < 0.1


def test_a_finished_run_speaks_for_its_own_images_only(finished, digits, tmp_path):
    output, _ = finished
    other = tmp_path / "other"
    shutil.copytree(digits, other)
    (other / "0" / "more.png").write_bytes(next((digits / "0").iterdir()).read_bytes())
    assert "test" in CliRunner().invoke(app, _arguments(digits, output, "--resume"), catch_exceptions=False).stdout
    with pytest.raises(UserError, match="holds a finished run on other images: choose another output"):
        CliRunner().invoke(app, _arguments(other, output, "--resume"), catch_exceptions=False)
    command = ["evaluate", "--model", str(output / "model_int8.tflite"), "--data", str(digits), "--seed", "1"]
    with pytest.raises(UserError, match="was trained on the split of seed 0: leave --seed out"):
        CliRunner().invoke(app, [*command, "--output", str(tmp_path / "measured")], catch_exceptions=False)


# The loop itself is interrupted in test_training.py.
@pytest.mark.slow
def test_interrupted_and_resumed_comes_to_the_same_end(finished, digits, tmp_path):
    output = tmp_path / "out"
    last, done = output / "checkpoint" / "last.npz", 0
    # Ctrl-C, and what ends the job of a cluster.
    for number, more in ((signal.SIGINT, ()), (signal.SIGTERM, ("--resume",))):
        process = subprocess.Popen(
            [*COMMAND, *_arguments(digits, output, *more)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Whoever starts the tests in the background has Ctrl-C ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        while not last.exists() or len(read_metadata(last)["history"]) == done:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 1
        assert stderr.startswith("error: Interrupted: the last epoch is kept in ") and stderr.count("\n") == 1
        done = len(read_metadata(last)["history"])

    refused = CliRunner().invoke(app, _arguments(digits, output))
    assert "pass --resume" in str(refused.exception)
    refused = CliRunner().invoke(app, [*_arguments(digits, output, "--resume"), "--seed", "1"])
    assert "was begun with seed=0, not 1" in str(refused.exception)

    result = _run(_arguments(digits, output, "--resume"))
    assert result.returncode == 0, result.stderr
    assert f"Resuming after epoch {done}." in result.stdout
    reports = [json.loads((folder / "report.json").read_text()) for folder in (finished[0], output)]
    for before, after in zip(*(report["history"] for report in reports), strict=True):
        assert after["loss"] == pytest.approx(before["loss"], rel=1e-4)
    assert reports[0]["best_epoch"] == reports[1]["best_epoch"]


@pytest.mark.slow
def test_from_weights_the_head_comes_first_and_statistics_stay(finished, digits, tmp_path):
    weights = finished[0] / "backbone.weights.h5"
    result = _run([*_arguments(digits, tmp_path / "out", "--weights", str(weights)), "--frozen-epochs", "1"])
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [epoch["phase"] for epoch in report["history"]] == ["head", *12 * ["all"]]
    before = keras.saving.load_model(finished[0] / "model.keras")
    after = keras.saving.load_model(tmp_path / "out" / "model.keras")
    for old, new in zip(before.layers, after.layers, strict=True):
        if isinstance(old, keras.layers.BatchNormalization):
            for mine, theirs in zip(old.get_weights(), new.get_weights(), strict=True):
                np.testing.assert_array_equal(mine, theirs)


def _only_one_class(data):
    for name in "123":
        shutil.rmtree(data / name)


def _few_images(data):
    for path in sorted((data / "2").iterdir())[2:]:
        path.unlink()


def _bad_image(data):
    (data / "1" / "0000_bad.png").write_bytes(b"")


def _foreign_test_class(data):
    shutil.copytree(data / "0", data / "train" / "zero")
    shutil.copytree(data / "1", data / "train" / "one")
    shutil.copytree(data / "0", data / "test" / "zero")
    shutil.copytree(data / "2", data / "test" / "two")
    for name in "0123":
        shutil.rmtree(data / name)


REFUSALS = {
    "missing folder": (lambda data: shutil.rmtree(data), (), "data is not a folder"),
    "empty folder": (lambda data: [shutil.rmtree(child) for child in data.iterdir()], (), "holds no folders of images"),
    "one class": (_only_one_class, (), "holds one class only, '0'"),
    "few images": (_few_images, (), "class '2' needs at least 3"),
    "bad image": (_bad_image, (), "0000_bad.png is empty. Mend or remove it, or pass --skip-bad-images"),
    "unknown test class": (_foreign_test_class, (), "two is a class that .*train lacks"),
    "unknown model": (
        lambda data: None,
        ("--model", "MicroNet0"),
        "^There is no model 'MicroNet0'. Nearest: MicroNetM0",
    ),
    "small input": (lambda data: None, ("--size", "16"), "Input size must be at least 32x32"),
    "missing weights": (lambda data: None, ("--weights", "no.weights.h5"), "no.weights.h5"),
    "weights of another network": (lambda data: None, ("--weights", "OTHER"), "other.weights.h5 does not fit"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_leave_nothing_behind(name, digits, tmp_path):
    spoil, more, message = REFUSALS[name]
    data, output = tmp_path / "data", tmp_path / "out"
    shutil.copytree(digits, data)
    spoil(data)
    if "OTHER" in more:
        other = tmp_path / "other.weights.h5"
        keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3)]).save_weights(other)
        more = ("--weights", str(other))
    result = CliRunner().invoke(app, [*_arguments(data, output), *more])
    assert isinstance(result.exception, UserError)
    with pytest.raises(UserError, match=message):
        raise result.exception
    assert not output.exists()


def test_a_refusal_is_one_line_and_a_status(digits, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.txt").write_text("mine")
    result = _run(_arguments(digits, tmp_path / "out"))
    assert result.returncode == 1
    assert result.stderr == f"error: The output {tmp_path / 'out'} exists already: choose another or remove it.\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["precious.txt"]


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_keeps_the_checkpoint(digits, tmp_path):
    """No file may grow beyond a limit, which fails writes as a full disk does, once the checkpoints have passed it."""
    output = tmp_path / "out"

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))

    result = _run(_arguments(digits, output), preexec_fn=limit)
    assert result.returncode == 1
    assert result.stderr.startswith("error: Cannot write ") and result.stderr.count("\n") == 1, result.stderr
    assert os.strerror(errno.EFBIG) in result.stderr or "write" in result.stderr
    assert not [path for path in output.rglob("*") if "partial" in path.name]


@pytest.mark.slow
def test_skipping_bad_images_names_and_counts_them(digits, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(digits, data)
    _bad_image(data)
    good = sorted((data / "2").iterdir())[0]
    good.with_name("0000_cut.png").write_bytes(good.read_bytes()[:60])
    more = ("--skip-bad-images", "--epochs", "1", "--model", "MicroNetM0")
    result = _run(_arguments(data, tmp_path / "out", *more))
    assert result.returncode == 0, result.stderr
    assert "2 images left out" in result.stdout
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [Path(message.split()[0]).name for message in report["bad_images"]] == ["0000_bad.png", "0000_cut.png"]


PREDICT_REFUSALS = {
    "not a model": ("text.tflite", "is not a TFLite model"),
    "cut short": ("cut.tflite", "is damaged"),
    "missing": ("missing.tflite", "does not exist"),
    "another kind": ("model.onnx", "neither a .tflite nor a .keras file"),
    "no keras model": ("text.keras", "is not a Keras model"),
}


@pytest.mark.parametrize("name", PREDICT_REFUSALS)
def test_predict_refuses(name, finished, digits, tmp_path):
    file, message = PREDICT_REFUSALS[name]
    for text in ("text.tflite", "text.keras", "model.onnx"):
        (tmp_path / text).write_text("no model at all")
    whole = (finished[0] / "model_float32.tflite").read_bytes()
    (tmp_path / "cut.tflite").write_bytes(whole[: len(whole) // 3])
    image = next((digits / "0").iterdir())
    result = CliRunner().invoke(app, ["predict", "--model", str(tmp_path / file), str(image)])
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception) and "\n" not in str(result.exception)


def test_predict_names_a_bad_image(finished, tmp_path):
    (tmp_path / "empty.png").touch()
    result = CliRunner().invoke(app, ["predict", "--model", str(finished[0] / TFLITE[0]), str(tmp_path / "empty.png")])
    assert "empty.png is empty" in str(result.exception)
