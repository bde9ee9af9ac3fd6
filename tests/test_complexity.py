"""Cost of a model: hand-counted networks, keras.applications, and what cannot be counted."""

import csv
import io
import json
import math
import re

import keras
import pytest
from keras import layers, ops

import keras_lightnets as kl
from keras_lightnets import layers as ours
from keras_lightnets.complexity import complexity
from keras_lightnets.errors import UserError
from keras_lightnets.export import fuse


def network(shape, *stack):
    inputs = keras.Input(shape)
    x = inputs
    for layer in stack:
        x = layer(x)
    return keras.Model(inputs, x)


# Input 8x8x4 throughout; what the layer costs, counted by hand.
SINGLE = {
    "conv": (layers.Conv2D(6, 3, padding="same"), 3 * 3 * 4 * 6 + 6, 8 * 8 * 6 * 3 * 3 * 4),
    "strided": (layers.Conv2D(6, 3, strides=2, use_bias=False), 3 * 3 * 4 * 6, 3 * 3 * 6 * 3 * 3 * 4),
    "dilated": (layers.Conv2D(6, 3, dilation_rate=2, use_bias=False), 3 * 3 * 4 * 6, 4 * 4 * 6 * 3 * 3 * 4),
    "grouped": (layers.Conv2D(6, 1, groups=2, use_bias=False), 2 * 6, 8 * 8 * 6 * 2),
    "our grouped": (ours.GroupedConv2D(6, groups=2, use_bias=False), 2 * 6, 8 * 8 * 6 * 2),
    "depthwise": (layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False), 3 * 3 * 8, 6 * 6 * 8 * 3 * 3),
    "axial": (ours.AxialDepthwiseConv2D(5, "height", stride=2), 5 * 4, 4 * 8 * 4 * 5),
    "separable": (layers.SeparableConv2D(6, 3, use_bias=False), 3 * 3 * 4 + 4 * 6, 6 * 6 * (4 * 3 * 3 + 6 * 4)),
    "transposed": (layers.Conv2DTranspose(6, 2, strides=2, use_bias=False), 2 * 2 * 4 * 6, 8 * 8 * 4 * 2 * 2 * 6),
    "dense": (layers.Dense(6), 4 * 6 + 6, 8 * 8 * 4 * 6),
    "micro pointwise": (ours.MicroFactorizedPointwiseConv2D(8, groups=2), 2 * 4 + 2 * 8, 8 * 8 * (2 * 4 + 2 * 8)),
    "micro depthwise": (ours.MicroFactorizedDepthwiseConv2D(3, stride=2), 6 * 4, 4 * 8 * 4 * 3 + 4 * 4 * 4 * 3),
    "batch normalization": (layers.BatchNormalization(), 2 * 4, 0),
    "pooling": (layers.AveragePooling2D(3), 0, 0),
}


@pytest.mark.parametrize(("layer", "params", "madds"), SINGLE.values(), ids=SINGLE)
def test_single_layers(layer, params, madds):
    cost = complexity(network((8, 8, 4), layer))
    assert (cost.params, cost.madds, cost.mix_madds, cost.unknown) == (params, madds, 0, ())
    assert cost.layers[0].activations == math.prod(cost.layers[0].output_shape)


def test_dynamic_shift_max():
    cost = complexity(network((8, 8, 4), ours.DynamicShiftMax(groups=2, units=3)))
    dense = 4 * 3 + 3 * 16
    assert (cost.params, cost.madds, cost.mix_madds) == (dense + 3 + 16, dense, 8 * 8 * 4 * 4)


