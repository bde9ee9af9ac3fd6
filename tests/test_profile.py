"""Time of every layer in TFLite, and networks compared by cost."""

import json

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from typer.testing import CliRunner

import keras_lightnets as kl
from keras_lightnets.cli.main import app
from keras_lightnets.design import compare_costs
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation import profiling
from keras_lightnets.evaluation.cutting import cut
from keras_lightnets.export.tflite import Exporter


@pytest.fixture(scope="module")
def model():
    """Layers that stay, that fuse, a Dynamic Shift-Max, and names that look like those TensorFlow makes up."""
    inputs = keras.Input((96, 96, 3))
    x = layers.Conv2D(16, 3, 2, "same", name="conv")(inputs)
    shortcut = x = layers.ReLU(6.0, name="conv_relu")(layers.BatchNormalization(name="conv_bn")(x))
    x = layers.DepthwiseConv2D(3, padding="same", name="conv_1")(x)
    x = kl.layers.DynamicShiftMax(groups=4, units=4, name="shift_max")(x)
    x = layers.Conv2D(16, 1, name="conv_2")(x)
    x = layers.Add(name="sum")([x, shortcut])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(10, activation="softmax", name="logits")(x), name="small")


@pytest.fixture(scope="module")
def profiled(model, tmp_path_factory):
    """The command's JSON for the model as a file."""
    path = tmp_path_factory.mktemp("profile") / "small.keras"
    model.save(path)
    result = CliRunner().invoke(app, ["profile", str(path), "--measure", "--json"], catch_exceptions=False)
    return json.loads(result.output)


def test_every_layer_has_its_time(profiled):
    times = {layer["name"]: layer["milliseconds"] for layer in profiled["layers"]}
    assert all(times[name] > 0 for name in ("conv", "conv_1", "shift_max", "conv_2"))
    # Part of the convolution before it.
    assert times["conv_bn"] is None
    assert 0 < profiled["tflite"]["call_ms"] < profiled["tflite"]["network_ms"]
    assert profiled["parts"]["shift-max"]["milliseconds"] == pytest.approx(times["shift_max"])


def test_the_pieces_are_the_network(model):
    """Run one after another on each other's outputs, the pieces give the output of the whole file."""
    madds = {layer.name: layer.madds for layer in kl.complexity(model).layers}
    with Exporter(model) as exporter:
        content = exporter.convert()
    pieces = cut(content, madds)
    assert {"conv", "conv_1", "shift_max", "conv_2", "logits"} <= {owner for owner, _ in pieces} <= set(madds)
    image = np.random.default_rng(0).standard_normal((1, 96, 96, 3)).astype("float32")
    values = {}
    for piece in [piece for _, piece in pieces]:
        runner = Interpreter(model_content=piece)
        runner.allocate_tensors()
        for details in runner.get_input_details():
            runner.set_tensor(details["index"], values.get(details["name"], image))
        runner.invoke()
        values |= {details["name"]: runner.get_tensor(details["index"]) for details in runner.get_output_details()}
    expected = model.predict(image, verbose=0)
    output = next(value for value in reversed(values.values()) if value.shape == expected.shape)
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-6)


def test_profile_of_a_name(tmp_path):
    path = tmp_path / "cost.csv"
    command = ["profile", "MobileNet-alpha=0.25", "--size", "64", "--output", str(path)]
    output = CliRunner().invoke(app, command, catch_exceptions=False).output
    assert "470,072 parameters" in output and "depthwise" in output
    assert path.read_text().startswith("name,kind,output_shape,params,madds")


def test_profile_at_another_size_than_the_file_has(tmp_path):
    inputs = keras.Input((None, None, 3))
    keras.Model(inputs, layers.Conv2D(2, 1, use_bias=False, name="conv")(inputs)).save(tmp_path / "open.keras")
    cost, times = profiling.profile(str(tmp_path / "open.keras"), 10)
    assert (cost.madds, times) == (600, None)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("MobileNetV9", "There is no model 'MobileNetV9'. Nearest: MobileNet"),
        ("none.keras", "none.keras does not exist."),
        ("broken.keras", "broken.keras is not a Keras model that can be loaded"),
    ],
)
def test_bad_models(source, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.keras").write_text("no archive")
    with pytest.raises(UserError, match=message):
        profiling.profile(source)


def test_bad_output():
    with pytest.raises(UserError, match="cost.txt must end in .md, .csv or .json."):
        profiling.profile("MicroNetM0", output="cost.txt")


# Milliseconds as an earlier run leaves them.
KNOWN = {"MobileNet-alpha=0.25": 2.0, "MobileNet-alpha=0.5": 5.0, "MobileNet-alpha=0.75": 3.0}


def test_comparison_of_costs_goes_on(tmp_path):
    entries = {name: {"latency_ms": latency, "size_bytes": 1} for name, latency in KNOWN.items()}
    (tmp_path / "latencies.json").write_text(json.dumps(entries))
    rows = {row["name"]: row for row in compare_costs(list(KNOWN), tmp_path)}
    assert {name: row["latency_ms"] for name, row in rows.items()} == KNOWN
    assert rows["MobileNet-alpha=0.5"]["pareto"] == ["madds", "params"]
    assert rows["MobileNet-alpha=0.75"]["pareto"] == ["madds", "params", "latency_ms"]
    assert json.loads((tmp_path / "costs.json").read_text()) == list(rows.values())
    assert (tmp_path / "costs.csv").read_text().count("\n") == 4
    assert (tmp_path / "costs.png").stat().st_size > 10_000


def test_networks_that_cannot_be_compared(tmp_path):
    with pytest.raises(UserError, match="There is no model 'MobileNetV9'"):
        compare_costs(["MobileNetV9"], tmp_path)
    with pytest.raises(UserError, match="ReXNetR-alpha=1.0 has no published accuracy."):
        compare_costs(["ReXNetR-alpha=1.0"], tmp_path)


@pytest.mark.slow
def test_comparison_of_costs(tmp_path):
    command = ["compare", "--costs", "MobileNet-alpha=0.[25]*", "--output", str(tmp_path), "--json"]
    rows = json.loads(CliRunner().invoke(app, command, catch_exceptions=False).output)
    assert [row["name"] for row in rows] == ["MobileNet-alpha=0.25", "MobileNet-alpha=0.5"]
    assert rows[0]["latency_ms"] < rows[1]["latency_ms"]
    assert rows[0]["size_bytes"] == pytest.approx(4 * 470_000, rel=0.05)
