"""Quantisation-aware training, integer files, what int8 costs, pruning and clustering."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_lightnets as kl
from keras_lightnets import optimization
from keras_lightnets.errors import UserError
from keras_lightnets.export import to_tflite
from keras_lightnets.export.images import check_data
from keras_lightnets.export.interpreter import TFLiteModel
from keras_lightnets.kernels.export_scope import export_scope
from keras_lightnets.optimization.compression import Schedule
from keras_lightnets.optimization.prunable import pruning_shares
from tests.test_fusing import FAMILIES, seeded
from tools.seeded import seed_weights, seeded_images

SIZE = 16


def _images(count=64):
    return seeded_images((count, SIZE, SIZE, 3))


def _network():
    """A small network of everything that int8 has a rule of its own for."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = kl.layers.GroupedConv2D(12, 3, padding="same", use_bias=False, name="stem")(inputs)
    x = kl.layers.BatchNormalization(name="stem_norm")(x)
    x = keras.layers.ReLU(6.0, name="stem_act")(x)
    x = kl.layers.DynamicShiftMax(4, 6, name="shift_max")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    gate = keras.layers.Conv2D(12, 1, activation="sigmoid", name="excite")(gate)
    x = keras.layers.Activation("silu", name="silu")(keras.layers.Multiply(name="gated")([x, gate]))
    wide = kl.layers.GroupedConv2D(24, groups=4, name="pointwise")(x)
    x = kl.layers.PartialResidual(name="residual")([wide, x])
    x = keras.layers.AveragePooling2D(2, name="pool")(keras.layers.Activation("hard_silu", name="hard_silu")(x))
    x = keras.layers.BatchNormalization(name="bare_norm")(keras.layers.Concatenate(name="both")([x, x]))
    x = keras.layers.Dropout(0.1, name="dropout")(keras.layers.GlobalAveragePooling2D(name="average")(x))
    model = keras.Model(inputs, keras.layers.Dense(5, activation="softmax", name="head")(x), name="tiny")
    seed_weights(model, {})
    return model


@pytest.fixture(scope="module")
def network():
    """The small network, not trained."""
    return _network()


@pytest.fixture(scope="module")
def trained(network):
    """Its quantisation-aware twin after two steps, as it was loaded from a file, and that file's int8 export."""
    aware = optimization.quantize_aware(network)
    aware.compile("sgd", "sparse_categorical_crossentropy")
    aware.fit(_images(), np.arange(64) % 5, batch_size=32, verbose=0)
    return aware


# The two layers.


def test_fake_quantize_rounds_to_the_steps_of_its_range():
    layer = optimization.FakeQuantize()
    x = np.array([-1.0, 0.0, 0.333, 2.0], "float32")
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_allclose(layer(x, training=True), x, atol=3 / 510 * 1.01)
    np.testing.assert_allclose([layer.minimum, layer.maximum], [-1.001, 2.002], rtol=1e-6)
    assert float(layer(np.array([0.0], "float32"))[0]) == 0.0
    layer(3 * x, training=True)
    np.testing.assert_allclose(layer.maximum, 0.99 * 2.002 + 0.01 * 6.006, rtol=1e-5)
    for pair in ({"limits": (0.5, 1.0)}, {"bounds": (-2.0, -1.0)}):
        with pytest.raises(ValueError, match=f"`{next(iter(pair))}` must enclose zero"):
            optimization.FakeQuantize(**pair)


def test_a_learned_range_stays_within_its_bounds():
    layer = optimization.FakeQuantize(bounds=(-0.5, 6.5))
    layer(np.array([-9.0, 9.0], "float32"), training=True)
    assert [float(layer.minimum), float(layer.maximum)] == [-0.5, 6.5]
    again = optimization.FakeQuantize.from_config(layer.get_config())
    again(np.array([-0.25, 9.0], "float32"), training=True)
    np.testing.assert_allclose([again.minimum, again.maximum], [-0.25 * 1.001, 6.5], rtol=1e-6)


def test_the_range_of_dead_units_does_not_vanish():
    """XNNPACK dies of a step that is too small for the product before it."""
    layer = optimization.FakeQuantize()
    for values in ([0.0, 1e-5], [0.0, 0.0], [0.0, 0.0]):
        layer(np.array(values, "float32"), training=True)
    assert bool(layer.seen) and float(layer.maximum) == pytest.approx(0.01)


