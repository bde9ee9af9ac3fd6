"""The example that trains with JAX alone takes a step, saves, goes on, and never imports TensorFlow."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_lightnets as kl

ROOT = Path(__file__).parents[1]
# TensorFlow cannot be imported in this process.
RUN = "import runpy, sys; sys.modules['tensorflow'] = None; runpy.run_path(sys.argv.pop(1), run_name='__main__')"


def train(folder, epochs):
    options = ["--model", "MobileNet-alpha=0.25", "--size", "32", "--batch-size", "8", "--epochs", str(epochs)]
    files = ["--images", str(folder / "images.npz"), "--output", str(folder / "run")]
    command = [sys.executable, "-c", RUN, str(ROOT / "examples" / "cifar10_jax.py"), *options, *files]
    result = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.splitlines()


@pytest.mark.slow
def test_one_step_and_on(tmp_path):
    random = np.random.RandomState(0)
    images = {f"x_{part}": random.randint(0, 256, (8, 32, 32, 3)).astype("uint8") for part in ("train", "test")}
    labels = {f"y_{part}": random.randint(0, 10, (8, 1)) for part in ("train", "test")}
    np.savez(tmp_path / "images.npz", **images, **labels)
    weights = []
    for epochs in (1, 2):
        (line,) = train(tmp_path, epochs)
        assert line.startswith(f"epoch {epochs}/{epochs}: loss ")
        path = tmp_path / "run" / "model.weights.h5"
        weights.append(kl.MobileNet(alpha=0.25, input_shape=(32, 32, 3), weights=path, classes=10).get_weights())
    assert all(np.isfinite(array).all() for array in weights[1])
    assert all(np.any(one != other) for one, other in zip(*weights, strict=True))
