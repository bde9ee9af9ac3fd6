"""Training by recipes: settings, data, the exact course of a run, its interruptions and refusals."""

import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from typer.testing import CliRunner

from keras_lightnets.cli import app
from keras_lightnets.errors import UserError
from keras_lightnets.training import load_recipe, measures, recipes
from keras_lightnets.training.config import Config, Evaluation, make_config
from keras_lightnets.training.distribution import distribute, meet
from keras_lightnets.training.optimization import decayed_paths, learning_rate, make_optimizer
from keras_lightnets.training.pipeline import evaluation_batches, evaluation_steps, training_batches
from keras_lightnets.training.sources import arrays, open_data
from tests import distributed_run

ROOT = Path(__file__).parents[1]
TINY = ("--recipe", "cifar10", "--model", "MobileNet-alpha=0.25", "--size", "32", "--batch-size", "16")


def write_images(folder, counts, suffix=".jpg"):
    """Writes images of a few classes, each of its own brightness, one folder a class."""
    random = np.random.default_rng(0)
    for part, count in counts.items():
        for number, name in enumerate("abc"):
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 60, (36, 40, 3)) + 80 * number
                Image.fromarray(pixels.astype("uint8")).save(folder / part / name / f"{i:03d}{suffix}")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("photos"), {"train": 20, "test": 4})


# Settings


@pytest.mark.parametrize("name", recipes())
def test_recipes_say_what_they_are(name):
    config = load_recipe(name)
    assert set(config.about) == {"command", "source", "hardware", "top1"} and all(config.about.values())
    assert f"--recipe {name} " in config.about["command"]
    if name.endswith("_imagenet"):
        assert float(config.about["top1"].split()[0]) == config.record.top1
        assert config.holdout == 0 and config.size == config.record.input_size


SETTINGS_REFUSALS = {
    "unknown name": ({"epoch": 3}, "there is no setting 'epoch'. Nearest: epochs"),
    "wrong type": ({"epochs": "many"}, "epochs must be of type int. Received: epochs='many'"),
    "a fraction": ({"epochs": "2.5"}, "epochs must be of type int"),
    "unknown model": ({"model": "MicroNet0"}, "There is no model 'MicroNet0'"),
    "unknown optimizer": ({"optimizer": "adam"}, "`optimizer` must be one of sgd, rmsprop, adamw"),
    "parameter server": ({"strategy": "ParameterServer"}, "is not supported by Keras 3: use mirrored or multiworker"),
    "central storage": ({"strategy": "central_storage"}, "is not supported by Keras 3"),
    "unknown strategy": ({"strategy": "both"}, "`strategy` must be one of auto, none, mirrored, multiworker, tpu"),
    "no epochs": ({"epochs": 0}, "`epochs` must be at least 1"),
    "smoothing": ({"label_smoothing": 1.0}, r"`label_smoothing` must be in \[0, 1\)"),
    "crop": ({"crop_area": 0.0}, r"`crop_area` must be in \(0, 1\]"),
}


@pytest.mark.parametrize("name", SETTINGS_REFUSALS)
def test_settings_refusals(name):
    values, message = SETTINGS_REFUSALS[name]
    with pytest.raises(UserError, match=message):
        load_recipe("cifar10", **values).record  # noqa: B018


def test_a_recipe_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('model = "MicroNetM0"\nepochs = 7\nflip = false\n')
    assert load_recipe(str(path), epochs="9") == Config("MicroNetM0", epochs=9, flip=False)
    with pytest.raises(UserError, match="There is no recipe 'cifar'. Nearest: cifar10"):
        load_recipe("cifar")


