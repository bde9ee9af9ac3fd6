"""The example that trains with JAX alone: no TensorFlow, it goes on after a kill, and `train` finishes its run."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import keras_lightnets as kl
from keras_lightnets.training import load_recipe, train

ROOT = Path(__file__).parents[1]
# TensorFlow cannot be imported in this process.
RUN = "import runpy, sys; sys.modules['tensorflow'] = None; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
SETTINGS = {"model": "MobileNet-alpha=0.25", "size": 32, "batch_size": 8, "epochs": 2}


@pytest.mark.slow
def test_a_run_is_killed_goes_on_and_is_finished_by_train(tmp_path):
    images, labels = np.random.RandomState(0).randint(0, 256, (10, 32, 32, 3)).astype("uint8"), np.arange(10)
    for part in ("train", "test"):
        for label, image in zip(labels, images, strict=True):
            folder = tmp_path / "photos" / part / f"class{label}"
            folder.mkdir(parents=True)
            Image.fromarray(image).save(folder / "0.png")
    np.savez(tmp_path / "images.npz", x_train=images, y_train=labels, x_test=images, y_test=labels[:, None])
    output = tmp_path / "run"
    options = [text for name, value in SETTINGS.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    files = ["--images", str(tmp_path / "images.npz"), "--output", str(output)]
    command = [sys.executable, "-c", RUN, str(ROOT / "examples" / "cifar10_jax.py"), *options, *files]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("epoch 1/2: loss ")
        process.kill()
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0 and result.stdout.splitlines()[-1].startswith("epoch 2/2: "), result.stderr
    network = kl.MobileNet(
        alpha=0.25, input_shape=(32, 32, 3), weights=output / "model.weights.h5", classes=10, classifier_activation=None
    )
    report = train(load_recipe("cifar10_gpu", **SETTINGS, data=str(tmp_path / "photos"), output=str(output)))
    assert [row["epoch"] for row in report["history"]] == [1, 2] and report["best_epoch"] == 2
    assert (output / "model_int8.tflite").is_file() and not (output / "checkpoint").exists()
    assert report["test"]["top1"] == pytest.approx(report["history"][-1]["val_accuracy"])
    finished = kl.MobileNet(
        alpha=0.25, input_shape=(32, 32, 3), weights=output / "model.keras", classes=10, classifier_activation=None
    )
    for one, other in zip(network.get_weights(), finished.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--model", "MicroNetM9"), "Error: There is no model 'MicroNetM9'"),
        (("--images", "none.npz"), "Error: [Errno 2] No such file or directory: 'none.npz'"),
        (("--images", __file__), "Error: This file contains pickled (object) data."),
    ],
)
def test_bad_input_is_one_line(options, message, tmp_path):
    command = [sys.executable, "-c", RUN, str(ROOT / "examples" / "cifar10_jax.py"), *options]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    result = subprocess.run(
        [*command, "--output", str(tmp_path / "run")], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 1 and result.stderr.splitlines()[-1].startswith(message), result.stderr
    assert "Traceback" not in result.stderr and not (tmp_path / "run").exists()
