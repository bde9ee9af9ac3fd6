"""`export.fuse` and other people's layers: what it does not know stays as it is, and nothing is wrong in silence."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_lightnets as kl
from keras_lightnets import optimization
from keras_lightnets.errors import UserError
from keras_lightnets.export import fuse
from tests.fused_checks import TOLERANCE
from tools.seeded import seed_weights, seeded_images

SHAPE = (16, 16, 3)


class StandardizedConv(layers.Conv2D):
    def call(self, inputs):
        kernel = self.kernel - ops.mean(self.kernel, axis=(0, 1, 2), keepdims=True)
        kernel = kernel / (ops.std(kernel, axis=(0, 1, 2), keepdims=True) + 1e-5)
        return ops.conv(inputs, kernel, self.strides, self.padding) + self.bias


class CosineDense(layers.Dense):
    def call(self, inputs, training=None):
        return 10.0 * ops.matmul(ops.normalize(inputs, axis=-1), ops.normalize(self.kernel, axis=0))


class Halving(layers.Dropout):
    def call(self, inputs, training=False):
        return inputs * 0.5


class ShiftedNorm(layers.BatchNormalization):
    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=training, mask=mask) + 1.0


class Gate(layers.Layer):
    """Cannot be made from its config."""

    def __init__(self, units):
        super().__init__()
        self.dense = layers.Dense(units, activation="sigmoid")

    def build(self, shape):
        self.dense.build(shape)

    def call(self, inputs):
        return inputs * self.dense(inputs)


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv, self.pool, self.dense = layers.Conv2D(8, 3), layers.GlobalAveragePooling2D(), layers.Dense(3)

    def call(self, inputs):
        return self.dense(self.pool(self.conv(inputs)))


class Doubled(keras.Model):
    """Functional, but its call is not its graph."""

    def call(self, inputs, training=None, mask=None):
        return 2.0 * super().call(inputs, training=training, mask=mask)


def relu(x):
    """Has the name of an activation that treats every channel alike, and does not."""
    return ops.softmax(x)


def _normalization(**arguments):
    layer = layers.Normalization(**arguments)
    layer.adapt(40 * seeded_images((8, *SHAPE)) + 120)
    return layer


def _conv(filters=8, **arguments):
    return layers.Conv2D(filters, 3, **arguments)


def _called_model():
    model = Net()
    model(seeded_images((2, *SHAPE)))
    return model


def _lora():
    conv, dense = _conv(), layers.Dense(4)
    model = _between(conv, layers.GlobalAveragePooling2D(), dense)
    conv.enable_lora(2)
    dense.enable_lora(2)
    return model


def _between(*middle):
    """A convolution with a batch normalisation on both sides of some layers, and a shuffle that must not be lost."""
    inputs = keras.Input(SHAPE)
    x = layers.BatchNormalization()(layers.Conv2D(12, 3, padding="same")(inputs))
    x = kl.layers.ChannelShuffle(3)(x)
    for layer in middle:
        x = layer(x)
    if len(x.shape) == 4:
        x = layers.BatchNormalization()(layers.Conv2D(6, 3)(x))
    return keras.Model(inputs, layers.Flatten()(x))


def _front(*first):
    """Some layers before a small network."""
    return keras.Sequential([keras.Input(SHAPE), *first, _conv(), layers.ReLU(), layers.GlobalMaxPooling2D()])


def _masked():
    inputs = keras.Input((10, 4))
    x = layers.Masking()(inputs)
    x = layers.Dense(6, "relu")(x)
    x = layers.BatchNormalization()(layers.Dropout(0.5)(x))
    return keras.Model(inputs, layers.GlobalAveragePooling1D()(x))


def _arguments():
    x = inputs = keras.Input(SHAPE)
    x = layers.BatchNormalization()(_conv()(inputs=x), training=True)
    x = layers.Dropout(0.5)(x, training=True)
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x))


def _heads():
    image, number = keras.Input(SHAPE, name="image"), keras.Input((4,), name="number")
    x = layers.BatchNormalization()(_conv()(image))
    x = layers.Multiply()([x, layers.Dense(8, "sigmoid")(number)])
    outputs = {"pixels": kl.layers.ChannelShuffle(4)(x), "number": number, "scores": layers.GlobalMaxPooling2D()(x)}
    return keras.Model({"image": image, "number": number}, outputs)


def _several_heads():
    inputs = keras.Input(SHAPE)
    x = layers.BatchNormalization()(_conv()(inputs))
    scores = layers.Dense(4, "softmax")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, {"scores": scores, "pixels": kl.layers.ChannelShuffle(4)(x)})


def _nested_twice():
    inner = keras.Sequential([keras.Input((None, None, 3)), _conv(3, padding="same"), layers.BatchNormalization()])
    inputs = keras.Input(SHAPE)
    x = inner(keras.Sequential([inner, layers.ReLU()])(inputs), training=False)
    return keras.Model([inputs], [layers.Flatten()(x)])


def _nested_of_bytes():
    """A model of bytes inside of one of floats: Keras cuts the fractions off in between."""
    inner = keras.Sequential([keras.Input((16, 16, 8), dtype="uint8"), layers.Rescaling(1 / 8), _conv()])
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, inner(layers.ReLU(6.0)(_conv(padding="same")(inputs))))


def _override():
    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, Doubled(inputs, _conv()(inputs))(inputs))


def _tied():
    inputs = keras.Input((8,))
    dense = layers.Dense(5)
    x = ops.matmul(dense(inputs), ops.transpose(dense.kernel)) + np.arange(8.0, dtype="float32")
    return keras.Model(inputs, layers.Dense(3)(x))


def _same_names():
    """Copies of layers that have the same names in two models."""

    def part():
        return keras.Sequential([keras.Input(SHAPE), _conv(name="conv"), layers.LayerNormalization(name="norm")])

    inputs = keras.Input(SHAPE)
    return keras.Model(inputs, layers.Add(name="conv_1")([part()(inputs), part()(inputs)]))


def _channels_first():
    inputs = keras.Input((16, 16, 4))
    x = layers.Permute((3, 1, 2))(_conv(padding="same")(inputs))
    x = layers.ZeroPadding2D(data_format="channels_first")(layers.BatchNormalization(axis=1)(x))
    x = layers.Concatenate(axis=1)([x, layers.ReLU()(x)])
    return keras.Model(inputs, layers.GlobalMaxPooling2D(data_format="channels_first")(x))


def _words():
    """Shapes without a known last axis, a number as an output, and bytes."""
    words, image = keras.Input((None,), dtype="int32"), keras.Input(SHAPE, dtype="uint8")
    x = layers.GlobalAveragePooling1D()(layers.Embedding(50, 6, mask_zero=True)(words))
    y = layers.GlobalMaxPooling2D()(_conv()(layers.Rescaling(1 / 255)(layers.RandomFlip()(image))))
    y = layers.Dense(3)(layers.Concatenate()([x, y]))
    return keras.Model([words, image], [y, ops.mean(y)])


def _quantized():
    dense = layers.Dense(4, name="scores")
    model = keras.Sequential([keras.Input(SHAPE), layers.Flatten(), dense])
    dense.quantize("int8")
    return model


def _ones(shape, dtype=None):
    return ops.ones(shape, dtype)


def _frozen_normalization():
    return layers.BatchNormalization(center=False, scale=False, trainable=False)


def _function(function):
    return layers.Lambda(function, name="function")


MODELS = {
    # State that is not in the weights, or not in the config.
    "adapted normalisation": lambda: _front(_normalization()),
    "normalisation by given moments": lambda: _front(layers.Normalization(mean=[1, 2, 3], variance=[4, 1, 9])),
    "normalisation of all numbers": lambda: _front(_normalization(axis=None)),
    "normalisation of columns": lambda: _front(_normalization(axis=2)),
    "normalisation backwards": lambda: _front(_normalization(invert=True)),
    "frozen batch normalisation": lambda: _between(_frozen_normalization()),
    "LoRA": _lora,
    "kernels shared by hand": _tied,
    # Subclasses and layers of one's own.
    "weight standardisation": lambda: _between(StandardizedConv(16, 3)),
    "cosine classifier": lambda: _between(layers.GlobalAveragePooling2D(), CosineDense(4)),
    "scaling dropout": lambda: _between(Halving(0.5)),
    "subclassed batch normalisation": lambda: _between(ShiftedNorm()),
    "layer without config": lambda: _between(Gate(12)),
    "subclassed model inside": lambda: keras.Sequential([keras.Input(SHAPE), Net()]),
    "call that is not its graph": _override,
    "lambda": lambda: _front(layers.Lambda(lambda x: x / 127.5 - 1)),
    "spectral normalisation": lambda: _between(layers.SpectralNormalization(_conv())),
    "time distributed": lambda: _between(layers.TimeDistributed(layers.Dense(5))),
    "function named like another": lambda: _between(_conv(8, activation=relu), kl.layers.ChannelShuffle(2)),
    "kept layer with a function of that name": lambda: _between(layers.Conv2DTranspose(8, 3, activation=relu)),
    "layer as activation": lambda: _between(_conv(8, activation=layers.PReLU())),
    "initializer of one's own": lambda: _between(layers.SeparableConv2D(8, 3, depthwise_initializer=_ones)),
    "constraint": lambda: _between(_conv(8, kernel_constraint="unit_norm", bias_constraint=lambda w: w)),
    # Calls.
    "masks": _masked,
    "other call arguments": _arguments,
    "layer used twice": lambda: (lambda conv: _between(conv, conv))(layers.Conv2D(12, 3, padding="same")),
    "kept layer used twice": lambda: (lambda gate: _between(gate, gate))(Gate(12)),
    # Graphs.
    "several inputs and heads": _heads,
    "several heads": _several_heads,
    "output that is an input": lambda: (lambda x: keras.Model(x, [x, _conv()(x)]))(keras.Input(SHAPE)),
    "nested twice": _nested_twice,
    "nested of another type": _nested_of_bytes,
    "same names": _same_names,
    "words and bytes": _words,
    "subclassed": _called_model,
    "unbuilt around a built one": lambda: keras.Sequential([_front()]),
    # Layers that work at inference, or do not.
    "augmentation": lambda: _front(layers.RandomFlip(), layers.RandomRotation(0.1), layers.RandomCrop(16, 16)),
    "augmentation in a pipeline": lambda: _front(layers.Pipeline([layers.RandomZoom(0.1), layers.GaussianNoise(1.0)])),
    "crop to another size": lambda: _front(layers.RandomCrop(12, 12)),
    "contrast that stays": lambda: _front(layers.AutoContrast()),
    "rescaling by channel": lambda: _front(layers.Rescaling([1.0, 2.0, 3.0], [0.5, 0.0, 1.0])),
    "resizing": lambda: _front(layers.Resizing(12, 10)),
    "group normalisation": lambda: _between(layers.GroupNormalization(3), layers.LayerNormalization()),
    "channels first": _channels_first,
}


def check_equal(model, tolerance=TOLERANCE):
    seed_weights(model, {})
    kinds = {"uint8": lambda x: (255 * abs(np.sin(x))).astype("uint8"), "int32": lambda x: (9 * abs(x)).astype("int32")}
    before = [(weight, weight.numpy()) for weight in model.weights]
    fused = fuse(model)
    images = [seeded_images((3, *(7 if side is None else side for side in x.shape[1:]))) for x in fused.inputs]
    images = [kinds.get(x.dtype, lambda image: image)(image) for x, image in zip(fused.inputs, images, strict=True)]
    images = keras.tree.pack_sequence_as(fused.input, images)
    expected = model.predict(images, verbose=0)
    outputs = fused.predict(images, verbose=0)
    keras.tree.assert_same_structure(outputs, expected)
    for ours, theirs in zip(keras.tree.flatten(outputs), keras.tree.flatten(expected), strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= tolerance * max(np.abs(theirs).max(), 1e-6)
    for weight, value in before:
        np.testing.assert_array_equal(weight, value)
    return fused


@pytest.mark.parametrize("name", MODELS)
def test_equal(name):
    check_equal(MODELS[name]())


@pytest.mark.parametrize("policy", ("mixed_float16", "mixed_bfloat16", "float16", "float64"))
def test_mixed_precision_becomes_float32(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = _between(layers.GroupNormalization(3), layers.Activation("hard_silu"), kl.layers.DynamicShiftMax(3, 4))
        fused = check_equal(model, {"float64": TOLERANCE, "mixed_bfloat16": 0.03}.get(policy, 0.005))
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.dtype_policy.name for layer in fused.layers} == {"float32"}
    assert {weight.dtype for weight in fused.weights} == {"float32"}


def test_policies_of_single_layers():
    check_equal(_between(layers.Conv2D(8, 3, dtype="mixed_float16"), layers.ReLU(dtype="float64")), 0.005)


def test_augmentation_and_dropout_leave_nothing():
    names = {type(layer).__name__ for layer in fuse(MODELS["augmentation"]()).layers}
    assert names == {"InputLayer", "GroupedConv2D", "ReLU", "GlobalMaxPooling2D"}


REFUSED = {
    "quantised": (_quantized, "its layer scores is int8. Start from the float model"),
    "quantised inside": (lambda: keras.Sequential([_quantized(), layers.ReLU()]), "its layer scores is int8"),
    "subclassed, not called": (lambda: Net(), r"net\w* .Net. has no known input shape. Call it on a batch first"),
    "sequential without a shape": (lambda: keras.Sequential([_conv()]), "sequential.* has no known input shape"),
    "no model": (lambda: "model.keras", "A keras.Model is needed. Received: 'model.keras'"),
    "layer": (lambda: layers.Dense(3), "A keras.Model is needed"),
    "two of a name": (
        lambda: _between(_function(ops.sin), keras.Sequential([_function(ops.cos)])),
        "Two layers are named 'function'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name):
    make, message = REFUSED[name]
    with pytest.raises(UserError, match=message) as caught:
        fuse(make())
    assert "\n" not in str(caught.value)


# Sigmoids are rounded from the beginning.
TWINS = {
    **dict.fromkeys(("adapted normalisation", "scaling dropout", "lambda", "rescaling by channel"), 1e-4),
    **dict.fromkeys(("augmentation", "output that is an input"), 1e-4),
    "several heads": 0.01,
}


@pytest.mark.parametrize("name", TWINS)
def test_twins_before_any_range(name):
    """A quantisation-aware twin that has seen nothing, and whose weights are not rounded, computes as the model."""
    model = MODELS[name]()
    seed_weights(model, {})
    aware = optimization.quantize_aware(model)
    for layer in aware.layers:
        if isinstance(layer, optimization.QuantizedWeights):
            layer.active.assign(False)
    images = keras.tree.map_structure(lambda x: seeded_images((3, *x.shape[1:])), aware.input)
    outputs = zip(*(keras.tree.flatten(each.predict(images, verbose=0)) for each in (aware, model)), strict=True)
    for ours, theirs in outputs:
        assert np.abs(ours - theirs).max() <= TWINS[name] * np.abs(theirs).max()


@pytest.mark.parametrize("kind", (StandardizedConv, layers.Conv2DTranspose))
def test_twins_refuse_weights_without_a_rule(kind):
    with pytest.raises(UserError, match="int8 has no rule for the layer own"):
        optimization.quantize_aware(_between(kind(8, 3, name="own")))
