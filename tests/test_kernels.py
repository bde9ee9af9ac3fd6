"""The forms of a kernel are the same function, with the same gradients; layers that Keras has equal Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from keras_lightnets import layers
from keras_lightnets.kernels import tensorflow_forms
from keras_lightnets.kernels.axial_depthwise_conv import axial_depthwise_conv
from keras_lightnets.kernels.channel_shuffle import channel_shuffle
from keras_lightnets.kernels.export_scope import export_scope
from keras_lightnets.kernels.grouped_conv import _BLOCK_DIAGONAL_LIMIT, grouped_conv
from keras_lightnets.kernels.permutations import shift_permutation, shuffle_permutation
from keras_lightnets.kernels.shift_max import channel_shift, shift_max


def normal(*shape, seed=0):
    return np.random.RandomState(seed).standard_normal(shape).astype("float32")


def outputs_and_gradients(form, *arguments):
    """Values of `form(*arguments)` in a traced function, and the gradients of a weighted sum of them."""

    @tf.function
    def run(*tensors):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            y = form(*tensors)
            loss = tf.reduce_sum(y * tf.cos(tf.reshape(tf.range(tf.size(y), dtype=y.dtype), tf.shape(y))))
        return (y, *tape.gradient(loss, tensors))

    return [np.array(value) for value in run(*map(tf.constant, arguments))]


def assert_same(form, reference, *arguments):
    for ours, theirs in zip(
        outputs_and_gradients(form, *arguments), outputs_and_gradients(reference, *arguments), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


def in_export_scope(form, *arguments):
    @tf.function
    def run(*tensors):
        with export_scope():
            return form(*tensors)

    return np.array(run(*map(tf.constant, arguments)))


# Kernel size, groups, strides, padding, dilation, input channels, filters.
CONVOLUTIONS = [
    (1, 1, (1, 1), "valid", (1, 1), 8, 12),
    (1, 1, (2, 2), "same", (1, 1), 300, 200),
    (1, 4, (1, 1), "valid", (1, 1), 8, 12),
    (1, 4, (2, 2), "same", (1, 1), 8, 12),
    (1, 4, (2, 1), "valid", (1, 1), 8, 12),
    (1, 8, (1, 1), "valid", (1, 1), 240, 240),
    (1, 8, (2, 2), "valid", (1, 1), 240, 240),
    (3, 2, (1, 1), "same", (1, 1), 8, 12),
    (3, 2, (2, 2), "valid", (1, 1), 8, 12),
    (3, 4, (2, 2), "same", (1, 1), 8, 12),
    (3, 2, (1, 1), "same", (2, 2), 8, 12),
]


def test_convolutions_stand_on_both_sides_of_the_block_diagonal_limit():
    products = [channels * filters for size, *_, channels, filters in CONVOLUTIONS if size == 1]
    assert min(products) <= _BLOCK_DIAGONAL_LIMIT < max(products)


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_forms_of_the_grouped_convolution(case):
    size, groups, strides, padding, dilation, channels, filters = case
    x, kernel = normal(2, 6, 9, channels), normal(size, size, channels // groups, filters, seed=1)

    def ours(x, kernel):
        return grouped_conv(x, kernel, groups, strides, padding, dilation)

    def by_group(x, kernel):
        """The definition: a convolution for each slice of the channels."""
        steps = strides
        if size == 1:
            # TensorFlow's gradient for unequal strides is wrong on some CPUs.
            x, steps = x[:, :: strides[0], :: strides[1]], (1, 1)
        pairs = zip(tf.split(x, groups, axis=-1), tf.split(kernel, groups, axis=-1), strict=True)
        return tf.concat([tf.nn.conv2d(a, b, steps, padding.upper(), dilations=dilation) for a, b in pairs], -1)

    # Without oneDNN a dilated convolution has no gradient on a CPU.
    if dilation == (1, 1):
        assert_same(ours, by_group, x, kernel)
    expected = by_group(x, kernel).numpy()
    np.testing.assert_allclose(ours(x, kernel), expected, atol=1e-5 * np.abs(expected).max())
    tolerance = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(in_export_scope(ours, x, kernel), expected, atol=tolerance)


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_grouped_convolution_equals_that_of_keras(case):
    size, groups, strides, padding, dilation, channels, filters = case
    arguments = {"strides": strides, "padding": padding, "dilation_rate": dilation}
    ours = layers.GroupedConv2D(filters, size, groups, **arguments)
    keras_own = keras.layers.Conv2D(filters, size, groups=groups, **arguments)
    inputs = keras.Input((6, 9, channels))
    model = keras.Model(inputs, [ours(inputs), keras_own(inputs)])
    assert [w.shape for w in ours.weights] == [w.shape for w in keras_own.weights]
    ours.set_weights([normal(*w.shape) for w in ours.weights])
    keras_own.set_weights(ours.get_weights())
    ours_out, keras_out = model.predict(normal(2, 6, 9, channels), verbose=0)
    np.testing.assert_allclose(ours_out, keras_out, atol=1e-5 * np.abs(keras_out).max())


# A dense convolution is laid down for 3 channels times 2, a depthwise one for 30 times 2.
@pytest.mark.parametrize(("channels", "multiplier"), [(3, 1), (3, 2), (30, 2)])
@pytest.mark.parametrize("kernel_size", (3, 5))
@pytest.mark.parametrize("axis", ("height", "width"))
def test_forms_of_the_axial_depthwise_convolution(axis, kernel_size, channels, multiplier, monkeypatch):
    x = normal(2, 7, 8, channels)
    window = (kernel_size, 1) if axis == "height" else (1, kernel_size)
    kernel = normal(*window, channels, multiplier, seed=1)

    def ours(x, kernel):
        return axial_depthwise_conv(x, kernel, axis, 2)

    def definition(x, kernel):
        """Stride 1 at every place, then every second one along the axis."""
        y = tf.nn.depthwise_conv2d(x, kernel, (1, 1, 1, 1), "SAME")
        return y[:, ::2] if axis == "height" else y[:, :, ::2]

    for native in (True, False):
        if native and not tensorflow_forms.unequal_strides_work("float32"):
            continue
        monkeypatch.setattr(tensorflow_forms, "unequal_strides_work", lambda dtype, native=native: native)
        assert_same(ours, definition, x, kernel)
        monkeypatch.undo()
    if tensorflow_forms.unequal_strides_work("float32"):
        expected = outputs_and_gradients(definition, x, kernel)[0]
        np.testing.assert_allclose(in_export_scope(ours, x, kernel), expected, atol=1e-5)
    # oneDNN has no float64.
    assert_same(ours, definition, tf.cast(x, "float64"), tf.cast(kernel, "float64"))


@pytest.mark.parametrize("exact_products", (True, False))
@pytest.mark.parametrize(("channels", "groups"), [(6, 2), (6, 3), (48, 6), (96, 8)])
def test_forms_of_the_channel_shuffle(channels, groups, exact_products, monkeypatch):
    monkeypatch.setattr(tensorflow_forms, "_matmul_is_exact", lambda: exact_products)
    x = normal(2, 3, 5, channels)

    def definition(x):
        return tf.gather(x, shuffle_permutation(channels, groups), axis=-1)

    assert_same(lambda x: channel_shuffle(x, groups), definition, x)
    np.testing.assert_array_equal(in_export_scope(lambda x: channel_shuffle(x, groups), x), definition(x))


@pytest.mark.parametrize("type_between", ("float32", "bfloat16"))
@pytest.mark.parametrize("exact_products", (True, False))
@pytest.mark.parametrize("channels", [24, 96])
def test_shuffles_go_into_the_convolution(channels, exact_products, type_between, monkeypatch):
    monkeypatch.setattr(tensorflow_forms, "_matmul_is_exact", lambda: exact_products)
    x, kernel = normal(2, 3, 5, channels), normal(1, 1, channels // 4, 8, seed=1)

    def ours(x, kernel):
        x = tf.cast(channel_shuffle(channel_shuffle(x, 3), 8), type_between)
        return grouped_conv(tf.cast(x, "float32"), kernel, 4)

    def definition(x, kernel):
        for groups in (3, 8):
            x = tf.gather(x, shuffle_permutation(channels, groups), axis=-1)
        x = tf.cast(tf.cast(x, type_between), "float32")
        parts = zip(tf.split(x, 4, axis=-1), tf.split(kernel, 4, axis=-1), strict=True)
        return tf.concat([tf.nn.conv2d(part, filters, 1, "VALID") for part, filters in parts], -1)

    assert_same(ours, definition, x, kernel)
    traced = tf.function(ours).get_concrete_function(tf.TensorSpec(x.shape), tf.TensorSpec(kernel.shape))
    assert "Transpose" not in {operation.type for operation in _reached(traced)}


def _reached(function):
    """The operations that the outputs of a traced function need."""
    waiting, found = [output.op for output in function.outputs], set()
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting.extend(tensor.op for tensor in operation.inputs)
    return found


def test_shuffles_go_into_a_convolution_of_one_group():
    x, kernel = normal(2, 3, 5, 64), normal(1, 1, 64, 8, seed=1)

    def definition(x, kernel):
        return tf.nn.conv2d(tf.gather(x, np.arange(64).reshape(4, 16).T.reshape(-1), axis=-1), kernel, 1, "VALID")

    assert_same(lambda x, kernel: grouped_conv(channel_shuffle(x, 4), kernel, 1), definition, x, kernel)


@pytest.mark.parametrize("dtype", ("float32", "float64"))
def test_silu_equals_that_of_keras(dtype):
    x = tf.cast(np.append(normal(1000, seed=2) * 3, [0.0, 90.0, -90.0]), dtype)
    assert_same(layers.SiLU(dtype=dtype), keras.layers.Activation("silu", dtype=dtype), x)


@pytest.mark.parametrize("shape", [(8, 5, 7, 6), (8, 5, 7, 3), (16, 6), (4, 3, 3, 66), (5, 1, 2, 4)], ids=str)
@pytest.mark.parametrize("arguments", [{"momentum": 0.9, "epsilon": 1e-5}, {"center": False, "scale": False}], ids=str)
def test_batch_normalisation_equals_that_of_keras(shape, arguments):
    ours, keras_own = layers.BatchNormalization(**arguments), keras.layers.BatchNormalization(**arguments)
    x = 2.0 * normal(*shape) + 0.5
    for layer in (ours, keras_own):
        layer.build((None, *shape[1:]))
        layer.set_weights([np.abs(normal(*w.shape, seed=i)) + 0.5 for i, w in enumerate(layer.weights)])
    results = []
    for layer in (ours, keras_own):
        results.append(outputs_and_gradients(lambda x, layer=layer: layer(x, training=True), x) + layer.get_weights())
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-5 * max(1.0, np.abs(theirs).max()))
    np.testing.assert_allclose(ours(x), keras_own(x), atol=2e-5)
    assert not np.allclose(ours.moving_mean, np.abs(normal(shape[-1], seed=len(ours.weights) - 2)) + 0.5)


@pytest.mark.parametrize("dtype", ("mixed_bfloat16", "mixed_float16", "float64"))
def test_batch_normalisation_of_other_types(dtype):
    layer = layers.BatchNormalization(dtype=dtype)
    x = (3.0 * normal(8, 6, 6, 5) + 1.0).astype(layer.compute_dtype)
    outputs = np.array(ops.cast(layer(x, training=True), "float32"))
    assert layer(x, training=True).dtype == layer.compute_dtype
    np.testing.assert_allclose(outputs.mean((0, 1, 2)), 0, atol=0.02)
    np.testing.assert_allclose(outputs.std((0, 1, 2)), 1, atol=0.02)


@pytest.mark.parametrize("exact_products", (True, False))
@pytest.mark.parametrize(("channels", "groups"), [(8, 2), (8, 8), (8, 1), (96, 8), (192, 8), (240, 6)])
def test_forms_of_the_channel_shift(channels, groups, exact_products, monkeypatch):
    monkeypatch.setattr(tensorflow_forms, "_matmul_is_exact", lambda: exact_products)
    x = normal(2, 3, 5, channels)

    def definition(x):
        return tf.gather(x, shift_permutation(channels, groups), axis=-1)

    assert_same(lambda x: channel_shift(x, groups), definition, x)
    np.testing.assert_array_equal(in_export_scope(lambda x: channel_shift(x, groups), x), definition(x))


@pytest.mark.parametrize(("channels", "pieces"), [(8, 1), (16, 1), (8, 2)])
def test_forms_of_shift_max(channels, pieces):
    x, coefficients = normal(1, 3, 5, channels), normal(1, 2 * pieces * channels, seed=1)

    def definition(x, coefficients):
        shifted = tf.gather(x, shift_permutation(channels, 2), axis=-1)
        parts = tf.split(coefficients[:, None, None], 2 * pieces, axis=-1)
        sums = [a * x + b * shifted for a, b in zip(parts[::2], parts[1::2], strict=True)]
        return tf.reduce_max(tf.stack(sums), axis=0)

    def ours(x, coefficients):
        return shift_max(x, coefficients, 2, pieces)

    assert_same(ours, definition, x, coefficients)
    expected = outputs_and_gradients(definition, x, coefficients)[0]
    np.testing.assert_allclose(in_export_scope(ours, x, coefficients), expected, atol=1e-6)


def test_export_scope_ends_with_its_block():
    from keras_lightnets.kernels.export_scope import exporting

    with pytest.raises(RuntimeError, match="inside"), export_scope():
        assert exporting()
        raise RuntimeError("inside")
    assert not exporting()


@pytest.mark.parametrize("policy", ("mixed_float16", "mixed_bfloat16"))
def test_shift_max_stays_within_half_precision(policy):
    x = normal(2, 4, 4, 8)
    full = layers.DynamicShiftMax(2, 4)
    half = layers.DynamicShiftMax(2, 4, dtype=policy)
    full.build(x.shape)
    half.build(x.shape)
    full.set_weights([normal(*w.shape) for w in full.weights])
    half.set_weights(full.get_weights())
    np.testing.assert_allclose(np.array(ops.cast(half(x), "float32")), full(x), atol=0.15, rtol=0.05)