SCHEDULES = {
    "cosine": ({}, {0: 1.0, 50: 0.5, 100: 0.0}),
    "linear": ({"schedule": "linear"}, {0: 1.0, 25: 0.75, 100: 0.0}),
    "step": ({"schedule": "step", "step_epochs": 3.0, "step_factor": 0.1}, {0: 1.0, 29: 1.0, 30: 0.1, 60: 0.01}),
    "warm-up": ({"schedule": "linear", "warmup_epochs": 2.0}, {0: 0.1, 10: 0.55, 20: 1.0, 60: 0.5, 100: 0.0}),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    settings, expected = SCHEDULES[name]
    rate = learning_rate(Config("MicroNetM0", **settings), 1.0, epochs=10, steps_per_epoch=10)
    assert {step: float(rate(step)) for step in expected} == pytest.approx(expected, abs=1e-6)


def test_what_is_decayed():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 1, name="conv")(image)
    x = keras.layers.BatchNormalization(name="bn")(keras.layers.DepthwiseConv2D(3, name="dw")(x))
    model = keras.Model(image, keras.layers.Dense(2, name="fc")(keras.layers.GlobalAveragePooling2D()(x)))
    pointwise = {"conv/kernel", "fc/kernel"}
    assert decayed_paths(model, "pointwise") == pointwise
    assert decayed_paths(model, "kernels") == pointwise | {"dw/kernel"}
    assert len(decayed_paths(model, "all")) == len(model.trainable_variables)
    for optimizer in ("sgd", "rmsprop"):
        config = Config("MicroNetM0", optimizer=optimizer, momentum=0.0, rho=0.0, epsilon=1e-12, weight_decay=0.5)
        before = model.get_layer("fc").kernel.numpy(), model.get_layer("fc").bias.numpy()
        gradients = [tf.zeros_like(variable) + 0.25 for variable in model.trainable_variables]
        make_optimizer(config, model, 0.1).apply(gradients, model.trainable_variables)
        step = 0.25 + 0.5 * before[0]
        expected = step if optimizer == "sgd" else np.sign(step)
        np.testing.assert_allclose(before[0] - model.get_layer("fc").kernel, 0.1 * expected, atol=1e-6)
        expected = 0.25 if optimizer == "sgd" else 1.0
        np.testing.assert_allclose(before[1] - model.get_layer("fc").bias, 0.1 * expected, atol=1e-6)


# Data

AUGMENTED = {"randaugment": 9.0, "erasing": 0.5, "mixup": 0.2, "cutmix": 1.0, "jitter": 0.4}


def _noise(count=50):
    random = np.random.default_rng(0)
    return arrays(random.integers(0, 255, (count, 20, 20, 3), "uint8"), np.arange(count) % 5)


def _batches(count, source=None, **kwargs):
    settings = {"model": "MicroNetM0", "size": 16, "batch_size": 8, **kwargs.pop("settings", {})}
    data = training_batches(source or _noise(), 5, make_config(settings), **kwargs)
    return list(data.take(count).as_numpy_iterator())


@pytest.mark.parametrize("settings", [{}, AUGMENTED], ids=["plain", "augmented"])
def test_batches_are_decided_by_seed_and_step(settings):
    first = _batches(8, settings=settings)
    again = _batches(1, settings=settings, first_step=7)
    for before, after in zip(first[7], again[0], strict=True):
        np.testing.assert_array_equal(before, after)
    other = _batches(1, settings={**settings, "seed": 1})
    assert np.abs(first[0][0] - other[0][0]).max() > 0.5
    images, labels = first[0]
    assert images.shape == (8, 16, 16, 3) and images.dtype == "float32" and np.isfinite(images).all()
    np.testing.assert_allclose(labels.sum(-1), 1.0, rtol=1e-5)
    # Six batches are an epoch; the next one has another order.
    assert np.abs(first[0][0] - first[6][0]).max() > 0.5


def test_an_epoch_shows_every_image_at_most_once():
    pixels = np.repeat(np.arange(50, dtype="uint8"), 20 * 20 * 3).reshape(50, 20, 20, 3)
    source = arrays(pixels, np.arange(50) % 5)
    batches = _batches(12, source=source, settings={"model": "MobileNet-alpha=0.25"})
    shown = [np.round(images[:, 0, 0, 0] * 127.5 + 127.5).astype(int) for images, _ in batches]
    for epoch in (shown[:6], shown[6:]):
        assert len(set(np.concatenate(epoch))) == 48
    for (_, labels), numbers in zip(batches, shown, strict=True):
        np.testing.assert_array_equal(labels.argmax(-1), numbers % 5)


def test_workers_share_out_each_batch():
    whole = _batches(3, settings={"randaugment": 5.0})
    parts = [
        _batches(3, settings={"randaugment": 5.0}, pipelines=2, pipeline=worker, batch_size=4) for worker in (0, 1)
    ]
    for step, batch in enumerate(whole):
        for i, values in enumerate(batch):
            np.testing.assert_array_equal(values[0::2], parts[0][step][i])
            np.testing.assert_array_equal(values[1::2], parts[1][step][i])