def test_weights_are_rounded_by_output_channel():
    kernel = np.array([[1.0, 0.0, 100.0], [0.3, 0.0, 33.3]], "float32")
    layer = optimization.QuantizedWeights(keras.layers.Dense(3, use_bias=False))
    layer.build((None, 2))
    layer.layer.set_weights([kernel])
    steps = np.array([1 / 127, 1.0, 100 / 127])
    np.testing.assert_allclose(layer(np.eye(2)), np.round(kernel / steps) * steps, rtol=1e-5)
    depthwise = optimization.QuantizedWeights(keras.layers.DepthwiseConv2D(1))
    depthwise.build((None, 4, 4, 6))
    assert (depthwise.channels, depthwise.rounded.shape) == (6, (1, 1, 6, 1))


def test_an_export_does_not_train():
    layer = optimization.FakeQuantize()
    layer(np.float32([-1, 1]), training=True)
    with export_scope("int8"):
        layer(np.float32([-9, 9]), training=True)
    assert layer.maximum.numpy() == np.float32(1.001)


# From a model to its twin to the file.


@pytest.mark.slow
@pytest.mark.chosen
def test_the_twin_trains_and_its_file_says_the_same(network, trained, tmp_path):
    assert trained.name == network.name and trained.input_shape == network.input_shape
    trained.save(tmp_path / "aware.keras")
    loaded = keras.saving.load_model(tmp_path / "aware.keras")
    images = _images()
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), trained.predict(images, verbose=0))
    report = to_tflite(loaded, tmp_path / "aware.tflite", "int8", samples=images)
    assert report.max_abs_diff < 0.03 and report.top1_agreement > 0.9
    assert "DEQUANTIZE" not in TFLiteModel(report.path).operators


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_rules(name, tmp_path):
    model = seeded(name, (64, 64), classifier_activation="softmax", classes=10)
    images = seeded_images((16, 64, 64, 3))
    aware = optimization.quantize_aware(model, images)
    report = to_tflite(aware, tmp_path / "aware.tflite", "int8", samples=images)
    assert "DEQUANTIZE" not in TFLiteModel(report.path).operators
    assert report.max_abs_diff < 0.1


@pytest.mark.parametrize(
    "add", [keras.layers.Add(name="add"), lambda tensors: tensors[0] + tensors[1]], ids=["layer", "operator"]
)
def test_names_of_another_process_may_come_again(add):
    keras.backend.clear_session()
    inputs = keras.Input((8, 8, 4))
    outputs = keras.layers.Activation("hard_sigmoid")(add([inputs, keras.layers.Conv2D(4, 1)(inputs)]))
    model = keras.Model(inputs, outputs)
    # As a fresh process does, Keras counts from the beginning.
    keras.backend.clear_session()
    images = seeded_images((8, 8, 8, 4))
    difference = optimization.quantize_aware(model, images)(images) - model(images)
    assert np.abs(difference).max() < 0.02


KINDS = {
    "int8 with float ends": ({"float_io": True}, "int8", "float32"),
    "int16 by int8": ({"quantization": "int16x8"}, "int16", "int16"),
    "int8 ends": ({"io": "int8"}, "int8", "int8"),
    "layers kept float": ({"keep_float": ["pointwise"]}, "int8", "uint8"),
    "layers and ends kept float": ({"keep_float": ["pointwise"], "float_io": True}, "int8", "float32"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if "float" in name else pytest.mark.slow) for name in KINDS]
)
def test_integer_files(network, tmp_path, name):
    arguments, inside, ends = KINDS[name]
    arguments = {"quantization": "int8", **arguments}
    report = to_tflite(network, tmp_path / "model.tflite", representative_data=_images(), **arguments)
    runner = TFLiteModel(report.path)._interpreter
    assert {end["dtype"].__name__ for end in runner.get_input_details() + runner.get_output_details()} == {ends}
    types = {tensor["name"]: tensor["dtype"].__name__ for tensor in runner.get_tensor_details()}
    assert inside in types.values()
    if "keep_float" in arguments:
        outputs = [kind for tensor, kind in types.items() if "/pointwise" in tensor]
        assert "float32" in outputs
    assert report.max_abs_diff < (1e-3 if inside == "int16" else 0.05)


