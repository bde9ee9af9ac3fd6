"""The command `optimize` on files and photos: what it writes, what it refuses, and what is left when it is killed."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from keras_lightnets import optimization
from keras_lightnets.cli.main import app
from keras_lightnets.errors import UserError
from keras_lightnets.export.interpreter import TFLiteModel
from tests.photos import save_model, small_network

COMMAND = (sys.executable, "-m", "keras_lightnets.cli.main")
SIZE = 16


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The file of a small float model."""
    return save_model(small_network(), tmp_path_factory.mktemp("float") / "model.keras")


def _arguments(model, photos, output, method, *more):
    files = ("--model", str(model), "--data", str(photos), "--output", str(output))
    return ["optimize", *files, "--method", method, "--epochs", "1", "--steps", "4", "--batch-size", "12", *more]


def _optimize(*arguments):
    result = CliRunner().invoke(app, _arguments(*arguments))
    assert result.exit_code == 0, result.exception
    return result.stdout


def _names(folder):
    return {path.name for path in folder.iterdir()}


def _check(output, *quantizations):
    """What holds for every method: the files, their rows, and a float file that is compared on the same images."""
    files = ["before.tflite", *(f"model_{quantization}.tflite" for quantization in quantizations)]
    assert {*files, "report.json"} <= _names(output) and not list(output.glob(".*"))
    report = json.loads((output / "report.json").read_text())
    assert [row["file"] for row in report["files"]] == files and report["images"] == 12
    for row in report["files"]:
        assert row["bytes"] == (output / row["file"]).stat().st_size > row["zipped_bytes"] > 0
        assert 0 <= row["accuracy"] <= 1 and row["agreement"] >= 0.75 and row["latency_ms"] > 0
    return report


# Post-training quantisation, and refusals of what it wrote


@pytest.fixture(scope="module")
def quantized(model, photos, tmp_path_factory):
    """The output folder of `ptq`, and what was printed."""
    output = tmp_path_factory.mktemp("quantized") / "ptq"
    return output, _optimize(model, photos, output, "ptq")


def test_ptq(model, quantized):
    output, stdout = quantized
    report = _check(output, "float16", "dynamic", "int8", "int16x8")
    for row in report["files"]:
        assert f"{row['file']} " in stdout
    assert [row["quantization"] for row in report["files"]] == [None, "float16", "dynamic", "int8", "int16x8"]
    worst = report["layer_errors"][0]
    assert f"{worst['layer']} " in stdout and worst["error"] == max(row["error"] for row in report["layer_errors"])
    assert "model.keras" not in _names(output)


def _pruned():
    network = small_network()
    for layer in network.layers:
        layer.set_weights([np.where(np.abs(w) < np.median(np.abs(w)), 0, w) for w in layer.get_weights()])
    return network


REFUSALS = {
    "unknown method": ("qatt", (), "`method` must be one of ptq, qat, prune, cluster. Received: method='qatt'"),
    "unknown engine": ("qat", ("--engine", "torch"), "`engine` must be one of keras, tfmot"),
    "rate": ("qat", ("--learning-rate", "0"), "`learning_rate` must be positive"),
    "layers kept float in training": ("qat", ("--keep-float", "stem"), "by the method ptq alone"),
    "no such layer": ("ptq", ("--keep-float", "nowhere"), "tiny has no layer 'nowhere'"),
    "no share": ("prune", ("--sparsity", "1.5"), "0 < sparsity < 1"),
    "one cluster": ("cluster", ("--clusters", "1"), "`n` must be an integer of at least 2"),
    "no data": ("ptq", ("--data", "nowhere"), "nowhere is not a folder"),
}
MODELS = {
    "missing": ("ptq", lambda path: path, "model.keras does not exist"),
    "no Keras model": ("ptq", lambda path: path.write_bytes(b"PK"), "model.keras is not a Keras model that can be"),
    "no labels": ("ptq", lambda path: small_network().save(path), "carries no labels"),
    "other classes": ("ptq", lambda path: save_model(small_network(), path, "xyz"), "they must be the same"),
    "quantised": (
        "ptq",
        lambda path: save_model(optimization.quantize_aware(small_network()), path),
        "tiny is quantisation-aware already",
    ),
    "pruned": ("cluster", lambda path: save_model(_pruned(), path), "tiny is pruned already"),
}