def test_evaluation_sees_every_image_once(photos):
    source = open_data(str(photos), 0, 0.0).splits["test"]
    evaluation = Evaluation(32, 0.875, Config("MicroNetM0").record.preprocessing, 5)
    batches = list(evaluation_batches(source, 3, evaluation).as_numpy_iterator())
    assert len(batches) == evaluation_steps(source, 5) == 3
    labels, weights = (np.concatenate([batch[i] for batch in batches]) for i in (1, 2))
    assert weights.tolist() == 12 * [1.0] + 3 * [0.0]
    assert labels[:12].argmax(-1).tolist() == 4 * [0] + 4 * [1] + 4 * [2]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_crops_of_files_are_those_of_decoded_images(suffix, tmp_path):
    """The part of a file that is decoded alone is the part that the whole image has there."""
    source = open_data(str(write_images(tmp_path, {"train": 4, "test": 2}, suffix)), 0, 0.0).splits["train"]
    decoded = source._replace(read=lambda key: tf.io.decode_image(source.read(key), 3, expand_animations=False))
    for ours, theirs in zip(_batches(1, source)[0], _batches(1, decoded)[0], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.15)


def _write_records(path, labels, damage=False, image="image/encoded", label="image/class/label"):
    png = tf.io.encode_png(np.zeros((8, 8, 3), "uint8")).numpy()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in labels:
            feature = {
                image: tf.train.Feature(bytes_list=tf.train.BytesList(value=[png])),
                label: tf.train.Feature(int64_list=tf.train.Int64List(value=[number])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    if damage:
        content = bytearray(path.read_bytes())
        content[-20] ^= 255
        path.write_bytes(content)


def test_tfrecords(tmp_path):
    _write_records(tmp_path / "train-00", [1, 2] * 10)
    _write_records(tmp_path / "train-01", [2, 1] * 10)
    _write_records(tmp_path / "validation-00", [1, 2, 2])
    data = open_data(f"tfrecord:{tmp_path}/*", 0, 0.1)
    # TF-slim's classes begin at 1.
    assert data.classes == ("0", "1")
    assert {part: split.count for part, split in data.splits.items()} == {"train": 36, "validation": 4, "test": 3}
    for part, split in data.splits.items():
        assert len(list(split.ordered(None))) == data.splits[part].count
    orders = [
        [int(label) for _, label in data.splits["train"].ordered(tf.constant([s, 0], tf.int64))] for s in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]


def _spoil_jpeg(folder):
    (folder / "train" / "b" / "003.jpg").write_bytes(b"\xff\xd8\xff no image")


DATA_REFUSALS = {
    "no folder": (lambda folder: folder / "none", "none is not a folder"),
    "empty class": (lambda folder: (folder / "train" / "d").mkdir(), "train/d holds no images"),
    "another kind of file": (
        lambda folder: Image.new("RGB", (9, 9)).save(folder / "train" / "a" / "x.webp"),
        "x.webp: training reads .jpg",
    ),
    "no records": (lambda folder: f"tfrecord:{folder}/none*", "No file matches"),
    "records of no test": (
        lambda folder: (_write_records(folder / "train-0", [0, 1]), f"tfrecord:{folder}/train-*")[1],
        "needs files for training and others with 'test' or 'val'",
    ),
    "damaged record": (
        lambda folder: (
            _write_records(folder / "train-0", [0, 1]),
            _write_records(folder / "test-0", [0, 1, 0], damage=True),
            f"tfrecord:{folder}/t*-0",
        )[2],
        "test-0 is damaged after 2 records",
    ),
    "a class without records": (
        lambda folder: (
            _write_records(folder / "train-0", [0, 2]),
            _write_records(folder / "test-0", [0]),
            f"tfrecord:{folder}/t*-0",
        )[2],
        "Class 1 has no training record",
    ),
    "other features": (
        lambda folder: (
            _write_records(folder / "train-0", [0], image="picture"),
            _write_records(folder / "test-0", [0], image="picture"),
            f"tfrecord:{folder}/t*-0",
        )[2],
        "It has: .*picture",
    ),
    "large batch": (lambda folder: None, "The batch of 64 is larger than the 54 training images"),
}


@pytest.mark.parametrize("name", DATA_REFUSALS)
def test_bad_data_leave_nothing_behind(name, tmp_path):
    spoil, message = DATA_REFUSALS[name]
    data = write_images(tmp_path / "photos", {"train": 20, "test": 4})
    data, output = spoil(data) or data, tmp_path / "out"
    result = CliRunner().invoke(
        app, ["train", *TINY, "--batch-size", "64", "--data", str(data), "--output", str(output)]
    )
    assert isinstance(result.exception, UserError)
    with pytest.raises(UserError, match=message):
        raise result.exception
    assert not output.exists()


def test_an_unreadable_image_is_named(tmp_path):
    data = write_images(tmp_path / "photos", {"train": 20, "test": 4})
    _spoil_jpeg(data)
    source = open_data(str(data), 0, 0.0).splits["train"]
    with pytest.raises(tf.errors.InvalidArgumentError):
        _batches(7, source)
    with pytest.raises(UserError, match="b/003.jpg cannot be read"):
        source.check()


# The course of a run


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


def _process(strategy, output, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.distributed_run", strategy, str(output)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def _losses(output):
    return [json.loads(line)["loss"] for line in (output / "log.jsonl").read_text().splitlines()]


def test_two_replicas_learn_as_one(tmp_path):
    process = _process("mirrored", tmp_path / "two", LOGICAL_CPUS="2")
    distributed_run.run("none", str(tmp_path / "one"))
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    one, two = (_losses(tmp_path / name) for name in ("one", "two"))
    assert len(one) == 20 and one[-1] < 0.7 * one[0]
    assert two == pytest.approx(one, rel=1e-4)
    weights = [np.load(tmp_path / f"{name}.worker0.npz") for name in ("one", "two")]
    for name in weights[0].files:
        np.testing.assert_allclose(weights[0][name], weights[1][name], atol=1e-5)


def _addresses(count):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{listener.getsockname()[1]}" for listener in listeners]
    for listener in listeners:
        listener.close()
    return addresses


def _worker(addresses, index):
    return json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})


@pytest.mark.slow
def test_two_workers_learn_as_one(tmp_path):
    addresses = _addresses(2)
    processes = [_process("multiworker", tmp_path / "two", TF_CONFIG=_worker(addresses, i)) for i in (0, 1)]
    distributed_run.run("none", str(tmp_path / "one"))
    for process in processes:
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr
    assert _losses(tmp_path / "two") == pytest.approx(_losses(tmp_path / "one"), rel=1e-4)
    weights = [np.load(tmp_path / f"two.worker{i}.npz") for i in (0, 1)]
    for name in weights[0].files:
        np.testing.assert_array_equal(weights[0][name], weights[1][name])


def test_a_worker_that_does_not_come_up_is_named():
    addresses = _addresses(3)
    with (
        socket.create_server(("127.0.0.1", int(addresses[2].split(":")[1]))),
        pytest.raises(UserError, match=rf"^worker 1 \({addresses[1]}\) did not come up within 0.5 seconds"),
    ):
        meet(addresses, 0, 0.5)


CLUSTERS = {
    "no cluster": (None, "multiworker needs TF_CONFIG or a Slurm job"),
    "no JSON": ("{", "TF_CONFIG cannot be read"),
    "parameter servers": (
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
        "parameter servers, which Keras 3 does not support",
    ),
    "an evaluator": (
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "evaluator", "index": 0}}',
        "must describe tasks of type 'worker' only",
    ),
    "no such worker": (
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
        "this is worker 2, but the cluster has 2 workers",
    ),
}


