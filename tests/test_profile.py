"""Time of every layer in TFLite, and networks compared by cost."""

import json

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from typer.testing import CliRunner

import keras_lightnets as kl
from keras_lightnets.cli.main import app
from keras_lightnets.design import compare_costs
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation import profiling
from keras_lightnets.evaluation.cutting import cut
from keras_lightnets.evaluation.names import name_points, place_names
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


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MobileNetV9", "There is no model 'MobileNetV9'"),
        ("ReXNetR-alpha=1.0", "ReXNetR-alpha=1.0 has no published accuracy."),
        ("keras:EfficentNetB0", "no network 'keras:EfficentNetB0'. Nearest: keras:EfficientNetB0,"),
        ("keras:MobileNetV3Small", "keras:MobileNetV3Small has no published accuracy."),
    ],
)
def test_networks_that_cannot_be_compared(name, message, tmp_path):
    with pytest.raises(UserError, match=message):
        compare_costs([name], tmp_path)


def test_networks_of_keras_beside_ours(tmp_path):
    """Parameters as printed at keras.io, and the paper's 0.39 billion multiply-adds, both counted again."""
    names = [f"keras:EfficientNetB{number}" for number in range(5)]
    cost, _ = profiling.profile(names[0])
    assert round((cost.params + cost.non_trainable_params) / 1e6, 1) == 5.3
    assert round(cost.madds / 1e9, 2) == 0.39
    counted = {"latency_ms": 2.0, "size_bytes": 1, "params": cost.params}
    entries = {name: {**counted, "madds": cost.madds * 2**number} for number, name in enumerate(names)}
    entries["ReXNet-alpha=0.9"] = {"latency_ms": 1.0, "size_bytes": 1}
    (tmp_path / "latencies.json").write_text(json.dumps(entries))
    rows = compare_costs(["keras:EfficientNetB[0-4]", "ReXNet-alpha=0.9"], tmp_path)
    assert [row["name"] for row in rows] == ["ReXNet-alpha=0.9", *names]
    assert [row["top1"] for row in rows] == [77.2, 77.1, 79.1, 80.1, 81.6, 82.9]
    assert {row["family"] for row in rows} == {"rexnet", "efficientnet"}
    assert "latency_ms" not in rows[1]["pareto"] and "madds" in rows[0]["pareto"]


def test_names_in_a_picture_cover_nothing():
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    places = [(1 + number % 5 / 20, 1 + number // 5 / 20) for number in range(20)]
    axes.plot(*np.transpose(places), "o", label="points")
    axes.legend()
    axes.margins(x=0.3)
    name_points(axes, [f"Network-alpha={number / 20}" for number in range(20)], places)
    place_names(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    names = [text for text in axes.texts if text.get_text() and text.get_visible()]
    boxes = [name.get_window_extent(renderer) for name in names]
    assert len(names) > 15
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])
    assert not any(box.contains(*point) for box in boxes for point in axes.transData.transform(places))


@pytest.mark.slow
def test_comparison_of_costs(tmp_path):
    command = ["compare", "--costs", "MobileNet-alpha=0.[25]*", "--output", str(tmp_path), "--json"]
    rows = json.loads(CliRunner().invoke(app, command, catch_exceptions=False).output)
    assert [row["name"] for row in rows] == ["MobileNet-alpha=0.25", "MobileNet-alpha=0.5"]
    assert rows[0]["latency_ms"] < rows[1]["latency_ms"]
    assert rows[0]["size_bytes"] == pytest.approx(4 * 470_000, rel=0.05)


def test_detectors_and_segmenters_by_name():
    # As published: 5.1 million parameters.
    assert kl.complexity(profiling.open_model("ssdlite:MobileNet", 320)).params == 5_100_661
    assert profiling.open_model("lraspp:MicroNetM0", 64).output_shape == (None, 64, 64, 21)
    with pytest.raises(UserError, match="Nothing"):
        profiling.open_model("ssdlite:Nothing", 64)
