"""The partial residual and the channel widths of the ReXNets."""

import keras
import numpy as np
import pytest

import keras_lightnets as kl
from keras_lightnets.applications import rexnet
from keras_lightnets.layers import PartialResidual

# Stem, then the sixteen blocks: the authors' code, for ReXNetR timm's.
WIDTHS = {
    (kl.ReXNet, 0.6): "32 16 23 30 36 43 50 56 63 70 77 84 90 97 104 111 117",
    (kl.ReXNet, 0.9): "32 16 26 36 46 56 67 77 87 97 107 117 127 138 148 158 168",
    (kl.ReXNet, 1.0): "32 16 27 38 50 61 72 84 95 106 117 128 140 151 162 174 185",
    (kl.ReXNet, 1.3): "42 21 35 50 65 79 94 109 123 138 152 167 182 196 211 226 240",
    (kl.ReXNet, 1.5): "48 24 41 58 75 92 108 125 142 159 176 193 210 226 243 260 277",
    (kl.ReXNet, 2.0): "64 32 54 77 100 122 144 167 190 212 234 257 280 302 324 347 370",
    (kl.ReXNet, 2.2): "70 35 60 85 109 134 159 184 208 233 258 283 307 332 357 382 406",
    (kl.ReXNet, 3.0): "96 48 82 116 149 183 217 250 284 318 352 386 419 453 487 520 554",
    (kl.ReXNetLite, 1.0): "32 16 32 40 48 64 72 80 96 104 112 128 136 144 160 168 184",
    (kl.ReXNetLite, 1.3): "40 24 32 48 64 80 96 104 120 136 152 160 176 192 208 224 232",
    (kl.ReXNetLite, 1.5): "48 24 40 56 72 88 104 120 136 152 176 192 208 224 240 256 272",
    (kl.ReXNetLite, 2.0): "64 32 56 80 96 120 144 160 184 208 232 248 272 296 320 336 360",
    (kl.ReXNetR, 1.0): "32 16 32 40 48 64 72 88 96 104 120 128 144 152 160 176 184",
    (kl.ReXNetR, 1.3): "40 24 32 48 64 80 96 112 120 136 152 168 184 200 208 224 240",
    (kl.ReXNetR, 1.5): "48 24 40 56 72 96 112 128 144 160 176 192 208 224 240 264 280",
    (kl.ReXNetR, 2.0): "64 32 56 80 104 120 144 168 192 216 232 256 280 304 328 344 368",
    (kl.ReXNetR, 3.0): "96 48 80 112 144 176 224 256 288 320 352 384 416 448 480 528 560",
}
# The squeezed widths of blocks 4 to 16.
SQUEEZED = {
    (kl.ReXNet, 1.0): "19 25 30 36 42 47 53 58 64 70 75 81 87",
    (kl.ReXNetR, 1.0): "24 24 32 40 48 48 56 64 64 72 80 80 88",
    (kl.ReXNetR, 1.3): "24 32 40 48 56 64 72 80 88 96 104 104 112",
    (kl.ReXNetR, 1.5): "32 40 48 56 64 72 80 88 96 104 112 120 136",
    (kl.ReXNetR, 2.0): "40 56 64 72 88 96 112 120 128 144 152 168 176",
    (kl.ReXNetR, 3.0): "64 80 96 112 128 144 160 176 192 208 224 240 272",
}

# Multiply-adds of MobileNetV2 at alpha 0.35 and 224x224 pixels.
(MOBILENET,) = (record.madds for record in kl.list_models() if record.name == "MobileNetV2-alpha=0.35")


def _id(value):
    return getattr(value, "__name__", str(value))


def _filters(model, kind):
    return [layer.filters for layer in model.layers if layer.name.endswith(kind)]


@pytest.mark.parametrize(("build", "alpha"), WIDTHS, ids=_id)
def test_widths(build, alpha, monkeypatch):
    # What a builder asks for, without the second that building takes; the zoo's parameters prove that it gets it.
    monkeypatch.setattr(rexnet, "_rexnet", lambda builder, config, arguments: config)
    assert rexnet._widths(build(alpha)) == [int(width) for width in WIDTHS[build, alpha].split()]


def test_widths_keep_the_order_of_float64_operations(monkeypatch):
    monkeypatch.setattr(rexnet, "_rexnet", lambda builder, config, arguments: config)
    # Exact arithmetic with halves to even would give 102 channels here.
    assert rexnet._widths(kl.ReXNet(0.95))[9] == 101


@pytest.mark.slow
@pytest.mark.chosen
@pytest.mark.parametrize(("build", "alpha"), SQUEEZED, ids=_id)
def test_squeezed_widths(build, alpha):
    model = build(alpha, include_top=False, weights=None)
    assert [model.get_layer("stem").filters, *_filters(model, "_project")] == [
        int(width) for width in WIDTHS[build, alpha].split()
    ]
    assert _filters(model, "_se_squeeze") == [int(width) for width in SQUEEZED[build, alpha].split()]


