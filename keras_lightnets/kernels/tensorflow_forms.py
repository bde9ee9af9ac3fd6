"""TensorFlow forms of the kernels. Imported only where TensorFlow is the backend or the target."""

import functools

import numpy as np
import tensorflow as tf
from keras import ops

from keras_lightnets.kernels.permutations import shift_permutation, shuffle_permutation, transposed

# Up to these widths, one dense permutation matrix is the fastest on a CPU. Above them, one matrix inside each group is
# the fastest for the shift, and a transposition for the shuffle.
_DENSE_SHIFT_LIMIT = 96
_DENSE_SHUFFLE_LIMIT = 48
# Up to this many channels a linear mix is one product with a matrix made for each image.
_NARROW_MIX = 12
# The operator for batch normalisation of oneDNN is fast, by up to ten times, for multiples of this many channels.
_NORM_MULTIPLE = 4
# The collection of a traced graph that holds triples of a shuffled tensor, its source and the order of its channels.
_SHUFFLES = "keras_lightnets_shuffles"
# Pixels with fewer channels than this are taken several at a time.
_WIDE_ROW = 64


def native_conv(x, kernel, strides, padding, dilation_rate):
    """`tf.nn.conv2d`, which reads the number of groups from the shapes and converts to a single CONV_2D."""
    return tf.nn.conv2d(x, kernel, strides, padding.upper(), dilations=dilation_rate)


@functools.cache
def unequal_strides_work(dtype):
    """Whether depthwise convolution of a `tf.DType` with unequal strides runs here, forward and backward.

    It does with oneDNN only, and there for the types that oneDNN knows.
    """
    with tf.init_scope():
        x, kernel = tf.ones((1, 4, 4, 1), dtype), tf.ones((3, 1, 1, 1), dtype)
        try:
            with tf.GradientTape() as tape:
                tape.watch([x, kernel])
                y = tf.nn.depthwise_conv2d(x, kernel, (1, 2, 1, 1), "VALID")
            tape.gradient(y, [x, kernel])
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            return False
    return True


@functools.cache
def _matmul_is_exact():
    # GPUs may round float32 factors to TF32, which would round the activations that only change places.
    return not tf.config.list_physical_devices("GPU")


def _permuted(x, permutation):
    """Rows of `len(permutation)` numbers of `x`, permuted by a product with a 0/1 matrix."""
    width = len(permutation)
    return tf.matmul(tf.reshape(x, (-1, width)), tf.constant(np.eye(width)[:, permutation], x.dtype))


def channel_shuffle(x, groups):
    """`kernels.channel_shuffle.channel_shuffle`, as a product with a 0/1 matrix where that is faster.

    The traced graph keeps what the result is a permutation of. A convolution that can read its channels in any order
    takes that instead, and the shuffle itself is never computed.
    """
    source, order = unshuffled(x)
    channels = x.shape[-1]
    order = order[shuffle_permutation(channels, groups)]
    if channels > _DENSE_SHUFFLE_LIMIT or not _matmul_is_exact():
        shuffled = transposed(x, groups)
    else:
        shuffled = ops.reshape(_permuted(source, order), ops.shape(x))
    if tf.is_symbolic_tensor(shuffled):
        shuffled.graph.add_to_collection(_SHUFFLES, (shuffled, source, order))
    return shuffled


def unshuffled(x):
    """Returns a tensor, and the order in which `x` has its channels. Other tensors than shuffled ones as they are."""
    if tf.is_symbolic_tensor(x):
        for shuffled, source, order in x.graph.get_collection(_SHUFFLES):
            if shuffled is x:
                return source, order
        if x.op.type == "Cast":
            source, order = unshuffled(x.op.inputs[0])
            if source is not x.op.inputs[0]:
                return tf.cast(source, x.dtype), order
    return x, np.arange(x.shape[-1])


def repeated_rows(kernel, groups, order):
    """Tiles `kernel` vertically `groups` times, for rows of channels that `order` permutes."""
    rows = np.argsort(order) % kernel.shape[0]
    if np.array_equal(rows, np.arange(kernel.shape[0])):
        return kernel
    if _matmul_is_exact():
        return tf.matmul(tf.constant(np.eye(kernel.shape[0])[rows], kernel.dtype), kernel)
    return tf.gather(kernel, rows)


def channel_shift(x, groups):
    """`kernels.shift_max.channel_shift` as a product with a 0/1 matrix, exact and cheap to differentiate."""
    channels = x.shape[-1]
    if not _matmul_is_exact():
        return tf.gather(x, shift_permutation(channels, groups), axis=-1)
    group_channels = channels // groups
    width, by_groups = (channels, 1) if channels <= _DENSE_SHIFT_LIMIT else (group_channels, groups)
    permutation = shift_permutation(channels, groups) if by_groups == 1 else shift_permutation(group_channels, 1)
    flat = tf.reshape(_permuted(x, permutation), (-1, channels))
    if by_groups > 1:
        flat = tf.roll(flat, -group_channels, axis=1)
    return ops.reshape(flat, ops.shape(x))


