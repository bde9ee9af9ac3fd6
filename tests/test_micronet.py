"""MicroNet's ablation, ReLU6 in place of Dynamic Shift-Max; test_goldens.py has its logits by the authors' code."""

import keras
import pytest

import keras_lightnets as kl
from keras_lightnets.export import to_tflite
from keras_lightnets.layers import DynamicShiftMax
from tools.seeded import calibrated_scales, seed_weights, seeded_images

BUILDERS = [kl.MicroNetM0, kl.MicroNetM1, kl.MicroNetM2, kl.MicroNetM3]


def build(builder, **arguments):
    return builder(weights=None, include_top=False, input_shape=(32, 32, 3), **arguments)


@pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)
def test_relu6_stands_where_dynamic_shift_max_has_two_pieces(builder):
    """One piece, after squeezes and at the end, is a linear mix: nothing takes its place."""
    own, ablation = build(builder), build(builder, activation="relu6")
    assert own.name == ablation.name
    mixes = {layer.name: layer.pieces for layer in own.layers if isinstance(layer, DynamicShiftMax)}
    names = {layer.name for layer in ablation.layers}
    assert set(mixes.values()) <= {1, 2} and mixes
    for name, pieces in mixes.items():
        assert (name in names) == (pieces == 2), name
    for name in mixes.keys() & names:
        layer = ablation.get_layer(name)
        assert isinstance(layer, keras.layers.ReLU) and layer.max_value == 6.0, name
    # Every convolution is as it was.
    kernels = [
        {weight.path: weight.shape for weight in model.weights if weight.path.split("/")[0] not in mixes}
        for model in (own, ablation)
    ]
    assert kernels[0] == kernels[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "relu"}, "`activation` must be one of 'dynamic_shift_max', 'relu6'. Received: .*'relu'"),
        ({"activation": None}, "`activation` must be one of .* Received: activation=None"),
        ({"activation": ["relu6"]}, r"`activation` must be one of .* Received: activation=\['relu6'\]"),
        ({"activation": "relu6", "weights": "imagenet"}, "none are released for this network yet.*'imagenet'"),
        (
            {"activation": "relu6", "weights": "cifar10"},
            r"MicroNetM0\(\), .*, not for MicroNetM0\(activation='relu6'\)",
        ),
    ],
    ids=str,
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        kl.MicroNetM0(**{"weights": None, **arguments})
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("quantization", [None, "int8"])
def test_export(quantization, tmp_path):
    model = kl.MicroNetM0(weights=None, input_shape=(32, 32, 3), classes=10, activation="relu6")
    images = seeded_images((8, 32, 32, 3))
    seed_weights(model, calibrated_scales(model, images))
    report = to_tflite(model, tmp_path / "model.tflite", quantization, images)
    assert report.partitions == 1
