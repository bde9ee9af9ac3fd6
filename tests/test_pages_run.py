"""Every command and every Python example of README and the guides runs, with short trainings."""

import re
import shlex
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

import keras_lightnets
from keras_lightnets.cli.main import app
from keras_lightnets.data.digit_scenes import write_digit_scenes
from tests.photos import small_network, write_images
from tools import pages

# Keras says so of every `fit` on a data set.
pytestmark = pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
PAGES = [pages.ROOT / "README.md", *sorted((pages.DOCS / "how-to").glob("*.md"))]
# What a command is given so that it ends soon; the last of two options counts.
SHORT = {
    "compare": "--set epochs=1 --set size=32 --set batch_size=16",
    "finetune": "--epochs 1 --frozen-epochs 1",
    "optimize": "--epochs 1 --steps 2 --batch-size 8",
    "train": "--model MobileNet-alpha=0.25 --size 32 --epochs 1 --batch-size 16",
}
# A server that waits for a browser, and processes of their own: other tests have them.
ELSEWHERE = ("try", "launch")
TRAIN = "finetune --model MicroNetM0 --weights cifar10 --size 48 --data photos --output out"


def _run(line):
    """Runs a `keras-lightnets` command in this process; commands of the system and of developers are not run."""
    program, *arguments = shlex.split(line, comments=True)
    if "keras_lightnets.data.digit_scenes" in arguments:
        write_digit_scenes(arguments[-1], {"train": 24, "test": 8})
    if program != "keras-lightnets" or arguments[0] in ELSEWHERE:
        return
    short = "" if arguments[0] == "compare" and "--costs" in arguments else SHORT.get(arguments[0], "")
    result = CliRunner().invoke(app, [*arguments, *short.split()], catch_exceptions=False)
    assert result.exit_code == 0, f"{line}\n{result.output}"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with photos and a finished run, `out`."""
    folder = tmp_path_factory.mktemp("pages")
    photos = write_images(folder / "photos", {".": 30})
    shutil.copy(photos / "a" / "000.jpg", folder / "holiday.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _run(f"keras-lightnets {TRAIN}")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_page(path, request, tmp_path, monkeypatch):
    blocks = [block for block in pages.blocks(path) if block.reason is None]
    lines = [line for block in blocks for line in block.commands]
    if any(word in block.text for word in ("photos", "out/", "holiday.jpg") for block in blocks):
        makes_out = any("--output out" in line and "--resume" not in line for line in lines)
        left_out = shutil.ignore_patterns("out") if makes_out else None
        shutil.copytree(request.getfixturevalue("finished"), tmp_path, ignore=left_out, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).normal(size=(32, 16, 16, 3)).astype("float32")
    labels = np.arange(32) % 3
    names = {"keras": keras, "keras_lightnets": keras_lightnets, "np": np, "model": small_network()}
    names |= {"images": images, "labels": labels}
    names["dataset"] = tf.data.Dataset.from_tensor_slices((images, labels)).batch(8)
    if path.stem == "backends":
        names |= {"images": np.ones((8, 48, 48, 3), "float32"), "labels": labels[:8]}
    for block in blocks:
        for line in block.commands:
            _run(line)
        if block.language == "python":
            exec(compile(block.text, f"{path.name}:{block.line}", "exec"), names)


@pytest.mark.slow
def test_the_tutorial_prints_what_it_shows(tmp_path):
    """Figures differ a little between machines, so that words count."""
    path = pages.DOCS / "tutorial" / "photos-to-phone.md"
    now, shown = (re.findall(r"[^\W\d_]{2,}", text) for text in (pages.with_output(path, tmp_path), path.read_text()))
    assert now == shown
    assert (tmp_path / "out" / "model_int8.tflite").is_file()
