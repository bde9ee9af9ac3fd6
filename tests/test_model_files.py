"""Model files from elsewhere: damaged, edited, of another kind. One line names the file; nothing else happens."""

import io
import json
import random
import re
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from typer.testing import CliRunner

from keras_lightnets.cli.main import app
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.opening import ModelFile, load_keras
from keras_lightnets.evaluation.prediction import classify
from keras_lightnets.export import interpreter, to_tflite, verify
from keras_lightnets.files import add_metadata

METADATA = {"labels": ["a", "b", "c"], "input": {"size": 8, "mean": [0, 0, 0], "std": [1, 1, 1]}}
IMAGES = np.random.RandomState(0).standard_normal((4, 8, 8, 3)).astype("float32")


def _model(*head):
    keras.utils.set_random_seed(0)
    body = [layers.Conv2D(4, 3, name="conv"), layers.GlobalAveragePooling2D()]
    head = head or [layers.Dense(3, activation="softmax", name="head")]
    return keras.Sequential([keras.Input((8, 8, 3)), *body, *head], name="tiny")


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """The bytes of a good .keras and a good .tflite file, without metadata."""
    folder = tmp_path_factory.mktemp("good")
    _model().save(folder / "model.keras")
    to_tflite(_model(), folder / "model.tflite")
    return {name: (folder / name).read_bytes() for name in ("model.keras", "model.tflite")}


@pytest.fixture
def photo(tmp_path):
    """The path of an image."""
    Image.fromarray(np.random.RandomState(0).randint(0, 255, (10, 10, 3), "uint8")).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def _refused(path, call):
    with pytest.raises(UserError) as caught:
        call(path)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


# Damaged .keras files.