@pytest.mark.parametrize("name", CLUSTERS)
def test_clusters_that_are_refused(name, monkeypatch):
    config, message = CLUSTERS[name]
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(UserError, match=message):
        distribute("multiworker", 1)


# Measures


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
    manifest = json.loads((output.parent / "released" / "manifest.json").read_text())
    assert manifest["first"]["top1"] == report["test"]["top1"]
    assert "model_int8.tflite" in manifest["first"]["files"]
    # The same command again shows the result, and trains nothing.
    before = (output / "report.json").stat().st_mtime_ns
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0 and "model_int8.tflite" in again.stdout
    assert (output / "report.json").stat().st_mtime_ns == before
    refused = CliRunner().invoke(app, [*arguments, "--seed", "3"])
    assert "exists already: choose another or remove it" in str(refused.exception)


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
def test_killed_ten_times_a_run_ends_with_the_same_bits(photos, tmp_path):
    def command(output):
        settings = ["--set", "epochs=6", "--set", "checkpoint_steps=1", "--set", "ema=0.9", "--set", "randaugment=5"]
        return [
            *(sys.executable, "-m", "keras_lightnets.cli", "train", *TINY, *settings),
            *("--data", str(photos), "--output", str(tmp_path / output)),
        ]

    begin = time.monotonic()
    subprocess.run(command("whole"), check=True, capture_output=True)
    duration = time.monotonic() - begin
    chance, kills = random.Random(0), 0
    while kills < 10:
        process = subprocess.Popen(command("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.2, 0.8) * duration)
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
    subprocess.run(command("killed"), check=True, capture_output=True)
    models = [keras.saving.load_model(tmp_path / run / "model.keras", compile=False) for run in ("whole", "killed")]
    assert kills >= 3
    for before, after in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_killed_and_restarted(victim, tmp_path):
    addresses, output = _addresses(2), tmp_path / "run"

    def start(index):
        return _process("multiworker", output, TF_CONFIG=_worker(addresses, index), EPOCHS="200")

    processes = [start(0), start(1)]
    log = output / "log.jsonl"
    while not log.exists() or len(log.read_text().splitlines()) < 10:
        assert all(process.poll() is None for process in processes), [process.stderr.read() for process in processes]
        time.sleep(0.1)
    processes[victim].send_signal(signal.SIGKILL)
    processes[victim].communicate()
    processes[victim] = start(victim)
    for process in processes:
        _, stderr = process.communicate(timeout=500)
        assert process.returncode == 0, stderr
    assert len(_losses(output)) == 200
    weights = [np.load(f"{output}.worker{i}.npz") for i in (0, 1)]
    for name in weights[0].files:
        np.testing.assert_array_equal(weights[0][name], weights[1][name])


@pytest.mark.slow
def test_launch_trains_on_two_workers(photos, tmp_path):
    command = ["train", *TINY, "--data", str(photos), "--output", str(tmp_path / "out"), "--epochs", "2"]
    result = subprocess.run(
        [sys.executable, "-m", "keras_lightnets.cli", "launch", "--workers", "2", "--", *command],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert "Strategy multiworker: 2 workers, 2 replicas; batch 16 = 2 x 8" in " ".join(result.stdout.split())
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["strategy"] == {"name": "multiworker", "workers": 2, "replicas": 2}
    assert report["exports"][1]["max_abs_diff"] < 1e-4


@pytest.mark.slow
def test_a_full_disk_is_one_line(photos, tmp_path):
    """No file may grow beyond a limit, which fails writes as a full disk does."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    command = ["train", *TINY, "--data", str(photos), "--output", str(tmp_path / "out"), "--epochs", "2"]
    result = subprocess.run(
        [sys.executable, "-m", "keras_lightnets.cli", *command], capture_output=True, text=True, preexec_fn=limit
    )
    assert result.returncode == 1
    assert result.stderr.startswith("error: Cannot write ") and result.stderr.count("\n") == 1, result.stderr
    assert not [path for path in tmp_path.rglob("*") if "partial" in path.name]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_tensorflow_datasets(photos, tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    from keras_lightnets.training.sources import from_builder

    data = from_builder(tfds.folder_dataset.ImageFolder(str(photos)))
    assert data.classes == ("a", "b", "c")
    assert {part: split.count for part, split in data.splits.items()} == {"train": 60, "validation": 12, "test": 12}
    first, again = (_batches(4, data.splits["train"], first_step=step) for step in (0, 2))
    np.testing.assert_array_equal(first[2][0], again[0][0])
    builder = tfds.testing.DummyMnist(data_dir=str(tmp_path))
    builder.download_and_prepare()
    data = from_builder(builder, holdout=0.1)
    assert {part: split.count for part, split in data.splits.items()} == {"train": 18, "validation": 2, "test": 20}
    # Grey images become three channels.
    assert _batches(2, data.splits["train"])[1][0].shape == (8, 16, 16, 3)
    with tfds.testing.mock_data(num_examples=40):
        images, labels = _batches(2, from_builder(builder).splits["train"])[1]
        assert np.isfinite(images).all() and images.std() > 0.1
    with pytest.raises(UserError, match="TensorFlow Datasets has no 'cifar9'"):
        open_data("tfds:cifar9", 0, 0.1)
