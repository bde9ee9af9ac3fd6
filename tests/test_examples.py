"""The programs of examples/ run, with tiny settings."""

import runpy

import pytest

from tests.photos import save_model, small_network, write_images
from tools.pages import ROOT

# Keras says so of every `fit` on a data set.
pytestmark = pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")


def _main(name):
    return runpy.run_path(str(ROOT / "examples" / f"{name}.py"))["main"]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """They write into the current folder."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_transfer_learning(tmp_path):
    photos = write_images(tmp_path / "photos", {".": 10})
    assert _main("transfer_learning")(photos, epochs=1, size=32).top1_agreement == 1.0
    assert (tmp_path / "transfer.keras").is_file()


@pytest.mark.slow
def test_custom_head(capsys):
    assert _main("custom_head")(size=32).max_abs_diff < 1e-5
    assert "layers before fusing" in capsys.readouterr().out


@pytest.mark.slow
def test_distributed_training():
    (loss,) = _main("distributed_training")(size=32, images=32, batch_size=16)
    assert loss > 0


@pytest.mark.slow
def test_quantization_aware(tmp_path):
    photos = write_images(tmp_path / "photos", {".": 12})
    save_model(small_network(), tmp_path / "model.keras")
    report = _main("quantization_aware")(tmp_path / "model.keras", photos, epochs=1)
    assert report.quantization == "int8" and report.top1_agreement > 0.8


@pytest.mark.slow
def test_detection(tmp_path):
    assert 0 <= _main("detection")(images=32, epochs=1, size=32) <= 1
    assert (tmp_path / "detector.tflite").is_file()
