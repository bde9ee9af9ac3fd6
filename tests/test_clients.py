"""Exported files in programs that nobody here wrote: MediaPipe, and TensorFlow Lite Micro."""

import sys

import numpy as np
import pytest

from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.micro import measure_arena
from keras_lightnets.evaluation.opening import ModelFile
from keras_lightnets.export import to_tflite
from keras_lightnets.export.metadata import Metadata
from keras_lightnets.preprocessing import SYMMETRIC
from tests.photos import small_network
from tools.clients.environments import MEDIAPIPE, MICRO, Environment, NotInstalled
from tools.clients.exported import SIZE, as_taken, write_photos


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A float file and an int8 file of a small network."""
    folder = tmp_path_factory.mktemp("small")
    model, images = small_network(), np.random.default_rng(0).uniform(-1, 1, (16, 16, 16, 3)).astype("float32")
    to_tflite(model, folder / "float32.tflite")
    to_tflite(model, folder / "int8.tflite", "int8", images, io="int8")
    return folder


def _install(environment):
    try:
        return environment.install()
    except NotInstalled as error:
        pytest.skip(f"{environment.name} could not be installed: {error}")


def test_what_cannot_be_installed_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.clients.environments.FOLDER", tmp_path)
    with pytest.raises(NotInstalled, match="no-such-program is not installed"):
        Environment("x", (), programs=("no-such-program",)).install()
    with pytest.raises(NotInstalled, match=r"needs one of python2\.1"):
        Environment("x", (), pythons=("python2.1",)).install()


def test_micro_is_an_extra(small, monkeypatch, tmp_path):
    (tmp_path / "tflite_micro.py").write_text("raise ModuleNotFoundError('tflite_micro')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(UserError, match=r"pip install 'keras_lightnets\[micro\]'"):
        measure_arena(small / "int8.tflite")
    with pytest.raises(UserError, match="nowhere.tflite does not exist"):
        measure_arena(small / "nowhere.tflite")


@pytest.mark.slow
def test_arena(small, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(_install(MICRO)))
    arena = measure_arena(small / "int8.tflite")
    # The stem's input and output are alive together: 16x16x3 and 8x8x12 bytes.
    assert 16 * 16 * 3 + 8 * 8 * 12 <= arena.activations < arena.total < 20_000
    assert arena.file == (small / "int8.tflite").stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("kind", [None, "dynamic", "int8"])
def test_mediapipe(tmp_path, kind):
    """Labels, and the scores of the interpreter: square photos as they are, photos of 3:2 by their central square."""
    _install(MEDIAPIPE)
    model, path = small_network(SIZE), tmp_path / "model.tflite"
    images = np.random.default_rng(0).uniform(-1, 1, (16, SIZE, SIZE, 3)).astype("float32")
    about = Metadata(None, list("abc"), SIZE, 1.0, SYMMETRIC).to_dict()
    to_tflite(model, path, kind, images if kind == "int8" else None, metadata=about)
    # The third has to be scaled, which MediaPipe does in another way.
    photos = write_photos(tmp_path)[:2]
    found = MEDIAPIPE.run("mediapipe", path, *photos)
    expected = as_taken(ModelFile(path), photos)[1]
    whole, squares = ([[scores[label] for label in "abc"] for scores in found[how]] for how in ("whole", "square"))
    np.testing.assert_allclose(squares, expected, atol=1e-5)
    np.testing.assert_allclose(found["embedded_square"], expected, atol=1e-5)
    np.testing.assert_allclose(whole[0], expected[0], atol=1e-5)
    # Without the option it stretches the photo of 3:2.
    assert np.abs(whole[1] - expected[1]).max() > 1e-3
