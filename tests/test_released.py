"""What the package says of its released models is true of the files."""

import hashlib
import json
import os
import shutil
import socket

import keras
import numpy as np
import pytest

import keras_lightnets as kl
from keras_lightnets.applications.catalog import find_model
from keras_lightnets.data.opening import open_data
from keras_lightnets.evaluation.measures import predict_source, summarize
from keras_lightnets.export import verify
from keras_lightnets.training.config import make_config
from keras_lightnets.training.delivery import some_images
from keras_lightnets.weights import list_weights
from keras_lightnets.weights.readers import read
from keras_lightnets.weights.records import shipped

MANIFEST = json.loads((shipped.FOLDER / "manifest.json").read_text())
LARGEST = 45e6
FILES = {"model.weights.h5", "model_float16.tflite", "model_int8.tflite", "model_card.md", "report.json"}
each = pytest.mark.parametrize("name", MANIFEST)
# The folder of CIFAR-10's images, with train/ and test/, or tfds:cifar10.
DATA = os.environ.get("CIFAR10")


def build(name, **arguments):
    entry = MANIFEST[name]
    return getattr(kl, entry["builder"])(**entry["arguments"], weights=entry["weights"], **arguments)


def test_the_manifest_is_of_the_files():
    folders = {path.name for path in shipped.FOLDER.iterdir() if path.is_dir()}
    assert folders == set(MANIFEST)
    for name, entry in MANIFEST.items():
        found = {path.name: path.read_bytes() for path in (shipped.FOLDER / name).iterdir()}
        assert set(found) == FILES
        assert {file: hashlib.sha256(content).hexdigest() for file, content in found.items()} == entry["files"]
    assert sum(path.stat().st_size for path in shipped.FOLDER.rglob("*") if path.is_file()) < LARGEST


@each
def test_the_records_are_those_of_the_manifest(name):
    entry, report = MANIFEST[name], json.loads((shipped.FOLDER / name / "report.json").read_text())
    (record,) = (r for r in list_weights(entry["builder"], **entry["arguments"]) if r.shipped)
    assert (record.name, record.classes, record.input_size) == ("cifar10", 10, entry["size"])
    assert "cifar10" in find_model(name).weights
    model = find_model(report["model"])
    assert (model.builder.__name__, model.kwargs) == (entry["builder"], entry["arguments"])
    assert (entry["labels"], entry["madds"]) == (report["classes"], report["madds"])
    assert entry["top1"] == report["released"]["top1"] == pytest.approx(report["test"]["top1"], abs=0.01)
    assert entry["images"] == report["images"]["test"] == 10_000
    assert [export["path"] for export in report["exports"]] == sorted(FILES)[2:4]
    assert report["exports"][0]["partitions"] == 1


@each
def test_cards_are_complete(name):
    entry, text = MANIFEST[name], (shipped.FOLDER / name / "model_card.md").read_text()
    facts = [f"# {name} trained on cifar10", f"top-1 {entry['top1']:.2%}", f"{entry['parameters']:,} parameters"]
    facts += [f"{entry['builder']}(", "weights='cifar10'", ", ".join(entry["labels"])]
    facts += ["| model_float16.tflite |", "| model_int8.tflite |", "Apache-2.0", "**Training:**", "**Limits:**"]
    assert [fact for fact in facts if fact not in text] == []


@each
def test_by_name_and_offline(name, monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("KERAS_LIGHTNETS_OFFLINE", "1")
    model = build(name, input_shape=(32, 32, 3))
    assert model.output_shape == (None, 10)
    arrays = read(shipped.FOLDER / name / "model.weights.h5").arrays
    assert {array.dtype for array in arrays.values()} == {np.dtype("float16")}
    expected = sum(float(np.abs(array, dtype="float64").sum()) for array in arrays.values())
    variables = [variable for variable in model.variables if "seed" not in variable.path]
    assert {variable.dtype for variable in variables} == {"float32"}
    assert sum(float(np.abs(v.numpy(), dtype="float64").sum()) for v in variables) == pytest.approx(expected)


def test_backbone_and_other_classes():
    name = "ShuffleNet-groups=3-alpha=0.5"
    whole, backbone = build(name, input_shape=(32, 32, 3)), build(name, include_top=False, input_shape=(64, 48, 3))
    assert backbone.output_shape == (None, 2, 2, 480)
    *shared, _, _ = whole.get_weights()
    for array, twin in zip(shared, backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(array, twin)
    with pytest.warns(UserWarning, match="the classifier for 7 classes is fresh.*model.weights.h5 has 10 classes"):
        assert build(name, input_shape=(32, 32, 3), classes=7).output_shape == (None, 7)
    others = r"'cifar10' are for .*ShuffleNet\(groups=3, alpha=0.5\).*, not for ShuffleNet\(\)"
    with pytest.raises(ValueError, match=others):
        kl.ShuffleNet(weights="cifar10")


def test_predictions_have_names():
    decode = kl.applications.shufflenet.decode_predictions
    ((first, *_),) = decode(keras.ops.one_hot([3], 10), weights="cifar10")
    assert first == ("cat", "cat", 1.0)
    with pytest.raises(ValueError, match=r"shape \(samples, 10\)"):
        decode(np.zeros((1, 1000)), weights="cifar10")
    with pytest.raises(ValueError, match="one of 'imagenet', 'cifar10'. Received: weights='cifar'"):
        decode(np.zeros((1, 10)), weights="cifar")


def test_a_wrong_file_is_refused(tmp_path, monkeypatch):
    name = next(iter(MANIFEST))
    shutil.copytree(shipped.FOLDER / name, tmp_path / name)
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    path = tmp_path / name / "model.weights.h5"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    message = "model.weights.h5 of the weights 'cifar10' has sha256 .* where .*: install keras_lightnets again"
    with pytest.raises(ValueError, match=message):
        build(name)
    path.unlink()
    with pytest.raises(ValueError, match="'cifar10' is missing: install keras_lightnets again"):
        build(name)


@pytest.fixture(scope="module")
def images():
    """CIFAR-10, opened as the runs did."""
    if not DATA:
        pytest.skip("the environment variable CIFAR10 names no folder of images, and no tfds:cifar10")
    return open_data(DATA, seed=0, holdout=0.1)


@each
def test_the_accuracies_are_measured_again(name, images):
    folder, entry = shipped.FOLDER / name, MANIFEST[name]
    report = json.loads((folder / "report.json").read_text())
    config = make_config(report["options"])
    model = build(name, input_shape=(config.size, config.size, 3))
    measured = summarize(*predict_source(model, images.splits["test"], 10, config.evaluation))
    # Another processor rounds otherwise, which may decide a few of the images.
    assert measured["images"] == entry["images"] and measured["top1"] == pytest.approx(entry["top1"], abs=0.001)
    samples, labels = some_images(images.splits["test"], 10, config)
    for export in report["exports"]:
        found = verify(folder / export["path"], model, samples, labels, export["quantization"])
        assert found.accuracy == pytest.approx(export["accuracy"], abs=0.005), export["path"]
