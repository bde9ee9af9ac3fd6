"""The page that runs exported files in the browser: its resizing, its refusals, and the whole of it in Chromium."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_lightnets as kl
from keras_lightnets.data.windows import show_square
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation import browser
from keras_lightnets.evaluation.prediction import classify
from keras_lightnets.export import to_tflite
from keras_lightnets.export.metadata import Metadata
from keras_lightnets.export.tflite import Exporter
from keras_lightnets.preprocessing import IMAGENET_STATISTICS, SYMMETRIC
from tests.photos import small_network
from tools.clients.environments import BROWSER, NotInstalled

COMMAND = (sys.executable, "-m", "keras_lightnets.cli.main", "try")
SIDES = ((8, 48), (31, 32), (32, 32), (33, 16), (64, 32), (201, 48), (500, 7), (3, 1), (1, 5))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with a float file, an int8 file for microcontrollers, and a file without labels."""
    folder = tmp_path_factory.mktemp("exported")
    images = np.random.default_rng(0).uniform(-1, 1, (32, 16, 16, 3)).astype("float32")
    about = Metadata(None, ["a", "b", "c"], 16, 1.0, SYMMETRIC).to_dict()
    with Exporter(small_network(), images) as exporter:
        exporter.write(folder / "model_float32.tflite", None, about)
        (folder / "plain").mkdir()
        exporter.write(folder / "plain" / "plain.tflite", None)
    pixels = keras.Input((8, 8, 3))
    to_tflite(keras.Model(pixels, keras.layers.Conv2D(2, 1)(pixels)), folder / "plain" / "masks.tflite")
    return folder


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A stand-in for npm that fails as npm does without a network, and an empty cache."""
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return program


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_resizing_equals_pythons(tmp_path):
    images = [np.random.default_rng(side).integers(0, 256, (side, side, 3), "uint8") for side, _ in SIDES]
    cases = [
        {"rgba": np.dstack([image, np.full(image.shape[:2], 255)]).ravel().tolist(), "side": side, "size": size}
        for image, (side, size) in zip(images, SIDES, strict=True)
    ]
    script = tmp_path / "run.mjs"
    shutil.copy(Path(browser.__file__).with_name("page") / "resize.js", tmp_path / "resize.mjs")
    script.write_text(
        'import { resize } from "./resize.mjs";\nimport { readFileSync } from "node:fs";\n'
        'const cases = JSON.parse(readFileSync(0, "utf8"));\n'
        "console.log(JSON.stringify(cases.map(({ rgba, side, size }) => Array.from(resize(rgba, side, size)))));\n"
    )
    run = subprocess.run(["node", script], input=json.dumps(cases), capture_output=True, text=True, check=True)
    for image, (_, size), found in zip(images, SIDES, json.loads(run.stdout), strict=True):
        expected = show_square(tf.constant(image), size, 1.0).numpy()
        np.testing.assert_array_equal(np.reshape(found, expected.shape), expected)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "nowhere does not exist. Name a folder"),
        (".", "holds no .tflite file"),
        ("model.keras", "model.keras is neither a .tflite nor a .keras file|is not a Keras model"),
        ("plain.tflite", "plain.tflite carries no labels and preprocessing"),
        ("masks.tflite", "masks.tflite is a segmenter, and the page is for classifiers. Draw boxes and masks"),
    ],
)
def test_what_cannot_be_shown(exported, tmp_path, name, said):
    if name == "model.keras":
        (tmp_path / name).write_bytes(b"nothing")
    source = exported / "plain" / name if name.endswith(".tflite") else tmp_path / name
    with pytest.raises(UserError, match=said):
        browser.write_page(source)


def test_int8_ends_are_left_out(exported, monkeypatch):
    ends = [{"dtype": "int8", "scale": 0.1, "zero": 0}] * 2
    monkeypatch.setattr("keras_lightnets.export.interpreter.TFLiteModel.ends", ends)
    with pytest.raises(UserError, match="model_float32.tflite takes int8 pixels, which LiteRT.js does not"):
        browser.write_page(exported)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda npm, _: None, "npm cannot fetch LiteRT.js .* (ENOTFOUND). Connect to the network once"),
        (lambda npm, _: npm.unlink(), "npm is not installed, .* Install Node.js"),
        (lambda _, env: env.setenv("KERAS_LIGHTNETS_OFFLINE", "1"), "OFFLINE is set: unset it"),
    ],
)
def test_no_runtime(exported, npm, monkeypatch, change, said):
    change(npm, monkeypatch)
    with pytest.raises(UserError, match=said.replace("(", r"\(").replace(")", r"\)")):
        browser.write_page(exported)
    assert not (exported / "try").exists()
    assert not any(path.is_dir() for path in Path(os.environ["KERAS_HOME"]).glob("keras_lightnets/*"))


def test_port_in_use(tmp_path):
    with (
        browser.open_server(tmp_path, 0) as server,
        pytest.raises(UserError, match=rf"Port {server.server_port} cannot be used .* Choose another with --port"),
    ):
        browser.open_server(tmp_path, server.server_port)


@pytest.mark.slow
def test_page_in_chromium(tmp_path):
    """The command, photos dropped in a real browser, and the scores of Python."""
    try:
        BROWSER.install()
    except NotInstalled as error:
        pytest.skip(f"no browser: {error}")
    random = np.random.default_rng(0)
    photo = np.kron(random.integers(0, 256, (5, 7, 3)), np.ones((40, 40, 1))) + random.normal(0, 8, (200, 280, 3))
    photo = Image.fromarray(photo.clip(0, 255).astype("uint8"))
    paths = [tmp_path / name for name in ("wide.png", "photo.jpg", "small.png")]
    for path, image in zip(paths, (photo, photo, photo.resize((24, 20))), strict=True):
        image.save(path)
    out = tmp_path / "out"
    out.mkdir()
    labels = [f"class {number}" for number in range(10)]
    about = Metadata("MicroNetM0", labels, 32, 0.875, IMAGENET_STATISTICS).to_dict()
    with Exporter(kl.MicroNetM0(weights="cifar10", classes=10, input_shape=(32, 32, 3))) as exporter:
        for name, kind in (("model_float32.tflite", None), ("model_dynamic.tflite", "dynamic")):
            exporter.write(out / name, kind, about)
    with subprocess.Popen(
        [*COMMAND, str(out), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        # Tests started in the background ignore the signal, and so would this process.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as served:
        try:
            address = served.stdout.readline().split()[1]
            for name in ("model_float32.tflite", "model_dynamic.tflite"):
                found = BROWSER.run("browser", address, name, "", *paths)
                for classes, expected in zip(found["scores"], classify(out / name, paths, 5), strict=True):
                    (names, scores), (wanted, numbers) = (
                        zip(*pairs, strict=True) for pairs in (classes, expected["classes"])
                    )
                    assert names == wanted
                    np.testing.assert_allclose(scores, numbers, atol=1e-4)
                assert found["foreign"] == []
                assert found["said"] == "notes.txt is not an image that this browser can read."
                assert {label for label, _ in found["camera"]} < set(labels)
        finally:
            served.send_signal(signal.SIGINT)
    assert served.returncode == 0