def _member(content, name, change):
    """An archive with a member changed, or without it."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for each, value in members.items():
            value = change(value) if each == name else value
            if value is not None:
                archive.writestr(each, value)
    return buffer.getvalue()


def _config(change):
    def changed(text):
        config = json.loads(text)
        change(config)
        return json.dumps(config)

    return lambda content: _member(content, "config.json", changed)


def _with_nan(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        weights = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(weights, "a") as file:
        file["layers/dense/vars/0"][...] = np.nan
    return _member(content, "model.weights.h5", lambda _: weights.getvalue())


KERAS = {
    "text": lambda _: b"no archive",
    "cut": lambda content: content[: len(content) // 2],
    "no config": lambda content: _member(content, "config.json", lambda _: None),
    "config is cut": lambda content: _member(content, "config.json", lambda text: text[:100]),
    "config is null": lambda content: _member(content, "config.json", lambda _: "null"),
    "config is binary": lambda content: _member(content, "config.json", lambda _: b"\xff\xfe"),
    "config is deep": lambda content: _member(content, "config.json", lambda _: "[" * 100_000),
    "no weights": lambda content: _member(content, "model.weights.h5", lambda _: None),
    "weights are text": lambda content: _member(content, "model.weights.h5", lambda _: "x"),
    "weights are NaN": _with_nan,
    "layers are a number": _config(lambda config: config["config"].__setitem__("layers", 5)),
    "a layer is null": _config(lambda config: config["config"]["layers"].__setitem__(1, None)),
    "filters are text": _config(lambda config: config["config"]["layers"][1]["config"].__setitem__("filters", "x")),
    "a class of no layer": _config(
        lambda config: config["config"]["layers"][1].update(module="os", class_name="system", config={"command": "x"})
    ),
}


@pytest.mark.parametrize("name", KERAS)
def test_damaged_keras_files_are_named(name, contents, tmp_path):
    path = tmp_path / "model.keras"
    path.write_bytes(KERAS[name](contents["model.keras"]))
    _refused(path, load_keras)


def test_a_flipped_bit_of_a_keras_file_is_seen(contents, tmp_path):
    path, chance, opened = tmp_path / "model.keras", random.Random(0), 0
    expected = load_keras_weights(contents["model.keras"], path)
    for _ in range(30):
        damaged = bytearray(contents["model.keras"])
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            weights = load_keras(path).get_weights()
        except UserError as error:
            assert "model.keras" in str(error) and "\n" not in str(error)
        else:
            # A date of the archive, perhaps.
            opened += 1
            for ours, theirs in zip(weights, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)
    assert opened < 10


def load_keras_weights(content, path):
    """The weights of a good file."""
    path.write_bytes(content)
    return load_keras(path).get_weights()


# Damaged .tflite files.


def _crashing(content):
    # The offsets of two tables in the header, as a bad block of a disk leaves them.
    return content[:16] + bytes(4) + content[20:]


TFLITE = {
    "text": (lambda _: b"no model at all", "is not a TFLite model"),
    "empty": (lambda _: b"", "is not a TFLite model"),
    "cut": (lambda content: content[: len(content) // 3], "is damaged"),
    "ends the process": (_crashing, r"it ends the process that runs it \(status -11\)"),
}


@pytest.mark.parametrize("name", TFLITE)
def test_damaged_tflite_files_are_named(name, contents, tmp_path):
    damage, message = TFLITE[name]
    path = tmp_path / "model.tflite"
    path.write_bytes(damage(contents["model.tflite"]))
    for call in (ModelFile, lambda path: verify(path, _model(), IMAGES)):
        assert re.search(message, _refused(path, call))


def test_a_file_is_tried_once_and_never_if_it_was_just_written(contents, tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(interpreter, "_try_in_child", tried.append)
    path = tmp_path / "model.tflite"
    to_tflite(_model(), path)
    ModelFile(path)
    assert not tried
    path.write_bytes(contents["model.tflite"] + b"tail")
    ModelFile(path)
    ModelFile(path)
    assert tried == [path]


def _two_outputs():
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(inputs)
    return keras.Model(inputs, [layers.Dense(3)(x), layers.Dense(2)(x)], name="tiny")


def _maps():
    return keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 1)])


@pytest.mark.parametrize("make", [_two_outputs, _maps])
def test_what_is_no_classifier_is_named(make, tmp_path):
    make().save(tmp_path / "model.keras")
    assert "is no image classifier" in _refused(tmp_path / "model.keras", ModelFile)


# Metadata.


def _edited(key, value):
    metadata = json.loads(json.dumps(METADATA))
    (metadata["input"] if key in (*METADATA["input"], "crop") else metadata)[key] = value
    return json.dumps(metadata)


DAMAGED = {
    "cut": '{"labels": [',
    "binary": b"\xff\xfe\0",
    "empty": "",
    "a list": "[1]",
    "no input": json.dumps({"labels": ["a", "b", "c"]}),
    "no labels": json.dumps({"input": METADATA["input"]}),
    "labels are text": _edited("labels", "abc"),
    "labels are numbers": _edited("labels", [1, 2, 3]),
    "too few labels": _edited("labels", ["a", "b"]),
    "too many labels": _edited("labels", ["a", "b", "c", "d"]),
    "another size": _edited("size", 9),
    "size is text": _edited("size", "8"),
    "size is true": _edited("size", True),
    "crop is 0": _edited("crop", 0),
    "crop is text": _edited("crop", "1"),
    "mean of two": _edited("mean", [1, 2]),
    "mean is NaN": _edited("mean", [float("nan")] * 3),
    "mean is huge": _edited("mean", [10**400] * 3),
    "std is 0": _edited("std", [0, 1, 1]),
    "std is null": _edited("std", None),
    "an unknown task": _edited("task", ["classify"]),
    "another task": _edited("task", "detect"),
    "anchors of no grids": _edited("anchors", {"sizes": [[[0.5, 0.5]]]}),
    "anchors of text": _edited("anchors", {"grids": [[1, 1]], "sizes": [["ab"]]}),
    "anchors without end": _edited("anchors", {"grids": [[10**6, 10**6]], "sizes": [[[0.5, 0.5]]]}),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("kind", ["keras", "tflite"])
def test_damaged_metadata_are_named(kind, name, contents, tmp_path):
    path = tmp_path / f"model.{kind}"
    path.write_bytes(contents[path.name])
    interpreter.vouch_for(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("keras_lightnets.json", DAMAGED[name])
    _refused(path, lambda path: ModelFile(path).metadata)


def test_whole_files_are_read(contents, tmp_path, photo):
    scores = []
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert "carries no labels" in _refused(tmp_path / name, lambda path: ModelFile(path).metadata)
        add_metadata(tmp_path / name, METADATA)
        (row,) = classify(tmp_path / name, [photo])
        scores.append(row["classes"])
    assert [name for name, _ in scores[0]] == [name for name, _ in scores[1]]
    np.testing.assert_allclose([score for _, score in scores[0]], [score for _, score in scores[1]], atol=1e-5)


# Scores.


def test_predict_never_prints_nan(tmp_path, photo):
    path, model = tmp_path / "model.keras", _model(layers.Dense(3), layers.BatchNormalization(name="norm"))
    # The root of a negative number.
    model.get_layer("norm").moving_variance.assign(np.full(3, -1.0))
    model.save(path)
    add_metadata(path, METADATA)
    for more in ((), ("--json",)):
        result = CliRunner().invoke(app, ["predict", "--model", str(path), str(photo), *more])
        assert isinstance(result.exception, UserError) and result.stdout == ""
        assert "model.keras gives scores that are not finite" in str(result.exception)