def _refused(arguments, message):
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, UserError), result.exception
    with pytest.raises(UserError, match=message) as caught:
        raise result.exception
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", REFUSALS)
def test_options_that_are_refused(name, model, photos, tmp_path):
    method, more, message = REFUSALS[name]
    _refused(_arguments(model, photos, tmp_path / "out", method, *more), message)
    assert not _names(tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_models_that_are_refused(name, photos, tmp_path):
    method, write, message = MODELS[name]
    write(tmp_path / "model.keras")
    _refused(_arguments(tmp_path / "model.keras", photos, tmp_path / "out", method), message)
    assert _names(tmp_path) <= {"model.keras"}


def test_files_that_are_somebody_elses(model, photos, quantized, tmp_path):
    finished = quantized[0] / "model_int8.tflite"
    _refused(_arguments(finished, photos, tmp_path / "out", "ptq"), "is finished already: give the .keras file")
    _refused(_arguments(model, photos, model.parent, "ptq"), "holds the float model, which stays as it is")
    (tmp_path / "precious.txt").write_text("mine")
    _refused(_arguments(model, photos, tmp_path, "ptq"), "holds other files, such as precious.txt. Choose another")
    assert _names(tmp_path) == {"precious.txt"} and _names(model.parent) == {"model.keras"}


@pytest.mark.slow
def test_a_training_that_diverges_is_one_line(model, photos, tmp_path):
    with np.errstate(all="ignore"):
        _refused(
            _arguments(model, photos, tmp_path / "out", "qat", "--learning-rate", "1e30"),
            "training diverged: choose a --learning-rate below 1e[+]30",
        )
    assert "model.keras" not in _names(tmp_path / "out")


# Training


def _zeros(trained):
    return optimization.sparsity(trained) == pytest.approx(0.6, abs=0.02)


def _clusters(trained):
    return len(np.unique(trained.get_layer("pointwise").get_weights()[0])) == 8


def _ranges(trained):
    return all(bool(layer.seen) for layer in trained.layers if isinstance(layer, optimization.FakeQuantize))


METHODS = {
    "qat": ((), ("int8",), _ranges),
    "qat by tfmot": (("--engine", "tfmot"), ("int8",), _ranges),
    "prune": (("--sparsity", "0.6"), ("float32", "int8"), _zeros),
    "cluster": (("--clusters", "8"), ("float32", "int8"), _clusters),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_methods_that_train(name, model, photos, quantized, tmp_path):
    more, quantizations, holds = METHODS[name]
    before, output = model.read_bytes(), tmp_path / "out"
    stdout = _optimize(model, photos, output, name.split()[0], *more)
    assert f"{name.split()[0]}: 1 x 4 steps, learning rate" in stdout
    report = _check(output, *quantizations)
    assert report["training_seconds"] > 0 and 0 <= report["keras_accuracy"] <= 1
    float_row = _check(quantized[0], "float16", "dynamic", "int8", "int16x8")["files"][0]
    assert report["files"][0]["accuracy"] == float_row["accuracy"]
    trained = keras.saving.load_model(output / "model.keras", compile=False)
    assert holds(trained) and model.read_bytes() == before
    # The file knows its classes, so that the other commands take it.
    files = ("--model", str(output / "model.keras"), "--data", str(photos), "--output", str(tmp_path / "evaluated"))
    evaluated = CliRunner().invoke(app, ["evaluate", *files])
    assert evaluated.exit_code == 0, evaluated.exception


def _start(arguments, ready):
    """Starts the command, and returns once a file is there."""
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not ready.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    return process


def _children(process):
    return [int(number) for number in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_it_leaves_the_float_model_and_can_be_repeated(number, model, photos, tmp_path):
    before, output = model.read_bytes(), tmp_path / "out"
    arguments = _arguments(model, photos, output, "prune")
    # While the float file is converted, in the child process that trains, and while the result is converted.
    for ready, trains in ((output, False), (output / "before.tflite.json", True), (output / "model.keras", False)):
        process = _start(arguments, ready)
        children = []
        while trains and not children:
            assert process.poll() is None
            children = _children(process)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=120)
        last_words = {signal.SIGTERM: (1, f"error: Interrupted: {model} is as it was.\n"), signal.SIGKILL: (-9, "")}
        assert (process.returncode, stderr) == last_words[number]
        deadline = time.monotonic() + 120
        while any(Path(f"/proc/{child}").exists() for child in children):
            assert time.monotonic() < deadline, "the child process trains on"
            time.sleep(0.1)
        assert model.read_bytes() == before and not (output / "report.json").exists()
    result = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    _check(output, "float32", "int8")
    assert model.read_bytes() == before
    assert TFLiteModel(output / "model_int8.tflite").input_shape == (1, SIZE, SIZE, 3)