@pytest.mark.slow
def test_layers_are_ranked(network):
    rows = optimization.layer_errors(network, _images(16))
    assert {"stem_act", "pointwise", "head"} < {row["layer"] for row in rows}
    errors = [row["error"] for row in rows]
    assert errors == sorted(errors, reverse=True) and errors[0] > errors[-1] >= 0


def test_a_folder_calibrates(network, photos):
    images = keras.utils.image_dataset_from_directory(photos / "train", label_mode=None, image_size=(SIZE, SIZE))
    images = images.map(lambda batch: batch / 127.5 - 1)
    assert check_data(network, images).shape == (60, SIZE, SIZE, 3)
    aware = optimization.quantize_aware(network, images)
    assert all(bool(layer.seen) for layer in aware.layers if isinstance(layer, optimization.FakeQuantize))


# Bad input.


def _with_uncovered_layer():
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2DTranspose(4, 2, name="up")(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(x)), name="tiny")


def _pruned():
    model = _network()
    for layer in model.layers:
        weights = layer.get_weights()
        layer.set_weights([np.where((w.ndim > 1) & (np.abs(w) < np.median(np.abs(w))), 0, w) for w in weights])
    return model


def _learned_statistics():
    model = _network()
    model.get_layer("stem_norm").moving_variance.assign(np.full(12, 1.5))
    return model


def _quantized_by_keras():
    model = _network()
    model.get_layer("head").quantize("int8")
    return model


QUANTIZING = {
    "no images": (_network, [], "hold no images"),
    "a folder": (_network, "photos", "are the name 'photos'.*utils.image_dataset_from_directory reads a folder"),
    "another size": (_network, np.zeros((2, 8, 8, 3)), r"are \(8, 8, 3\), and tiny takes \(16, 16, 3\): resize"),
    "not finite": (_network, np.full((2, SIZE, SIZE, 3), np.nan), "not finite"),
    "no preprocessing": (_learned_statistics, 60 * _images() + 120, "preprocessing is missing"),
    "preprocessing done twice": (_learned_statistics, _images() / 60 - 2, "preprocessing was done twice"),
    "no rule": (_with_uncovered_layer, None, r"no rule for the layer up \(Conv2DTranspose\).* keep_float=\['up'\]"),
    "quantised already": (lambda: optimization.quantize_aware(_network()), None, "quantisation-aware already"),
    "quantised by Keras": (_quantized_by_keras, None, r"tiny is quantised already: its layer head is int8"),
    "pruned already": (_pruned, None, r"tiny is pruned already \(5.% zeros\)"),
}


@pytest.mark.parametrize("name", QUANTIZING)
def test_quantize_aware_refuses(name):
    make, data, message = QUANTIZING[name]
    with pytest.raises(UserError, match=message) as caught:
        optimization.quantize_aware(make(), data)
    assert "\n" not in str(caught.value)


def test_layers_of_a_pruned_model_are_measured():
    rows = optimization.layer_errors(_pruned(), _images(16))
    assert all(row["error"] >= 0 for row in rows) and rows[0]["error"] > 0


def test_exports_that_are_refused(network, trained, tmp_path):
    path, images = tmp_path / "model.tflite", _images()
    cases = (
        (trained, {"quantization": "float16"}, "quantisation-aware: pass quantization='int8'"),
        (optimization.quantize_aware(network), {"quantization": "int8"}, "tiny has seen no data"),
        (network, {"quantization": None, "keep_float": ["stem"]}, "`keep_float` is about int8"),
        (
            network,
            {"quantization": "int8", "representative_data": images, "keep_float": ["nowhere"]},
            "tiny has no layer 'nowhere'",
        ),
        (network, {"quantization": "int16x8"}, "int16x8 needs `representative_data`"),
    )
    for model, arguments, message in cases:
        with pytest.raises(UserError, match=message):
            to_tflite(model, path, **arguments)
    assert not list(tmp_path.iterdir())


