"""Each layer keeps the common promises, computes what its docstring says, and refuses what it cannot do."""

import numpy as np
import pytest
from keras import ops

from keras_lightnets import layers
from keras_lightnets.kernels.permutations import shift_permutation
from tests.layer_checks import check_layer

# A fresh layer, the shape of its input or inputs, and its number of trainable weights.
LAYERS = {
    "grouped_pointwise": (lambda: layers.GroupedConv2D(12, groups=4), (2, 5, 7, 8), 2),
    "grouped_strided": (lambda: layers.GroupedConv2D(6, 3, 2, 2, "same", use_bias=False), (2, 5, 7, 4), 1),
    "grouped_by_one": (lambda: layers.GroupedConv2D(6, 3), (2, 5, 7, 4), 2),
    "shuffle": (lambda: layers.ChannelShuffle(3), (2, 5, 7, 6), 0),
    "split": (lambda: layers.ChannelSplit(3), (2, 5, 7, 6), 0),
    "partial_residual": (lambda: layers.PartialResidual(), [(2, 5, 7, 6), (2, 5, 7, 4)], 0),
    "batch_normalization": (lambda: layers.BatchNormalization(momentum=0.9), (2, 5, 7, 6), 2),
    "axial_with_bias": (lambda: layers.AxialDepthwiseConv2D(3, "height", 2, use_bias=True), (2, 5, 7, 4), 2),
    "axial_height": (lambda: layers.AxialDepthwiseConv2D(3, "height", 2, 2), (2, 5, 7, 4), 1),
    "axial_width": (lambda: layers.AxialDepthwiseConv2D(5, "width", 2), (2, 5, 7, 4), 1),
    "axial_stride_1": (lambda: layers.AxialDepthwiseConv2D(3, "width", 1, 3), (2, 5, 7, 4), 1),
    "depthwise": (lambda: layers.DepthwiseConv2D(3, 2, "same", activation="relu"), (2, 5, 7, 4), 2),
    "factorized_pointwise": (lambda: layers.MicroFactorizedPointwiseConv2D(18), (2, 5, 7, 9), 2),
    "factorized_depthwise": (lambda: layers.MicroFactorizedDepthwiseConv2D(3, 2, (2, 1)), (2, 5, 7, 4), 2),
    "silu": (lambda: layers.SiLU(), (2, 5, 7, 4), 0),
    "shift_max": (lambda: layers.DynamicShiftMax(2, 16), (2, 5, 7, 8), 4),
    "shift_max_linear": (lambda: layers.DynamicShiftMax(4, 16, 1, (0.5,), (1.0,)), (2, 5, 7, 8), 4),
}


def normal(*shape, seed=0):
    return np.random.RandomState(seed).standard_normal(shape).astype("float32")


@pytest.mark.parametrize("name", LAYERS)
def test_common_conduct(name, tmp_path):
    make, input_shape, weights = LAYERS[name]
    check_layer(make(), input_shape, weights, tmp_path)


def test_every_layer_is_checked():
    public = {value for value in vars(layers).values() if isinstance(value, type)}
    assert {type(make()) for make, *_ in LAYERS.values()} == public


# Values computed by hand.


def test_grouped_convolution_by_hand():
    layer = layers.GroupedConv2D(2, groups=2)
    layer.build((None, 1, 1, 4))
    # (1, 1, channels / groups, filters): each filter sees two of the four channels.
    layer.set_weights([np.array([[1.0, 3.0], [2.0, 4.0]]).reshape(1, 1, 2, 2), np.array([0.5, -0.5])])
    outputs = layer(np.array([1.0, 10.0, 100.0, 1000.0], "float32").reshape(1, 1, 1, 4))
    np.testing.assert_array_equal(np.ravel(outputs), [1 + 20 + 0.5, 300 + 4000 - 0.5])


def test_shuffle_by_hand():
    outputs = layers.ChannelShuffle(2)(np.arange(6.0, dtype="float32").reshape(1, 1, 1, 6))
    np.testing.assert_array_equal(np.ravel(outputs), [0, 3, 1, 4, 2, 5])


def test_shuffle_is_undone_by_the_complementary_shuffle():
    x = normal(2, 3, 5, 24)
    y = layers.ChannelShuffle(24 // 4)(layers.ChannelShuffle(4)(x))
    np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize("axis", ("height", "width"))
def test_axial_depthwise_by_hand(axis):
    layer = layers.AxialDepthwiseConv2D(3, axis, stride=2)
    shape = (1, 4, 1, 1) if axis == "height" else (1, 1, 4, 1)
    layer.build(shape)
    layer.set_weights([np.array([1.0, 10.0, 100.0]).reshape(layer.kernel.shape)])
    outputs = layer(np.array([1.0, 2.0, 3.0, 4.0], "float32").reshape(shape))
    # Windows (0, 1, 2) and (2, 3, 4): one zero before the first pixel, and none is reached behind the last.
    np.testing.assert_array_equal(np.ravel(outputs), [210, 432])


def test_axial_depthwise_multiplier_keeps_the_outputs_of_a_channel_together():
    layer = layers.AxialDepthwiseConv2D(1, "height", depth_multiplier=2)
    layer.build((1, 1, 1, 2))
    layer.set_weights([np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 1, 2, 2)])
    outputs = layer(np.array([1.0, 10.0], "float32").reshape(1, 1, 1, 2))
    np.testing.assert_array_equal(np.ravel(outputs), [1, 2, 30, 40])


