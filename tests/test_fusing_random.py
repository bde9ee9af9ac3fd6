"""`export.fuse` on graphs that nobody would draw: random layers, random arguments, the same numbers."""

import random

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_lightnets as kl
from keras_lightnets.export import fuse
from tests.fused_checks import TOLERANCE

KERNELS = [(1, 1), (3, 3), (3, 1), (1, 3), (2, 2), (5, 1), (1, 5), (2, 1), (1, 2), (4, 3)]
ACTIVATIONS = [None, None, None, "relu", "relu6", "silu", "hard_swish", "sigmoid", "softmax", "leaky_relu", "tanh"]
PADDINGS = [0, 1, 2, ((1, 0), (0, 0)), ((0, 0), (1, 1)), ((2, 1), (1, 2))]
MERGING = [layers.Add, layers.Multiply, layers.Maximum, layers.Average, layers.Subtract]


def _convolution(chance, channels):
    groups = chance.choice([count for count in (1, 2, 3, 4, 6, 8) if channels % count == 0])
    width, kernel = chance.choice([1, 2, 3, 4, 6, 8, 12]), chance.choice(KERNELS)
    strides = chance.choice([(1, 1), (1, 1), (2, 1), (1, 2), (2, 2)])
    dilation = chance.choice([(1, 1), (1, 1), (2, 1), (2, 2)]) if strides == (1, 1) else (1, 1)
    common = {
        "padding": chance.choice(["same", "valid"]),
        "use_bias": chance.random() < 0.6,
        "activation": chance.choice(ACTIVATIONS),
    }
    equal = {"strides": strides[0]} if strides[0] == strides[1] else {}
    plain = {"dilation_rate": dilation} if dilation[0] == dilation[1] and not equal.get("strides", 1) > 1 else {}
    return chance.choice(
        [
            lambda: layers.Conv2D(width * groups, kernel, strides, dilation_rate=dilation, groups=groups, **common),
            lambda: layers.Conv2D(width, kernel, **common),
            lambda: layers.Conv2D(width, 1, **common),
            lambda: kl.layers.GroupedConv2D(width * groups, groups=groups),
            lambda: layers.DepthwiseConv2D(
                kernel, **equal, **plain, depth_multiplier=chance.choice([1, 1, 2]), **common
            ),
            lambda: layers.SeparableConv2D(width, kernel, **common),
            lambda: kl.layers.AxialDepthwiseConv2D(chance.choice([3, 5]), axis=chance.choice(["height", "width"])),
            lambda: kl.layers.MicroFactorizedPointwiseConv2D(4 * width * groups, groups=groups),
            lambda: kl.layers.MicroFactorizedDepthwiseConv2D(3),
        ]
    )()


def _other(chance, channels):
    groups = chance.choice([count for count in (1, 2, 3, 4, 6) if channels % count == 0])
    pooling = {"strides": chance.choice([1, 2]), "padding": chance.choice(["same", "valid"])}
    return chance.choice(
        [
            lambda: layers.ZeroPadding2D(chance.choice(PADDINGS)),
            lambda: layers.BatchNormalization(scale=chance.random() < 0.7, center=chance.random() < 0.7),
            lambda: kl.layers.BatchNormalization(),
            lambda: layers.ReLU(chance.choice([None, 6, 1]), chance.choice([0, 0, 0.1]), chance.choice([0, 0, 0.5])),
            lambda: layers.Activation(chance.choice(["relu", "hard_sigmoid", "hard_swish", "gelu", "elu", "softmax"])),
            lambda: layers.AveragePooling2D(chance.choice([2, 3, (3, 2), (1, 3)]), **pooling),
            lambda: layers.AveragePooling2D((3, 2)),
            lambda: layers.MaxPooling2D(chance.choice([2, 3, (3, 2)]), **pooling),
            lambda: kl.layers.ChannelShuffle(groups),
            lambda: kl.layers.DynamicShiftMax(groups, chance.choice([1, 2, 4]), chance.choice([1, 2])),
            lambda: kl.layers.SiLU(),
            lambda: layers.Dropout(0.3),
            lambda: layers.Rescaling(chance.choice([1 / 127.5, 2.0]), chance.choice([-1.0, 0.5])),
            lambda: layers.PReLU(shared_axes=[1, 2]),
            lambda: layers.LayerNormalization(),
            lambda: layers.Cropping2D(((1, 0), (0, 1))),
            lambda: layers.Normalization(mean=0.3, variance=2.0),
        ]
    )()


def _joined(chance, x, maps):
    """`x`, or `x` with a map that came before, a slice of it, or an operation on it."""
    alike = [each for each in maps if each.shape == x.shape]
    beside = [each for each in maps if each.shape[1:3] == x.shape[1:3]]
    fewer = [each for each in beside if each.shape[-1] <= x.shape[-1]]
    draw = chance.random()
    if draw < 0.12 and alike:
        return chance.choice(MERGING)()([x, chance.choice(alike)])
    if 0.12 < draw < 0.2 and beside:
        return layers.Concatenate()([x, chance.choice(beside)])
    if 0.2 < draw < 0.26 and fewer:
        return kl.layers.PartialResidual()([x, chance.choice(fewer)])
    if 0.26 < draw < 0.3 and x.shape[-1] > 1:
        return x[..., ::2]
    if 0.3 < draw < 0.34:
        return chance.choice([lambda: x * 2.0, lambda: x + 0.5, lambda: ops.relu(x), lambda: ops.sin(x)])()
    if 0.34 < draw < 0.4:
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        return x * layers.Conv2D(x.shape[-1], 1, activation=chance.choice(["sigmoid", "hard_sigmoid"]))(gate)
    return x


def _small(x):
    return min(x.shape[1:3]) > 1 and max(x.shape[1:3]) <= 40 and x.shape[-1] <= 96


def _model(chance):
    inputs = x = keras.Input((*chance.choice([(16, 16), (13, 17), (12, 20)]), chance.choice([1, 2, 3, 3, 4, 8, 12])))
    maps = [inputs]
    for _ in range(chance.randint(2, 9)):
        x = chance.choice(maps[-4:]) if chance.random() < 0.15 else x
        layer = chance.choice([_convolution, _other])(chance, x.shape[-1])
        try:
            made = layer(x)
            # Once more, with the same weights.
            made = layer(made) if chance.random() < 0.05 else made
        except ValueError:
            # A window larger than the map, or another number of channels.
            continue
        made = _joined(chance, made, maps)
        if _small(made):
            maps.append(made)
            x = made
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(3, chance.choice([None, "softmax"]))(x) if chance.random() < 0.5 else x
    return keras.Model(inputs, [x, chance.choice(maps)] if chance.random() < 0.15 else [x])


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@pytest.mark.parametrize(
    # 389 has zeros at both ends of an even window.
    "seed",
    [*range(30), 389, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(30, 1000) if seed != 389)],
)
def test_random_graphs_keep_their_numbers(seed):
    keras.utils.set_random_seed(seed)
    model, generator = _model(random.Random(seed)), np.random.default_rng(seed)
    for variable in model.variables:
        if variable.path.endswith("variance"):
            variable.assign(generator.uniform(0.3, 3, variable.shape))
        elif variable.dtype == "float32":
            variable.assign(np.asarray(variable) + 0.1 * generator.normal(size=variable.shape))
    images = generator.normal(size=(2, *model.input_shape[1:])).astype("float32")
    outputs = [keras.tree.flatten(each(images, training=False)) for each in (fuse(model), model)]
    for ours, theirs in zip(*outputs, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE * max(np.abs(theirs).max(), 1e-3))
