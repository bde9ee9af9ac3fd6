"""`keras-lightnets convert-weights` and `weights`, as a user runs them."""

import hashlib
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
from typer.testing import CliRunner

import keras_lightnets as kl
from keras_lightnets.cli.main import app
from tests.file_server import Answer, serve
from tools.goldens.torch_weights import checkpoint
from tools.seeded import seed_weights

MODEL = "ShuffleNet-groups=3-alpha=0.5-variant=shallow"


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A checkpoint with pytorchcv's names."""
    model = kl.ShuffleNet(alpha=0.5, variant="shallow", weights=None, classes=20)
    state = checkpoint(model, seed_weights(model, {}), "ShuffleNet", "pytorchcv")
    path = tmp_path_factory.mktemp("theirs") / "theirs.safetensors"
    safetensors.numpy.save_file({name: np.ascontiguousarray(array) for name, array in state.items()}, path)
    return path, model


def test_both_files_and_a_card(theirs, tmp_path):
    source, model = theirs
    output = tmp_path / "new" / "mine"
    result = CliRunner().invoke(app, ["convert-weights", str(source), "--model", MODEL, "--output", str(output)])
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in output.parent.iterdir())
    assert names == ["mine.md", "mine.safetensors", "mine.weights.h5"]
    card = (output.parent / "mine.md").read_text()
    for path in (output.parent / name for name in names[1:]):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert digest in card and digest in result.output.replace("\n", "")
        copy = kl.ShuffleNet(alpha=0.5, variant="shallow", weights=path, classes=20)
        for array, twin in zip(copy.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(array, twin)
    assert f"{kl.complexity(model).params:,}" in card and "| Classes | 20 |" in card
    assert hashlib.sha256(source.read_bytes()).hexdigest() in card and "| Layout of the source | pytorchcv |" in card
    tensors = len(safetensors.numpy.load_file(source))
    assert f"Checked: all {tensors} tensors of the source are used, each once; read again," in result.output


@pytest.mark.slow
def test_one_file_and_json(theirs, tmp_path):
    source, _ = theirs
    arguments = ["--model", MODEL, "--output", str(tmp_path / "one.weights.h5"), "--json"]
    command = [sys.executable, "-m", "keras_lightnets.cli.main", "convert-weights", str(source), *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0 and result.stderr == ""
    report = json.loads(result.stdout)
    assert list(report["files"]) == [str(tmp_path / "one.weights.h5")] and report["classes"] == 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.md", "one.weights.h5"]


def test_refusals(theirs, tmp_path):
    source, _ = theirs
    for model, message in (
        ("ShuffleNet-groups=3-alpha=1.0", "stem_conv/kernel has shape=(3, 3, 3, 24)"),
        ("Shuffle", ""),
    ):
        arguments = ["--model", model, "--output", str(tmp_path / "mine")]
        result = CliRunner().invoke(app, ["convert-weights", str(source), *arguments])
        assert result.exit_code == 1 and message in str(result.exception)
        assert list(tmp_path.iterdir()) == []


def test_the_list_of_weights():
    records = json.loads(CliRunner().invoke(app, ["weights", "--json"]).stdout)
    assert [record["name"] for record in records] == [record.name for record in kl.weights.list_weights()]
    assert "svcl/micronet-m0" in CliRunner().invoke(app, ["weights"], env={"COLUMNS": "200"}).stdout


def test_weights_are_checked(tmp_path, monkeypatch):
    """From a mirror: a file that fits, and the file of another variant."""
    names = {0: "paddleclas/MicroNet_M0", 1: "paddleclas/MicroNet_M1"}
    records = {record.name: record for record in kl.weights.list_weights()}
    model = kl.MicroNetM0(weights=None, input_shape=(32, 32, 3))
    state = checkpoint(model, seed_weights(model, {}), "MicroNetM0", "paddleclas")
    content = pickle.dumps(state)
    paths = {records[name].urls[0].replace("https://", "/"): Answer(content) for name in names.values()}
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with serve(paths) as address:
        monkeypatch.setenv("KERAS_LIGHTNETS_MIRROR", address)
        result = CliRunner().invoke(app, ["weights", "--check", names[0], "--json"])
        other = CliRunner().invoke(app, ["weights", "--check", names[1]])
    (found,) = json.loads(result.stdout)
    assert (found["size"], found["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert (found["tensors"], found["layout"]) == (len(state), "paddleclas")
    assert found["settled"] == ["reachable", "size", "digest", "layout"]
    assert other.exit_code == 1
    assert "MicroNet_M1_pretrained.pdparams does not fit micronet_m1: " in str(other.exception)
    printed = CliRunner().invoke(app, ["weights", "--check", names[0]]).stdout
    assert f"{len(state)} tensors with the names of paddleclas, each used once by MicroNetM0()" in printed
    nothing = CliRunner().invoke(app, ["weights", "--check", "paddleclas/MicroNet_M"])
    assert "There are no weights 'paddleclas/MicroNet_M'. Did you mean 'paddleclas/MicroNet_M" in str(nothing.exception)
