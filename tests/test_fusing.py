"""`export.fuse`: exact at every size and in every corner, and free of what phones are slow at."""

import json

import keras
import numpy as np
import pytest

import keras_lightnets as kl
from keras_lightnets.errors import UserError
from keras_lightnets.export import fuse, to_tflite
from keras_lightnets.export.fusing.ordering import cycles, positions, rotation, stored_groups
from keras_lightnets.export.interpreter import TFLiteModel
from keras_lightnets.kernels.permutations import shift_permutation
from keras_lightnets.layers.inference import ColumnBias
from tests.fused_checks import TOLERANCE, check_fused, fused_difference
from tools.goldens.derive import FOLDER
from tools.seeded import calibrated_scales, run, seed_weights, seeded_images

GOLDENS = {name: golden for path in FOLDER.glob("*.json") for name, golden in json.loads(path.read_text()).items()}
# A network of every family, and the golden whose scales keep its signal healthy.
FAMILIES = {
    "MicroNetM0": (kl.MicroNetM0, {}, "MicroNetM0"),
    "MicroNetM1": (kl.MicroNetM1, {}, "MicroNetM1"),
    "MicroNetM2": (kl.MicroNetM2, {}, "MicroNetM2"),
    "MicroNetM3": (kl.MicroNetM3, {}, "MicroNetM3"),
    "ReXNet": (kl.ReXNet, {}, "ReXNet-alpha=1.0"),
    "ReXNetLite": (kl.ReXNetLite, {}, "ReXNetLite-alpha=1.0"),
    "ShuffleNet": (kl.ShuffleNet, {}, "ShuffleNet-groups=3-alpha=1.0"),
    "ShuffleNetV2": (kl.ShuffleNetV2, {}, "ShuffleNetV2-alpha=1.0"),
    "MobileNet": (kl.MobileNet, {"alpha": 0.25}, None),
    "MobileNetV2": (kl.MobileNetV2, {"alpha": 0.35}, None),
    # The images here are normalised.
    "MobileNetV3Small": (kl.MobileNetV3Small, {"include_preprocessing": False}, None),
    "MobileNetV3Large": (kl.MobileNetV3Large, {"include_preprocessing": False, "alpha": 0.75}, None),
}


def seeded(name, size, **kwargs):
    builder, arguments, golden = FAMILIES[name]
    model = builder(weights=None, input_shape=(*size, 3), **{"classifier_activation": None, **arguments, **kwargs})
    seed_weights(model, GOLDENS[golden]["scales"] if golden else {})
    return model


def predicted(model, count=2):
    return run(model, seeded_images((count, *model.input_shape[1:])))


@pytest.mark.slow
@pytest.mark.parametrize(
    "size",
    [(224, 224), (160, 160), (96, 96), pytest.param((75, 61), marks=pytest.mark.chosen)],
    ids=lambda size: f"{size[0]}x{size[1]}",
)
@pytest.mark.parametrize("name", FAMILIES)
def test_equal_at_every_size(name, size):
    model = seeded(name, size)
    # The averages, and with them the signal, depend on the size: elsewhere float32 may drown in its own rounding.
    seed_weights(model, calibrated_scales(model, seeded_images((3, *size, 3))))
    check_fused(model, predicted(model, 3))


@pytest.mark.parametrize("name", ["MobileNet", "MobileNetV3Small"])
def test_equal_to_mobilenets(name):
    model = seeded(name, (47, 64))
    check_fused(model, predicted(model))


def test_wrong_border_or_duplicate_shows():
    model = seeded("MicroNetM2", (64, 64))
    expected = predicted(model)
    fused = check_fused(model, expected)
    border = next(layer for layer in fused.layers if isinstance(layer, ColumnBias))
    conv = fused.get_layer("block4_expand")
    # Each of the six groups has 24 channels, and two of them once more for the two shifts that follow.
    assert (conv.groups, conv.filters) == (6, 6 * (24 + 2))
    bias, (kernel, conv_bias) = border.get_weights()[0], conv.get_weights()
    wrong = bias.copy()
    wrong[0] = bias[1]
    border.set_weights([wrong])
    assert fused_difference(fused, expected) > TOLERANCE
    border.set_weights([bias])
    kernel[..., 24] *= 1.1
    conv.set_weights([kernel, conv_bias])
    assert fused_difference(fused, expected) > TOLERANCE


