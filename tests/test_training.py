"""The course of a run, its interruptions, and the commands around it."""

import ctypes
import json
import random
import resource
import shutil
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

from keras_lightnets.cli.main import app
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation import measures
from keras_lightnets.files import read_metadata
from keras_lightnets.training import load_recipe, release, train
from keras_lightnets.weights.records import shipped
from tests import distributed_run
from tests.photos import TINY, write_images
from tools import generate_study

COMMAND = (sys.executable, "-m", "keras_lightnets.cli.main")


class _Interrupted(Exception):
    pass


def _interrupt_at(step):
    class Callback(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1
            if self.steps == step:
                raise _Interrupted

    return Callback()


@pytest.mark.slow
@pytest.mark.chosen
def test_interrupted_anywhere_a_run_ends_with_the_same_bits(tmp_path, monkeypatch):
    """Mid-epoch, with everything that has a state: momentum, average, schedule, augmentation, dropout."""
    settings = {
        **{"batch_size": 8, "base_batch": 8, "epochs": 3, "checkpoint_steps": 2, "ema": 0.9, "warmup_epochs": 0.5},
        **{"flip": True, "crop_area": 0.5, "mixup": 0.2, "erasing": 0.3, "label_smoothing": 0.1},
    }
    noise = distributed_run.data
    monkeypatch.setattr(distributed_run, "data", lambda images: noise(40))
    plain = distributed_run.network

    def network():
        model = plain()
        pooled, head = model.layers[-2].output, model.layers[-1]
        return keras.Model(model.input, head(keras.layers.Dropout(0.5)(pooled)))

    monkeypatch.setattr(distributed_run, "network", network)
    _, whole = distributed_run.run("none", str(tmp_path / "whole"), **settings)
    for step in (3, 2, 4):
        callback = _interrupt_at(step)
        monkeypatch.setattr(
            "keras_lightnets.training.progress.Progress.epochs", lambda self, *args, callback=callback: callback
        )
        with pytest.raises(_Interrupted):
            distributed_run.run("none", str(tmp_path / "parts"), **settings)
    monkeypatch.undo()
    monkeypatch.setattr(distributed_run, "data", lambda images: noise(40))
    monkeypatch.setattr(distributed_run, "network", network)
    _, parts = distributed_run.run("none", str(tmp_path / "parts"), **settings)
    assert parts.step == whole.step == 15
    for name in ("checkpoint/kept.npz", "checkpoint/last.npz", "../{}.worker0.npz"):
        files = [np.load(tmp_path / run / name.format(run)) for run in ("whole", "parts")]
        assert files[0].files == files[1].files
        for array in files[0].files:
            if not array.endswith(".json"):
                np.testing.assert_array_equal(files[0][array], files[1][array])
    for before, after in zip(whole.history, parts.history, strict=True):
        for key in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
            assert before[key] == after[key]


def test_overflow_stops_and_keeps_the_last_good_weights(tmp_path):
    model, _ = distributed_run.run("none", str(tmp_path), epochs=2)
    with pytest.raises(
        UserError, match=r"is not finite at step \d+; the weights of step \d+ are in .* Lower"
    ) as caught:
        distributed_run.run("none", str(tmp_path), epochs=9, learning_rate=1e25, schedule="step")
    assert "\n" not in str(caught.value)
    model.load_weights(tmp_path / "last_good.weights.h5")
    assert all(np.isfinite(weights).all() for weights in model.get_weights())


def test_early_stop_and_logs(tmp_path):
    settings = {"epochs": 30, "learning_rate": 2.0, "patience": 2}
    _, checkpoint = distributed_run.run("none", str(tmp_path), **settings)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == checkpoint.history and len(lines) < 30
    assert (tmp_path / "log.csv").read_text().count("\n") == len(lines) + 1


def test_measures():
    scores = np.array([[0.9, 0.1, 0.0], [0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.4, 0.35, 0.25]])
    labels = np.array([0, 1, 2, 2])
    summary = measures.summarize(scores, labels)
    assert summary["images"] == 4 and summary["top1"] == 0.5 and summary["top5"] == 1.0
    assert summary["loss"] == pytest.approx(-np.mean(np.log([0.9, 0.3, 0.7, 0.25])))
    # Each image is alone in its bin.
    assert summary["calibration_error"] == pytest.approx((0.1 + 0.6 + 0.3 + 0.4) / 4)
    matrix = measures.confusion_matrix(scores, labels)
    assert matrix.tolist() == [[1, 0, 0], [1, 0, 0], [1, 0, 1]]
    rows = measures.class_table(matrix, "abc")
    assert rows[0] == {"class": "a", "images": 1, "recall": 1.0, "precision": pytest.approx(1 / 3)}
    assert rows[1]["precision"] is None and rows[2]["recall"] == 0.5


# The commands


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    """A finished run by the command, with a released copy."""
    output = tmp_path_factory.mktemp("trained") / "first"
    arguments = ["train", *TINY, "--data", str(photos), "--output", str(output), "--set", "epochs=2"]
    result = CliRunner().invoke(app, [*arguments, "--release", str(output.parent / "released")])
    assert result.exit_code == 0, result.exception
    return output, result.stdout, arguments


def test_train(trained):
    output, stdout, arguments = trained
    assert "Strategy none: 1 workers, 1 replicas; batch 16 = 1 x 16" in " ".join(stdout.split())
    assert "Learning rate 0.0005 = 0.004 x 16 / 128" in stdout
    report = json.loads((output / "report.json").read_text())
    assert report["images"] == {"train": 54, "validation": 6, "test": 12}
    assert len(report["history"]) == 2 and not (output / "checkpoint").exists()
    assert report["exports"][1]["max_abs_diff"] < 1e-4
    assert report["test"]["top1"] == report["test_accuracy"]
    names = {path.name for path in output.iterdir()}
    assert {
        "model.keras",
        "backbone.weights.h5",
        "log.csv",
        "log.jsonl",
        "training_curve.png",
        "model_card.md",
    } <= names
    released = output.parent / "released"
    (entry,) = json.loads((released / "manifest.json").read_text()).values()
    assert entry["top1"] == report["test"]["top1"]
    assert {path.name for path in (released / "first").iterdir()} == set(entry["files"])
    assert {"model.weights.h5", "model_float16.tflite", "model_int8.tflite"} < set(entry["files"])
    # The same command again shows the result, and trains nothing.
    before = (output / "report.json").stat().st_mtime_ns
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0 and "model_int8.tflite" in again.stdout
    assert (output / "report.json").stat().st_mtime_ns == before
    # It may be released later, and once.
    later = [*arguments, "--release", str(output.parent / "later")]
    for _ in range(2):
        assert CliRunner().invoke(app, later).exit_code == 0
    manifest = output.parent / "later" / "manifest.json"
    entries = json.loads(manifest.read_text())
    assert list(entries) == ["first"]
    # So does one that a kill left without its entry.
    manifest.unlink()
    assert CliRunner().invoke(app, later).exit_code == 0
    assert json.loads(manifest.read_text()) == entries
    refused = CliRunner().invoke(app, [*later, "--optimized", str(output)])
    assert "first is released already. Remove it first, or leave" in str(refused.exception)
    other = [*arguments, "--output", str(output.parent / "other"), "--seed", "1", "--release", str(released)]
    refused = CliRunner().invoke(app, other)
    assert "already, in first, and the name would mean both" in str(refused.exception)
    assert not (output.parent / "other").exists()
    refused = CliRunner().invoke(app, [*arguments, "--seed", "3"])
    assert "exists already: choose another or remove it" in str(refused.exception)


def test_release_with_another_int8_file(trained, photos, tmp_path):
    """The int8 file of `optimize` is measured on the run's images, and taken where it is better."""
    run, other = tmp_path / "run", tmp_path / "optimized"
    shutil.copytree(trained[0], run)
    with pytest.raises(UserError, match="optimized/model_int8.tflite is missing: give the output of `optimize"):
        release(run, tmp_path / "released", str(photos), other)
    other.mkdir()
    shutil.copy(run / "model_int8.tflite", other)
    options = {"method": "prune", "epochs": 3, "steps": 9, "batch_size": 16, "learning_rate": 1e-4}
    (other / "report.json").write_text(json.dumps({"options": options}))
    with pytest.raises(UserError, match="is of `optimize --method prune`: give the output of `--method qat`"):
        release(run, tmp_path / "released", str(photos), other)
    options["method"] = "qat"
    (other / "report.json").write_text(json.dumps({"options": options}))
    with pytest.raises(UserError, match="release the run without it"):
        release(run, tmp_path / "released", str(photos), other)
    report = json.loads((run / "report.json").read_text())
    (int8,) = (export for export in report["exports"] if export["path"] == "model_int8.tflite")
    own, int8["accuracy"] = int8["accuracy"], -1.0
    (run / "report.json").write_text(json.dumps(report))
    released = release(run, tmp_path / "released", str(photos), other)
    report = json.loads((released / "report.json").read_text())
    assert report["released"]["int8"] == options and report["exports"][1]["accuracy"] == own
    assert report["exports"][1]["path"] == "model_int8.tflite"
    card = (released / "model_card.md").read_text()
    assert "trained on with its rounding in place: `optimize --method qat`, 3 epochs of 9 steps at 0.0001." in card
    shutil.copy(shipped.FOLDER / "MicroNetM0" / "model_int8.tflite", other)
    with pytest.raises(UserError, match="is of another network, size or classes than the run"):
        release(run, tmp_path / "others", str(photos), other)
    assert not (tmp_path / "others" / "run").exists()
    with pytest.raises(UserError, match="`optimized` is for `release`"):
        train(load_recipe("cifar10", data=str(photos), output=str(run)), optimized=other)


def test_study(trained, tmp_path, monkeypatch):
    """Seeds of one network are one row, and what is not comparable is refused."""
    monkeypatch.setattr(generate_study, "PAGE", tmp_path / "study.md")
    monkeypatch.setattr(generate_study, "FILES", tmp_path / "study")
    report = json.loads((trained[0] / "report.json").read_text())
    for seed, top1 in enumerate((0.25, 0.75)):
        shutil.copytree(trained[0], tmp_path / "runs" / str(seed))
        report["options"]["seed"], report["test"]["top1"] = seed, top1
        (tmp_path / "runs" / str(seed) / "report.json").write_text(json.dumps(report))
    generate_study.main(tmp_path / "runs")
    text = (tmp_path / "study.md").read_text()
    assert "| MobileNet-alpha=0.25 | 50.00 (25.00-75.00) | 2 |" in text
    assert "--model NAME --seed 1 --output runs/NAME-1" in text
    assert {path.name for path in (tmp_path / "study").iterdir()} == {"study.csv", "study.png"}
    report["options"]["epochs"] = 3
    (tmp_path / "runs" / "1" / "report.json").write_text(json.dumps(report))
    with pytest.raises(UserError, match="runs holds runs of several sizes and epochs"):
        generate_study.main(tmp_path / "runs")


@pytest.mark.parametrize("file", ["model.keras", "model_float32.tflite"])
def test_evaluate(file, trained, photos, tmp_path):
    output, _, _ = trained
    result = CliRunner().invoke(
        app, ["evaluate", "--model", str(output / file), "--data", str(photos), "--output", str(tmp_path), "--json"]
    )
    assert result.exit_code == 0, result.exception
    measured = json.loads(result.stdout)
    report = json.loads((output / "report.json").read_text())["test"]
    assert {name: measured[name] for name in report} == pytest.approx(report, abs=1e-5)
    assert [row["images"] for row in measured["classes"]] == [4, 4, 4]
    assert {path.name for path in tmp_path.iterdir()} == {"evaluation.json", "classes.csv", "confusion.png"}


def test_evaluate_refuses_other_classes(trained, tmp_path):
    data = write_images(tmp_path / "photos", {"train": 4, "test": 1})
    for part in ("train", "test"):
        (data / part / "c").rename(data / part / "z")
    result = CliRunner().invoke(
        app, ["evaluate", "--model", str(trained[0] / "model.keras"), "--data", str(data), "--output", str(tmp_path)]
    )
    assert "they must be the same" in str(result.exception)


def test_evaluate_names_an_unreadable_image(trained, tmp_path):
    data = write_images(tmp_path / "photos", {"train": 4, "test": 2})
    (data / "test" / "b" / "001.jpg").write_bytes(b"\xff\xd8\xff no image")
    result = CliRunner().invoke(
        app, ["evaluate", "--model", str(trained[0] / "model.keras"), "--data", str(data), "--output", str(tmp_path)]
    )
    assert "b/001.jpg is not an image that can be read" in str(result.exception)


def test_compare(trained, tmp_path):
    output, _, _ = trained
    report = json.loads((output / "report.json").read_text())
    better = output.parent / "better"
    better.mkdir(exist_ok=True)
    report["test"]["top1"] = 1.5
    (better / "report.json").write_text(json.dumps(report))
    result = CliRunner().invoke(app, ["compare", str(output), str(better), "--output", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.exception
    rows = json.loads(result.stdout)
    assert [row["name"] for row in rows] == ["better", "first"]
    assert rows[0]["madds"] == report["madds"] and rows[0]["latency_ms"] > 0
    assert {path.name for path in tmp_path.iterdir()} == {"comparison.json", "comparison.csv", "comparison.png"}
    refused = CliRunner().invoke(
        app, ["train", *TINY, "--data", "none", "--output", str(better), "--release", str(output.parent)]
    )
    assert "better is released already" in str(refused.exception)
    refused = CliRunner().invoke(app, ["compare", str(output), "MicroNetM0", "--output", str(tmp_path)])
    assert "MicroNetM0 is not the folder of a finished run" in str(refused.exception)


def test_an_output_that_cannot_be_written_is_refused(photos, tmp_path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(
        app, ["train", *TINY, "--data", str(photos), "--output", str(tmp_path / "file" / "out")]
    )
    assert isinstance(result.exception, UserError) and "Cannot write" in str(result.exception)


def test_backbone_weights_are_taken_over(trained):
    from keras_lightnets.training import models

    config = load_recipe("cifar10", model="MobileNet-alpha=0.25", size=32)
    model = models.build(config, 7, weights=str(trained[0] / "backbone.weights.h5"))
    source = keras.saving.load_model(trained[0] / "model.keras", compile=False)
    for layer in [layer for layer in model.layers[:-4] if layer.weights]:
        for ours, theirs in zip(layer.get_weights(), source.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


# The long way


@pytest.mark.slow
def test_killed_eleven_times_a_run_ends_with_the_same_bits(photos, tmp_path):
    """Ten times at a random moment of the training, and once while the result is exported."""
    settings = {"epochs": 100, "checkpoint_steps": 1, "ema": 0.9, "randaugment": 5.0, "mixup": 0.2}

    def command(output):
        pairs = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
        return [*COMMAND, "train", *TINY, *pairs, "--data", str(photos), "--output", str(tmp_path / output)]

    def kill_after(file, seconds):
        before = file.stat().st_mtime_ns if file.exists() else None
        process = subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while not file.exists() or file.stat().st_mtime_ns == before:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        time.sleep(seconds)
        process.kill()
        process.communicate()

    subprocess.run(command("whole"), check=True, capture_output=True)
    chance, killed = random.Random(0), tmp_path / "killed"
    steps = []
    for _ in range(10):
        kill_after(killed / "checkpoint" / "last.npz", chance.uniform(0, 0.5))
        steps.append(read_metadata(killed / "checkpoint" / "last.npz")["step"])
    assert sorted(set(steps)) == steps and steps[-1] < 3 * settings["epochs"], steps
    kill_after(killed / "model.keras", 0.5)
    subprocess.run(command("killed"), check=True, capture_output=True)
    models = [keras.saving.load_model(tmp_path / run / "model.keras", compile=False) for run in ("whole", "killed")]
    for before, after in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(before, after)
    assert not [path for path in killed.rglob("*") if "partial" in path.name]


@pytest.mark.slow
def test_a_read_only_folder_is_one_line(photos, tmp_path):
    def drop_privilege():
        # PR_CAPBSET_DROP of CAP_DAC_OVERRIDE: from then on permissions hold for root too.
        ctypes.CDLL(None).prctl(24, 1)

    output = tmp_path / "archive"
    output.mkdir(mode=0o500)
    command = [*COMMAND, "train", *TINY, "--data", str(photos), "--output", str(output)]
    result = subprocess.run(command, capture_output=True, text=True, preexec_fn=drop_privilege)
    assert result.returncode == 1
    assert result.stderr == f"error: Cannot write {output}: Permission denied. Choose another output.\n"


@pytest.mark.slow
def test_a_full_disk_is_one_line(photos, tmp_path):
    """No file may grow beyond a limit, which fails writes as a full disk does."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    command = ["train", *TINY, "--data", str(photos), "--output", str(tmp_path / "out"), "--epochs", "2"]
    result = subprocess.run([*COMMAND, *command], capture_output=True, text=True, preexec_fn=limit)
    assert result.returncode == 1
    assert result.stderr.startswith("error: Cannot write ") and result.stderr.count("\n") == 1, result.stderr
    assert not [path for path in tmp_path.rglob("*") if "partial" in path.name]
