"""Depthwise convolution along one axis of `(batch, height, width, channels)`, with a stride along that axis only.

TensorFlow's operator refuses unequal strides on GPUs and on CPUs without oneDNN. Reshaping folds the other axis away,
so that equal strides say the same thing. It is used wherever the plain operator does not work.

On a CPU, JAX takes a tenth to a quarter of the operator's time for the sum of `k` shifted products. PyTorch takes
0.6 to 1.0 of it, if a channel has several outputs.
"""

import keras
import numpy as np
from keras import ops

from keras_lightnets.kernels.depthwise_conv import shifted_products
from keras_lightnets.kernels.export_scope import exporting

if keras.backend.backend() == "tensorflow":
    from keras_lightnets.kernels import tensorflow_forms

# Where a few channels are multiplied, up to this many outputs, an ordinary convolution trains faster on a CPU.
_DENSE_LIMIT = 48


def axial_depthwise_conv(x, kernel, axis, stride=1):
    """Depthwise `k x 1` or `1 x k` convolution with `k // 2` zeros on both ends of the convolved axis.

    Args:
        x: float tensor `(batch, height, width, channels)`.
        kernel: float tensor `(k, 1, channels, multiplier)` or `(1, k, channels, multiplier)`, `k` odd.
        axis: "height" or "width", the axis of `k`.
        stride: int, step along `axis`. Defaults to 1.

    Returns:
        Float tensor with `axis` divided by `stride`, rounded up, and `channels * multiplier` channels.
    """
    if _shifted_is_faster(kernel.shape[3]):
        return shifted(x, kernel, axis, stride)
    ends = (max(kernel.shape[:2]) // 2,) * 2
    none = (0, 0)
    padding = "same" if stride == 1 else "valid"
    if stride > 1:
        x = ops.pad(x, (none, ends, none, none) if axis == "height" else (none, none, ends, none))
    strides = (stride, 1) if axis == "height" else (1, stride)
    channels, multiplier = kernel.shape[2:]
    if not exporting() and keras.backend.backend() == "tensorflow":
        if multiplier > 1 and channels * multiplier <= _DENSE_LIMIT:
            return ops.conv(x, dense_kernel(kernel), strides, padding, "channels_last")
        if stride > 1 and not tensorflow_forms.unequal_strides_work(x.dtype):
            return folded(x, kernel, axis, stride)
    return ops.depthwise_conv(x, kernel, strides, padding, "channels_last")


def _shifted_is_faster(multiplier):
    return keras.backend.backend() == "jax" or (keras.backend.backend() == "torch" and multiplier > 1)


def shifted(x, kernel, axis, stride):
    """The same convolution as the sum of shifted copies of `x`, each times its row of the kernel."""
    ends = [(taps // 2, taps // 2) for taps in kernel.shape[:2]]
    strides = (stride, 1) if axis == "height" else (1, stride)
    return shifted_products(ops.pad(x, ((0, 0), *ends, (0, 0))), kernel, strides)


def dense_kernel(kernel):
    """The depthwise `kernel` as the kernel of an ordinary convolution, zero between channels that do not meet."""
    *window, channels, multiplier = kernel.shape
    mask = np.kron(np.eye(channels), np.ones((1, multiplier)))
    return ops.reshape(kernel, (*window, 1, channels * multiplier)) * ops.cast(mask, kernel.dtype)


def folded(x, kernel, axis, stride):
    """The same convolution of an already padded `x`, with equal strides along the width of images one row high."""
    if axis == "height":
        x = folded(ops.transpose(x, (0, 2, 1, 3)), ops.transpose(kernel, (1, 0, 2, 3)), "width", stride)
        return ops.transpose(x, (0, 2, 1, 3))
    batch, height, width, channels = ops.shape(x)
    x = ops.reshape(x, (-1, 1, width, channels))
    y = ops.depthwise_conv(x, kernel, stride, "valid", "channels_last")
    return ops.reshape(y, (batch, height, *ops.shape(y)[2:]))