def test_channels_before_a_depthwise_convolution_are_equally_large():
    inputs = keras.Input((12, 10, 3))
    convolved = keras.layers.Conv2D(8, 3, name="first")(inputs)
    normalized = keras.layers.BatchNormalization(name="normalization")(convolved)
    outputs = keras.layers.DepthwiseConv2D(3, name="second")(normalized)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(outputs))
    seed_weights(model, {})
    images = seeded_images((8, 12, 10, 3))
    values = keras.Model(inputs, convolved)(images).numpy()
    mean, variance = values.mean((0, 1, 2)), values.var((0, 1, 2))
    # One channel is silent. Its factor has a limit.
    gamma, beta = [0.0, -1.0, 1.5, 2.0, 2.5, 4.0, 8.0, 9.0], [0.0, 0.1, 0.0, 0.0, -1.0, 0.0, 0.0, 3.0]
    model.get_layer("normalization").set_weights([np.array(values) for values in (gamma, beta, mean, variance)])
    fused = check_fused(model, predicted(model, 8))
    largest = np.abs(keras.Model(fused.input, fused.get_layer("first").output)(images)).max((0, 1, 2))
    assert largest.max() < 2 * np.sort(largest)[1] and largest.min() < 1e-3


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """MicroNet-M0 as float, small and int8 files, with their reports."""
    model, folder = seeded("MicroNetM0", (64, 64), classifier_activation="softmax"), tmp_path_factory.mktemp("m0")
    images = seeded_images((24, 64, 64, 3))
    return {kind: to_tflite(model, folder / f"{kind}.tflite", kind, images) for kind in (None, "dynamic", "int8")}


@pytest.mark.slow
@pytest.mark.chosen
@pytest.mark.parametrize("kind", [None, "dynamic", "int8"])
def test_one_partition_without_moving_channels(exported, kind):
    report = exported[kind]
    operators = TFLiteModel(report.path).operators
    assert report.partitions == operators.count("DELEGATE") == 1
    assert not {"GATHER", "GATHER_ND", "TRANSPOSE"} & set(operators)


def test_small_files(exported):
    assert exported[None].max_abs_diff < 1e-6 and exported[None].top1_agreement == 1.0
    # The two dense layers of the classifier hold nine tenths of the numbers.
    assert exported["dynamic"].size_bytes < 0.5 * exported[None].size_bytes
    assert 1e-6 < exported["dynamic"].max_abs_diff < 0.01 and exported["dynamic"].top1_agreement > 0.9
    assert exported["int8"].size_bytes < exported["dynamic"].size_bytes


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_int8_in_one_partition(name, tmp_path):
    images = seeded_images((8, 64, 64, 3))
    model = seeded(name, (64, 64), classes=10)
    assert to_tflite(model, tmp_path / "model.tflite", "int8", images).partitions == 1


def test_averages_over_padded_windows_are_delegated(tmp_path):
    inputs = keras.Input((9, 8, 5))
    x = keras.layers.AveragePooling2D((3, 2), 2)(keras.layers.ZeroPadding2D(((1, 1), (2, 0)))(inputs))
    model = keras.Model(inputs, keras.layers.GlobalMaxPooling2D()(x))
    images = seeded_images((8, 9, 8, 5))
    assert np.abs(fuse(model).predict(images, verbose=0) - model.predict(images, verbose=0)).max() < 1e-6
    assert to_tflite(model, tmp_path / "model.tflite", "int8", images).partitions == 1


def test_fused_model_is_saved_and_loaded(tmp_path):
    fused = fuse(kl.MicroNetM0(weights=None, input_shape=(64, 64, 3)))
    fused.save(tmp_path / "fused.keras")
    loaded = keras.saving.load_model(tmp_path / "fused.keras")
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in fused.layers]
    for ours, theirs in zip(loaded.get_weights(), fused.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# Graphs that no builder makes.


def _transfer_learning():
    base = kl.ShuffleNetV2(alpha=0.5, weights=None, include_top=False, pooling="avg", input_shape=(40, 40, 3))
    dense = keras.layers.Dense(7, activation="softmax")
    return keras.Sequential([keras.Input((40, 40, 3)), base, keras.layers.Dropout(0.5), dense], name="transfer")


def _unknown_operations():
    inputs = keras.Input((8, 8, 12))
    x = kl.layers.ChannelShuffle(3)(inputs)
    x = keras.layers.Conv2DTranspose(12, 3, padding="same")(keras.ops.sin(x) + 0.5)
    x = kl.layers.ChannelShuffle(4)(x)
    x = keras.layers.LayerNormalization()(x)
    return keras.Model(inputs, keras.layers.Flatten()(x))


def _shared_layer_and_bare_normalisation():
    inputs = keras.Input((9, 9, 8))
    conv = kl.layers.GroupedConv2D(8, groups=2, activation="silu", name="shared")
    x = conv(kl.layers.ChannelShuffle(2)(conv(inputs)))
    x = keras.layers.BatchNormalization(name="bare")(keras.layers.Concatenate()([inputs, x]))
    x = kl.layers.ChannelShuffle(8)(x)
    return keras.Model(inputs, [keras.layers.GlobalMaxPooling2D()(x), keras.layers.GlobalAveragePooling2D()(inputs)])


def _shift_max_without_a_convolution():
    inputs = keras.Input((6, 6, 12))
    x = kl.layers.DynamicShiftMax(3, 4, 2, (1.0, 0.5), (0.0, 0.5))(inputs)
    x = kl.layers.PartialResidual()([kl.layers.GroupedConv2D(16, groups=4)(x), inputs])
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(kl.layers.DynamicShiftMax(4, 4, 2)(x)))