@pytest.fixture(scope="module")
def hand_counted():
    """A network with every part, 32x32x3 in."""
    inputs = keras.Input((32, 32, 3), name="image")
    x = layers.Rescaling(1 / 255, name="rescaling")(inputs)
    x = layers.Conv2D(8, 3, 2, "same", use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(name="stem_bn")(x)
    shortcut = x = layers.ReLU(name="stem_relu")(x)
    x = layers.Conv2D(16, 1, use_bias=False, name="expand")(x)
    x = layers.ReLU(name="expand_relu")(x)
    x = layers.ZeroPadding2D(1, name="pad")(x)
    x = layers.DepthwiseConv2D(3, use_bias=False, name="depthwise")(x)
    s = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    s = layers.Conv2D(4, 1, activation="relu", name="reduce")(s)
    s = layers.Conv2D(16, 1, activation="sigmoid", name="excite")(s)
    x = layers.Multiply(name="scale")([x, s])
    x = layers.Conv2D(8, 1, groups=2, use_bias=False, name="project")(x)
    x = layers.Add(name="add")([x, shortcut])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(10, name="logits")(x), name="hand_counted")


def test_hand_counted_network(hand_counted):
    cost = complexity(hand_counted)
    pixels = 16 * 16
    parts = {part: (total.params, total.madds) for part, total in cost.parts.items() if part}
    assert parts == {
        "stem": (216, pixels * 216),
        "normalization": (16, 0),
        "1x1": (128, pixels * 128),
        "depthwise": (144, pixels * 144),
        "squeeze-excite": (16 * 4 + 4 + 4 * 16 + 16, 2 * 64),
        "grouped 1x1": (64, pixels * 64),
        "head": (90, 80),
    }
    assert cost.params == sum(params for params, _ in parts.values())
    assert cost.madds == sum(madds for _, madds in parts.values())
    assert cost.non_trainable_params == 16
    assert cost.activations == pixels * (8 + 16 + 16 + 8) + 4 + 16 + 10


def test_hand_counted_memory(hand_counted):
    """In float32 numbers: the shortcut has 2048 of them, the wide maps 4096."""
    cost = complexity(hand_counted)
    layer = {layer.name: layer for layer in cost.layers}
    image, narrow, wide = 32 * 32 * 3, 16 * 16 * 8, 16 * 16 * 16
    live = {
        "stem": image + narrow,
        "stem_relu": narrow,
        "expand": narrow + wide,
        # Padding is part of the convolution behind it.
        "pad": narrow + wide,
        "depthwise": narrow + 2 * wide,
        "excite": narrow + wide + 4 + 16,
        "scale": narrow + 2 * wide + 16,
        "project": narrow + wide + narrow,
        "add": 3 * narrow,
        "logits": 8 + 10,
    }
    assert {name: layer[name].memory / 4 for name in live} == live
    assert cost.peak_memory == 4 * (narrow + 2 * wide + 16)
    moved = {
        "stem": image + 216 + narrow,
        "stem_bn": 0,
        "depthwise": 2 * wide + 144,
        "scale": 2 * wide + 16,
        "logits": 8 + 90 + 10,
    }
    assert {name: layer[name].bytes_moved / 4 for name in moved} == moved
    assert layer["stem"].intensity == pytest.approx(16 * 16 * 216 / (4 * moved["stem"]))


def test_an_input_that_is_read_again_is_not_overwritten():
    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 1)(inputs)
    y = layers.ReLU(name="relu")(x)
    cost = complexity(keras.Model(inputs, layers.Add()([x, y])))
    relu = next(layer for layer in cost.layers if layer.name == "relu")
    assert (relu.memory, relu.bytes_moved) == (2 * 4 * 256, 2 * 4 * 256)


@pytest.mark.parametrize("kernels", [((3, 1), (1, 3)), ((1, 5), (5, 1))])
def test_factorised_stems(kernels):
    column, row = (layers.Conv2D(4, kernel, name=f"conv{kernel[0]}x{kernel[1]}") for kernel in kernels)
    cost = complexity(network((8, 8, 3), column, layers.BatchNormalization(), row, layers.Conv2D(4, 1), layers.ReLU()))
    assert [layer.part for layer in cost.layers] == ["stem", "normalization", "stem", "1x1", ""]


