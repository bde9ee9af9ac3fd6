"""TensorFlow forms of the kernels; imported only where TensorFlow is the backend or the target."""

import functools

import numpy as np
import tensorflow as tf
from keras import ops

from keras_lightnets.kernels.shift_max import shift_permutation

# Up to this width one dense permutation matrix is the fastest shift on a CPU; above it, one matrix inside each group.
_DENSE_SHIFT_LIMIT = 96


def native_conv(x, kernel, strides, padding, dilation_rate):
    """`tf.nn.conv2d`, which reads the number of groups from the shapes and converts to a single CONV_2D."""
    return tf.nn.conv2d(x, kernel, strides, padding.upper(), dilations=dilation_rate)


@functools.cache
def unequal_strides_work():
    """Whether depthwise convolution with unequal strides runs here, forward and backward (not without oneDNN)."""
    with tf.init_scope():
        x, kernel = tf.ones((1, 4, 4, 1)), tf.ones((3, 1, 1, 1))
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


def channel_shift(x, groups):
    """`kernels.shift_max.channel_shift` as a product with a 0/1 matrix, exact and cheap to differentiate."""
    channels = x.shape[-1]
    if not _matmul_is_exact():
        return tf.gather(x, shift_permutation(channels, groups), axis=-1)
    group_channels = channels // groups
    width, by_groups = (channels, 1) if channels <= _DENSE_SHIFT_LIMIT else (group_channels, groups)
    permutation = shift_permutation(channels, groups) if by_groups == 1 else shift_permutation(group_channels, 1)
    matrix = tf.constant(np.eye(width)[:, permutation], x.dtype)
    flat = tf.reshape(tf.matmul(tf.reshape(x, (-1, width)), matrix), (-1, channels))
    if by_groups > 1:
        flat = tf.roll(flat, -group_channels, axis=1)
    return ops.reshape(flat, ops.shape(x))