COMPRESSING = {
    "pruned already": (lambda: optimization.prune(_pruned(), 0.5), "pruned already: 5.% of its weights"),
    "pruned before clustering": (lambda: optimization.cluster(_pruned()), "pruned already .* fill the zeros"),
    "no share": (lambda: optimization.prune(_network(), 1.5), "0 < sparsity < 1"),
    "no time": (lambda: optimization.prune(_network(), Schedule(0.5, 0.6, 0.6)), "begin < end"),
    "one cluster": (lambda: optimization.cluster(_network(), 1), "at least 2"),
    "rounded already": (lambda: optimization.prune(optimization.quantize_aware(_network())), "quantisation-aware"),
}


@pytest.mark.parametrize("name", COMPRESSING)
def test_compression_refuses(name):
    work, message = COMPRESSING[name]
    with pytest.raises(UserError, match=message):
        work()


def test_a_missing_extra_is_named(network, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_model_optimization", None)
    with pytest.raises(UserError, match=r"keras_lightnets\[optimize\]"):
        optimization.prune(network)


def test_large_kernels_get_the_zeros():
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(8, 3, name="stem")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.DepthwiseConv2D(3, name="depthwise")(x))
    x = keras.layers.Dense(256, name="large")(keras.layers.Dense(64, name="narrow")(x))
    model = keras.Model(inputs, keras.layers.Dense(3, name="head")(x))
    sizes = {"stem": 3 * 3 * 3 * 8, "narrow": 8 * 64, "large": 64 * 256, "head": 256 * 3}
    zeros = {"stem": 0, "narrow": 0, "large": 0.5 * sum(sizes.values()) / sizes["large"], "head": 0}
    assert pruning_shares(model, 0.5) == pytest.approx(zeros, abs=1e-9)
    shares = pruning_shares(model, 0.9)
    assert shares["large"] > shares["narrow"] > shares["stem"] > shares["head"] > 0
    assert sum(sizes[name] * share for name, share in shares.items()) == pytest.approx(0.9 * sum(sizes.values()))


# In the child process.


def _batches():
    images = _images(32)
    return [(images[i : i + 16], np.arange(i, i + 16) % 5) for i in (0, 16)]


def _values(model):
    return [len(np.unique(w)) for w in model.get_layer("pointwise").get_weights()[:1]]


@pytest.mark.slow
@pytest.mark.chosen
def test_prune_and_keras_3_is_not_disturbed(network):
    before, seen = network.get_weights(), []
    training = optimization.prune(network, Schedule(0.5, 0.0, 0.5))
    pruned = training.fit(_batches(), epochs=2, on_step=seen.append)
    assert training.difference <= 1e-6
    assert optimization.sparsity(pruned) == pytest.approx(0.5, abs=0.02) and len(seen) == 4
    assert [weight.path for weight in pruned.weights] == [weight.path for weight in network.weights]
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert "TF_USE_LEGACY_KERAS" not in os.environ and "tf_keras" not in sys.modules
    pruned.compile("sgd", "sparse_categorical_crossentropy")
    pruned.fit(*_batches()[0], verbose=0)


@pytest.mark.slow
def test_cluster(network):
    clustered = optimization.cluster(network, 8).fit(_batches(), epochs=2)
    assert _values(clustered) == [8] != _values(network)


@pytest.mark.slow
def test_quantize_by_tfmot(network, tmp_path):
    images = _images()
    aware = optimization.quantize_aware(network, images)
    learned = optimization.Training(aware, "quantize").fit(_batches(), epochs=2)
    ranges = [
        [float(layer.maximum) for layer in model.layers if isinstance(layer, optimization.FakeQuantize)]
        for model in (aware, learned)
    ]
    assert ranges[0] != ranges[1] and np.all(np.array(ranges[1]) > 0)
    assert to_tflite(learned, tmp_path / "tfmot.tflite", "int8", samples=images).max_abs_diff < 0.05


@pytest.mark.slow
def test_a_failing_child_has_the_last_word(network):
    images, labels = _batches()[0]
    with pytest.raises(UserError, match="could not train tiny: .*"):
        optimization.prune(network).fit([(images, labels)], loss="no_such_loss")
    with pytest.raises(UserError, match="pass `steps_per_epoch`"):
        optimization.prune(network).fit(iter([(images, labels)]))


def test_import_is_cheap():
    code = "import sys, keras_lightnets.optimization; print('tensorflow_model_optimization' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout.lower()) is False