def test_sizes():
    open_ = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(2, 1, use_bias=False)])
    assert complexity(open_).madds == 224 * 224 * 6
    assert complexity(open_, (10, 20, 3)).madds == 200 * 6
    fixed = network((32, 32, 3), layers.Conv2D(2, 1, use_bias=False))
    assert complexity(fixed, (10, 20, 3)).madds == 200 * 6
    flat = network((8, 8, 3), layers.Flatten(), layers.Dense(5, name="logits"))
    with pytest.raises(UserError, match="logits takes 192 numbers, not 48"):
        complexity(flat, (4, 4, 3))
    with pytest.raises(UserError, match=r"inputs of shape \[\(8, 8, 3\)\]. Received: input_shape=\(4, 4\)"):
        complexity(flat, (4, 4))


def test_nested_and_shared_layers():
    inner = network((8, 8, 4), layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv"), layers.ReLU())
    inner.name = "inner"
    shared = layers.Conv2D(4, 1, use_bias=False, name="shared")
    inputs = keras.Input((8, 8, 4))
    model = keras.Model(inputs, shared(inner(shared(inputs))))
    cost = complexity(model)
    rows = [(layer.name, layer.params, layer.madds) for layer in cost.layers if layer.madds]
    assert rows == [("shared", 16, 1024), ("inner/conv", 144, 64 * 144), ("shared", 0, 1024)]
    assert cost.params == model.count_params() == 160


def test_several_inputs():
    left, right = keras.Input((8, 8, 4)), keras.Input((4,))
    x = layers.Multiply()([layers.Conv2D(4, 1, use_bias=False)(left), right])
    model = keras.Model([left, right], x)
    assert complexity(model).madds == 64 * 16
    assert complexity(model, [(2, 2, 4), (4,)]).madds == 4 * 16


def test_unknown_layers_are_named():
    class Twice(layers.Layer):
        def call(self, inputs):
            return ops.matmul(inputs, ops.transpose(inputs, (0, 1, 3, 2)))

    inputs = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 1, use_bias=False)(inputs)
    model = keras.Model(inputs, ops.matmul(Twice(name="twice")(x), x))
    with pytest.warns(UserWarning, match=r"these layers, which are unknown: twice \(Twice\), matmul\w* \(Matmul\)"):
        cost = complexity(model)
    assert cost.unknown[0] == "twice" and cost.madds == 64 * 16
    assert cost.parts["unknown"].madds == 0
    row = next(row for row in json.loads(cost.to_json())["layers"] if row["name"] == "twice")
    assert row["madds"] is None
    assert "| twice | Twice | (1, 8, 8, 8) | 0 | ? | ? |" in cost.to_markdown()
    assert "Not counted, because they are unknown: twice, matmul" in cost.to_markdown()


def test_fused_models_are_counted():
    inputs = keras.Input((8, 8, 6))
    x = layers.Conv2D(12, 1)(inputs)
    outputs = ours.DynamicShiftMax(groups=3, units=2)(x)
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(outputs))
    fused = complexity(fuse(model))
    counted = {row.kind: (row.madds, row.mix_madds) for row in fused.layers}
    assert not fused.unknown
    assert counted["GroupedConv2D"] == (64 * 6 * 12, 0)
    assert counted["ShiftMaxMix"] == (0, complexity(model).mix_madds) == (0, 64 * 12 * 4)


def test_a_model_that_moves_nothing():
    cost = complexity(network((8, 8, 4), layers.ReLU()))
    assert (cost.madds, cost.bytes_moved, cost.intensity, cost.peak_memory) == (0, 0, 0.0, 4 * 256)


def test_models_that_are_not_functional():
    class Own(keras.Model):
        pass

    with pytest.raises(UserError, match="own .Own. has no known input shape"):
        complexity(Own())