def _odd_orders():
    inputs = keras.Input((7, 7, 6))
    x = kl.layers.GroupedConv2D(96, groups=3)(inputs)
    x = kl.layers.DynamicShiftMax(3, 4, 2)(x)
    x = kl.layers.ChannelShuffle(32)(x)
    branch = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    x = keras.layers.Add()([keras.layers.Conv2D(96, 1)(x), kl.layers.ChannelShuffle(6)(branch)])
    return keras.Model(inputs, keras.layers.Conv2D(5, 7)(x)[:, 0, 0, :])


def _padded_convolutions_before_shift_max():
    inputs = keras.Input((26, 26, 4))
    x = keras.layers.Conv2D(12, 1)(keras.layers.ZeroPadding2D(1)(inputs))
    x = kl.layers.DynamicShiftMax(3, 4, 1)(x)
    x = keras.layers.Conv2D(16, 1)(keras.layers.ZeroPadding2D(1)(x))
    x = kl.layers.DynamicShiftMax(4, 4, 2)(x)
    return keras.Model(inputs, kl.layers.DynamicShiftMax(4, 4, 2)(keras.layers.Conv2D(32, 1, 2)(x)))


@pytest.mark.parametrize(
    "make",
    [
        _transfer_learning,
        _unknown_operations,
        _shared_layer_and_bare_normalisation,
        _shift_max_without_a_convolution,
        _odd_orders,
        _padded_convolutions_before_shift_max,
    ],
)
def test_equal_for_other_graphs(make):
    model = make()
    seed_weights(model, {})
    images = seeded_images((3, *model.input_shape[1:]))
    outputs = [keras.tree.flatten(each.predict(images, verbose=0)) for each in (fuse(model), model)]
    for ours, theirs in zip(*outputs, strict=True):
        assert np.abs(ours - theirs).max() < TOLERANCE * np.abs(theirs).max()


def test_models_without_a_graph_are_refused():
    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(UserError, match="subclassed .Subclassed. has no known input shape"):
        fuse(Subclassed())


# The order of channels, by itself.


@pytest.mark.parametrize(("channels", "groups"), [(16, 4), (32, 8), (48, 12), (128, 8), (144, 6), (720, 12), (12, 3)])
def test_cycles_make_a_shift_a_rotation(channels, groups):
    shift = shift_permutation(channels, groups)
    order = cycles(shift)
    assert sorted(order) == list(range(channels))
    steps, kept = rotation(order, shift)
    np.testing.assert_array_equal(kept, order)
    np.testing.assert_array_equal(np.roll(order, -steps), shift[order])


def test_a_duplicate_makes_a_shift_a_rotation():
    order = np.array([0, 1, 2, 0, 3, 4, 5, 3])
    steps, kept = rotation(order, shift_permutation(6, 2))
    assert steps == 5
    np.testing.assert_array_equal(kept, [0, 1, 2, -1, 3, 4, 5, -1])
    assert rotation(np.arange(6), shift_permutation(6, 2)) == (None, None)
    np.testing.assert_array_equal(positions(np.array([2, -1, 0, 1, 0]), 3), [2, 3, 0])


def test_groups_are_found_and_filled():
    links = np.kron(np.eye(8, dtype=bool), np.ones((2, 8), bool))
    assert stored_groups(links) == 4  # of sixteen outputs
    links[0, 63] = True
    assert stored_groups(links) == 1