def test_blocks_as_published():
    names = [layer.name for layer in kl.ReXNet(include_top=False, weights=None).layers]
    assert [name for name in names if name.endswith("_add")] == [
        f"block{number}_add" for number in (3, 5, 7, 8, 9, 10, 11, 13, 14, 15, 16)
    ]
    assert [name for name in names if name.endswith("_pad")] == [
        "stem_pad",
        *(f"block{number}_depthwise_pad" for number in (2, 4, 6, 12)),
    ]
    block = [name.removeprefix("block5_") for name in names if name.startswith("block5_")]
    assert " ".join(block) == (
        "expand expand_bn expand_act depthwise depthwise_bn "
        "se_pool se_squeeze se_squeeze_bn se_relu se_excite se_sigmoid se_multiply relu6 project project_bn add"
    )


@pytest.mark.parametrize("build", [kl.ReXNet, kl.ReXNetLite, kl.ReXNetR], ids=_id)
def test_alpha_must_be_a_positive_number(build):
    for alpha in (0, -1.0, float("nan"), float("inf"), "1.0", None, True):
        with pytest.raises(ValueError, match=r"`alpha` must be a positive number\. Received: alpha="):
            build(alpha, weights=None)


def test_any_width():
    model = kl.ReXNet(np.float32(0.25), include_top=False, weights=None, pooling="avg")
    assert model.name == "rexnet_0.25"
    assert model.output_shape == (None, 320)


@pytest.mark.parametrize(
    ("alpha", "size", "low", "high"),
    [(1e-6, 224, 79e6, 80e6), (0.45, 128, 0.97 * MOBILENET, 1.03 * MOBILENET)],
    ids=("the narrowest", "as cheap as MobileNetV2-0.35"),
)
def test_cost_of_narrow_lite_networks(alpha, size, low, high):
    model = kl.ReXNetLite(alpha, weights=None, input_shape=(size, size, 3))
    assert low < kl.complexity(model).madds < high


def test_names(monkeypatch):
    monkeypatch.setattr(rexnet, "_rexnet", lambda builder, config, arguments: arguments.name)
    assert kl.ReXNet() == "rexnet_1.0"
    assert kl.ReXNetLite(2) == "rexnet_lite_2.0"
    assert kl.ReXNetR(3.0) == "rexnet_r_3.0"
    assert kl.ReXNetR(3.0, name="mine") == "mine"


def test_partial_residual(tmp_path):
    layer = PartialResidual(name="add")
    assert PartialResidual.from_config(layer.get_config()).get_config() == layer.get_config()
    assert keras.saving.get_registered_name(PartialResidual) == "keras_lightnets>PartialResidual"

    random = np.random.RandomState(0)
    x, shortcut = (random.standard_normal((2, 5, 4, channels)).astype("float32") for channels in (7, 3))
    inputs = [keras.Input((None, None, 7)), keras.Input((None, None, 3))]
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == (None, None, None, 7)
    assert layer.weights == []
    outputs = model.predict([x, shortcut], verbose=0)
    assert outputs.shape == layer.compute_output_shape([x.shape, shortcut.shape])
    np.testing.assert_array_equal(outputs, np.concatenate([x[..., :3] + shortcut, x[..., 3:]], axis=-1))

    model.save(tmp_path / "layer.keras")
    loaded = keras.saving.load_model(tmp_path / "layer.keras")
    np.testing.assert_array_equal(loaded.predict([x, shortcut], verbose=0), outputs)


def test_partial_residual_by_hand_and_in_mixed_precision():
    pixels = [np.array([1.0, 2.0, 3.0]).reshape(1, 1, 1, 3), np.array([10.0, 20.0]).reshape(1, 1, 1, 2)]
    np.testing.assert_array_equal(np.ravel(PartialResidual()(pixels)), [11, 22, 3])
    np.testing.assert_array_equal(np.ravel(PartialResidual()(pixels[:1] * 2)), [2, 4, 6])
    assert PartialResidual(dtype="mixed_bfloat16")(pixels).dtype == "bfloat16"


def test_partial_residual_refuses_what_does_not_fit():
    zeros = np.zeros
    for shortcut in ((1, 2, 2, 4), (1, 1, 2, 3), (1, 2, 1, 3)):
        with pytest.raises(ValueError, match="`shortcut` must have the height and width of the input"):
            PartialResidual()([zeros((1, 2, 2, 3)), zeros(shortcut)])
    for inputs in (zeros((1, 2, 2, 3)), [zeros((1, 2, 2, 3))], [zeros((1, 3)), zeros((1, 2))]):
        with pytest.raises(ValueError, match=r"`inputs` must be \[input, shortcut\]"):
            PartialResidual()(inputs)