def test_tables(hand_counted):
    cost = complexity(hand_counted)
    rows = list(csv.DictReader(io.StringIO(cost.to_csv())))
    assert [row["name"] for row in rows] == [layer.name for layer in cost.layers]
    assert sum(int(row["madds"]) for row in rows) == cost.madds
    content = json.loads(cost.to_json())
    assert content["madds"] == cost.madds and content["parts"]["head"]["params"] == 90
    assert content["layers"][1]["output_shape"] == [1, 16, 16, 8]
    lines = cost.to_markdown().splitlines()
    assert "| stem | 216 | 55,296 | 0 |" in cost.to_markdown()
    assert len({line.count("|") for line in lines if re.match(r"\| (name|stem_relu|logits) ", line)}) == 1


# What the PyTorch side counts of each part (authors' code, forward hooks on Conv2d and Linear; batch 1).
MICRONET = {
    kl.MicroNetM0: (602_112, 840_448, 1_016_064, 104_496, 885_760, 605_248),
    kl.MicroNetM1: (903_168, 1_169_728, 1_505_280, 222_944, 1_512_960, 805_952),
    kl.MicroNetM2: (1_204_224, 2_681_280, 4_139_520, 502_672, 1_810_432, 2_405_312),
    kl.MicroNetM3: (1_354_752, 5_329_632, 9_078_720, 564_160, 1_908_736, 2_571_520),
}


@pytest.mark.parametrize(
    "builder",
    [
        pytest.param(builder, marks=() if builder is kl.MicroNetM0 else pytest.mark.slow, id=builder.__name__)
        for builder in MICRONET
    ],
)
def test_micronet_parts(builder):
    cost = complexity(builder(weights=None))
    names = ("stem", "depthwise", "grouped 1x1", "shift-max", "head")
    assert (*(cost.parts[name].madds for name in names), cost.mix_madds) == MICRONET[builder]


def test_micronet_parameters_by_part():
    parts = complexity(kl.MicroNetM0(weights=None)).parts
    assert sum(parts[name].params for name in ("stem", "depthwise", "grouped 1x1")) == 14_910
    assert [parts[name].params for name in ("normalization", "shift-max", "head")] == [4_212, 109_788, 890_680]


# Billions of multiply-adds as their papers or EfficientNet's Table 2 print them, of all parts or of some.
APPLICATIONS = {
    "MobileNetV2": ("0.30", None),
    "EfficientNetB0": ("0.39", None),
    "EfficientNetV2B0": ("0.7", None),
    "NASNetMobile": ("0.564", None),
    "ResNet50": ("3.86", None),
    "ConvNeXtTiny": ("4.5", None),
    "VGG16": ("15.3", ("stem", "convolution")),
    "Xception": ("8.4", None),
    "InceptionV3": ("5.7", None),
    "InceptionResNetV2": ("13", None),
    "MobileNetV3Large": ("0.217", None),
}
FAST = ("MobileNetV2", "Xception")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in APPLICATIONS]
)
def test_keras_applications(name):
    printed, parts = APPLICATIONS[name]
    model = getattr(keras.applications, name)(weights=None)
    cost = complexity(model)
    assert not cost.unknown and "unknown" not in cost.parts
    assert cost.params + cost.non_trainable_params == model.count_params()
    counted = sum(total.madds for part, total in cost.parts.items() if parts is None or part in parts)
    assert f"{counted / 1e9:.{len(printed.partition('.')[2])}f}" == printed


def test_the_package_is_called_like_its_function():
    import keras_lightnets.complexity.rules as rules

    model = network((8, 8, 4), layers.Conv2D(2, 1, use_bias=False))
    assert kl.complexity(model).madds == complexity(model).madds == 64 * 8
    assert kl.complexity.rules is rules


def test_augmentation_costs_nothing():
    cost = complexity(
        network((8, 8, 3), layers.RandomFlip(), layers.RandomZoom(0.1), layers.Conv2D(2, 1, use_bias=False))
    )
    assert (cost.madds, cost.unknown, cost.layers[0].bytes_moved) == (64 * 6, (), 0)