def shift_max(x, coefficients, groups, pieces):
    """`kernels.shift_max.shift_max` in few passes over the pixels, forward and backward."""
    shape = ops.shape(x)
    channels = shape[-1]
    flat = tf.reshape(x, (-1, shape[1] * shape[2], channels))
    if pieces == 1 and channels <= _NARROW_MIX and _matmul_is_exact():
        a, b = tf.split(tf.reshape(coefficients, (-1, 1, 2 * channels)), 2, axis=-1)
        own = np.eye(channels)
        shift = own[:, shift_permutation(channels, groups)]
        matrix = a * tf.constant(own, x.dtype) + b * tf.constant(shift, x.dtype)
        return ops.reshape(tf.matmul(flat, matrix), shape)
    shifted = tf.reshape(channel_shift(x, groups), tf.shape(flat))
    coefficients = tf.reshape(coefficients, (-1, 1, 2 * pieces * channels))
    mix = _one_piece if pieces == 1 else _two_pieces
    return ops.reshape(mix(flat, shifted, coefficients), shape)


@tf.custom_gradient
def _one_piece(x, shifted, coefficients):
    a, b = tf.split(coefficients, 2, axis=-1)

    def gradient(dy):
        sums = [tf.reduce_sum(dy * factor, axis=1, keepdims=True) for factor in (x, shifted)]
        return a * dy, b * dy, tf.concat(sums, axis=-1)

    return a * x + b * shifted, gradient


@tf.custom_gradient
def _two_pieces(x, shifted, coefficients):
    a1, b1, a2, b2 = tf.split(coefficients, 4, axis=-1)
    a, b = a1 - a2, b1 - b2
    # max(z1, z2) = z2 + relu(z1 - z2), without a comparison to choose a gradient by.
    rest = tf.nn.relu(a * x + b * shifted)

    def gradient(dy):
        first = tf.raw_ops.ReluGrad(gradients=dy, features=rest)
        pairs = ((first, x), (first, shifted), (dy, x), (dy, shifted))
        a1_sum, b1_sum, a_sum, b_sum = (tf.reduce_sum(d * z, axis=1, keepdims=True) for d, z in pairs)
        sums = tf.concat([a1_sum, b1_sum, a_sum - a1_sum, b_sum - b1_sum], axis=-1)
        return a2 * dy + a * first, b2 * dy + b * first, sums

    return a2 * x + b2 * shifted + rest, gradient


@tf.custom_gradient
def silu(x):
    """`x * sigmoid(x)`."""

    def gradient(dy):
        gate = tf.sigmoid(x)
        return dy * (gate + tf.raw_ops.SigmoidGrad(y=gate, dy=x))

    return tf.nn.silu(x), gradient


def fused_batch_norm(x, gamma, beta, epsilon):
    """Normalises `x`, `(batch, height, width, channels)`, by its own moments in one operator.

    Args:
        x: float16, bfloat16 or float32 tensor.
        gamma: float32 tensor `(channels,)`.
        beta: float32 tensor `(channels,)`.
        epsilon: float.

    Returns:
        The normalised tensor in the type of `x`, and the float32 mean and biased variance, `(channels,)` each.
    """
    if x.shape[-1] % _NORM_MULTIPLE and _matmul_is_exact():
        return _batch_norm_of_rows(x, gamma, beta, epsilon)
    none = tf.zeros((0,))
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x, scale=gamma, offset=beta, mean=none, variance=none, epsilon=epsilon, is_training=True
    )
    # The operator returns the unbiased variance. Keras keeps the biased one.
    count = tf.cast(tf.size(x) // tf.shape(x)[-1], variance.dtype)
    return y, mean, variance * (count - 1.0) / count


def _batch_norm_of_rows(x, gamma, beta, epsilon):
    # The pixels of a row side by side, with the numbers of each channel repeated, make a wide matrix.
    width, channels = x.shape[2:]
    pixels = width if width and channels < _WIDE_ROW else 1
    gamma, beta = tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta)
    rows = tf.cast(tf.reshape(x, (-1, pixels * channels)), gamma.dtype)
    y, mean, variance = _normalised_rows(rows, gamma, beta, epsilon)
    return tf.cast(tf.reshape(y, tf.shape(x)), x.dtype), mean, variance


@tf.custom_gradient
def _normalised_rows(rows, gamma, beta, epsilon):
    pixels = rows.shape[1] // gamma.shape[0]
    count = tf.cast(tf.size(rows) // gamma.shape[0], rows.dtype)
    ones = tf.ones((1, tf.shape(rows)[0]), rows.dtype)

    def mean_of(values):
        # A product with ones is the fastest sum over rows.
        return tf.reduce_sum(tf.reshape(tf.matmul(ones, values), (pixels, -1)), 0) / count

    def repeated(values):
        return tf.tile(values, [pixels])

    mean = mean_of(rows)
    variance = mean_of(tf.math.squared_difference(rows, repeated(mean)))
    inverse = tf.math.rsqrt(variance + epsilon)
    scale = gamma * inverse

    def gradient(dy, *_):
        centred = rows - repeated(mean)
        dy_mean, product_mean = mean_of(dy), mean_of(dy * centred)
        slope = repeated(scale * tf.square(inverse) * product_mean)
        dx = dy * repeated(scale) - (centred * slope + repeated(scale * dy_mean))
        return dx, count * product_mean * inverse, count * dy_mean, None

    return (rows * repeated(scale) + repeated(beta - mean * scale), mean, variance), gradient