def test_factorized_depthwise_is_the_outer_product_of_its_kernels():
    layer = layers.MicroFactorizedDepthwiseConv2D(3, stride=2)
    x = normal(2, 7, 9, 4)
    outputs = layer(x)
    vertical, horizontal = layer.get_weights()
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = ops.depthwise_conv(padded, vertical * horizontal, 2, "valid")
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_factorized_pointwise_is_one_dense_matrix():
    layer = layers.MicroFactorizedPointwiseConv2D(18, reduction=2)
    x = normal(1, 18, 18, 18)
    x[0, 0] = np.eye(18)
    outputs = np.array(layer(x))
    # The response to the unit vectors is the matrix, with no zero in it: every output sees every input.
    matrix = outputs[0, 0]
    assert layer.count_params() == 108 and np.all(matrix != 0) and np.linalg.matrix_rank(matrix) <= 9
    np.testing.assert_allclose(outputs, x @ matrix, atol=1e-5)


def test_shift_max_by_hand():
    layer = layers.DynamicShiftMax(2, 1)
    layer.build((1, 1, 1, 4))
    x = np.array([1.0, -2.0, 3.0, -4.0], "float32").reshape(1, 1, 1, 4)
    # With zero weights the coefficients are their offsets: a = 1, 1 and b = 0, 0.
    layer.set_weights([np.zeros(w.shape) for w in layer.weights])
    np.testing.assert_allclose(np.ravel(layer(x)), [1, -2, 3, -4], atol=1e-6)
    # Biases in the order a1, b1, a2, b2: 1.5 saturates a quarter of [-2, 2] above the middle, -3 at the bottom.
    bias = np.repeat([0.0, 1.5, -3.0, 3.0], 4)
    layer.set_weights([*(np.zeros(w.shape) for w in layer.weights[:3]), bias])
    # Pairs are swapped with the other group's, and inside it: the partner of 1 is -4, of -2 is 3.
    partner = np.array([-4.0, 3.0, -2.0, 1.0])
    expected = np.maximum(np.ravel(x) + partner, -np.ravel(x) + 2 * partner)
    np.testing.assert_allclose(np.ravel(layer(x)), expected, atol=1e-5)


def test_shift_permutation_by_hand():
    np.testing.assert_array_equal(shift_permutation(6, 2), [4, 5, 3, 1, 2, 0])


# What they refuse.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.GroupedConv2D(4, data_format="channels_first"), "`data_format` must be 'channels_last'"),
        (lambda: layers.GroupedConv2D(5, groups=2), "evenly divisible by the number of groups.*5"),
        (lambda: layers.GroupedConv2D(4, groups=2).build((None, 4, 4, 3)), "divisible by the number of groups.*3"),
        (lambda: layers.ChannelShuffle(0), "`groups` must be a positive integer. Received: groups=0"),
        (lambda: layers.ChannelShuffle(2.0), "`groups` must be a positive integer. Received: groups=2.0"),
        (lambda: layers.ChannelShuffle(4).build((None, 2, 2, 6)), "`groups` must divide .* groups=4, input shape"),
        (lambda: layers.ChannelSplit(1), "`parts` must be an integer of at least 2. Received: parts=1"),
        (lambda: layers.ChannelSplit(4).build((None, 2, 2, 6)), "`parts` must divide .* parts=4, input shape"),
        (lambda: layers.PartialResidual().build((None, 2, 2, 6)), "`inputs` must be .input, shortcut."),
        (
            lambda: layers.PartialResidual().build([(1, 2, 2, 6), (1, 2, 2, 8)]),
            "`shortcut` must have .* no more channels",
        ),
        (lambda: layers.AxialDepthwiseConv2D(4, "width"), "`kernel_size` must be .* odd .* kernel_size=4"),
        (lambda: layers.AxialDepthwiseConv2D((3, 1), "width"), "`kernel_size` must be .* odd .* kernel_size="),
        (lambda: layers.AxialDepthwiseConv2D(3, "depth"), "`axis` must be one of .* Received: axis='depth'"),
        (lambda: layers.AxialDepthwiseConv2D(3, "width", 0), "`stride` must be a positive integer. .* stride=0"),
        (lambda: layers.AxialDepthwiseConv2D(3, "width", 1, -1), "`depth_multiplier` must be .* depth_multiplier=-1"),
        (lambda: layers.MicroFactorizedDepthwiseConv2D(2), "`kernel_size` must be .* odd .* kernel_size=2"),
        (lambda: layers.MicroFactorizedPointwiseConv2D(9), "`reduction` must divide `filters`. .* filters=9"),
        (
            lambda: layers.MicroFactorizedPointwiseConv2D(18, groups=4).build((None, 2, 2, 18)),
            r"`groups` must divide .* \(18, 9, 18\). Received: groups=4",
        ),
        (lambda: layers.DynamicShiftMax(0, 4), "`groups` must be a positive integer. Received: groups=0"),
        (lambda: layers.DynamicShiftMax(2, 0.5), "`units` must be a positive integer. Received: units=0.5"),
        (lambda: layers.DynamicShiftMax(2, 4, 3), "`pieces` must be 1 or 2. Received: pieces=3"),
        (lambda: layers.DynamicShiftMax(2, 4, 2, (1.0,)), r"`offsets_a` must hold 2 numbers. .* offsets_a=\(1.0,\)"),
        (lambda: layers.DynamicShiftMax(2, 4, 1, None, (1.0, 2.0)), "`offsets_b` must hold 1 numbers"),
        (lambda: layers.DynamicShiftMax(4, 4).build((None, 2, 2, 6)), "`groups` must divide .* groups=4, input shape"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
