"""Grouped 2-D convolution, `(batch, height, width, channels)`, kernel laid out as in `keras.layers.Conv2D(groups=...)`.

On TensorFlow, Keras compiles each grouped convolution with XLA, which is 9 to 30 times slower on a CPU than the forms
here (benchmarks/primitives.py). The native operator has no CPU gradient without oneDNN. A 1x1 convolution is a
matrix product. Training uses this form, also for a single group. On small maps, and on the pooled pixel of
squeeze-excite, the product takes about half of the time. The native operator is the export
form (one CONV_2D in the `.tflite`).

On a CPU, JAX takes a half to a twentieth of the convolution's time for one product per group. PyTorch takes 0.4 to 0.7
of it, if a group has enough filters.
"""

import keras
import numpy as np
from keras import ops

from keras_lightnets.kernels.export_scope import exporting

if keras.backend.backend() == "tensorflow":
    from keras_lightnets.kernels import tensorflow_forms

# Below this many entries of the dense (in, out) matrix, multiplying its zeros costs less than moving the groups apart.
_BLOCK_DIAGONAL_LIMIT = 50_000
# Up to this many filters of a group, PyTorch's convolution takes less time than a product for each group.
_FEW_FILTERS = 8


def grouped_conv(x, kernel, groups, strides=(1, 1), padding="valid", dilation_rate=(1, 1)):
    """Convolves each of `groups` equal slices of the channels with its own filters.

    Args:
        x: float tensor `(batch, height, width, channels)`.
        kernel: float tensor `(kernel_height, kernel_width, channels // groups, filters)`.
        groups: int, divides `channels` and `filters`.
        strides: pair of ints. Defaults to `(1, 1)`.
        padding: "valid" or "same". Defaults to "valid".
        dilation_rate: pair of ints. Defaults to `(1, 1)`.

    Returns:
        Float tensor `(batch, new_height, new_width, filters)`.
    """
    if exporting():
        return tensorflow_forms.native_conv(x, kernel, strides, padding, dilation_rate)
    if tuple(kernel.shape[:2]) == (1, 1) and _product_is_faster(kernel.shape[-1], groups):
        if tuple(strides) != (1, 1):
            x = x[:, :: strides[0], :: strides[1], :]
        return pointwise_matmul(x, ops.reshape(kernel, kernel.shape[2:]), groups)
    if keras.backend.backend() != "tensorflow":
        return ops.conv(x, kernel, strides, padding, "channels_last", dilation_rate)
    pairs = zip(ops.split(x, groups, axis=-1), ops.split(kernel, groups, axis=-1), strict=True)
    parts = [ops.conv(part, filters, strides, padding, "channels_last", dilation_rate) for part, filters in pairs]
    return ops.concatenate(parts, axis=-1)


def _product_is_faster(filters, groups):
    return keras.backend.backend() != "torch" or groups == 1 or filters // groups > _FEW_FILTERS


def pointwise_matmul(x, kernel, groups):
    """Grouped 1x1 convolution as a matrix product, `kernel` being `(channels // groups, filters)`."""
    group_channels, filters = kernel.shape
    group_filters = filters // groups
    channels = groups * group_channels
    shape = (*ops.shape(x)[:-1], filters)
    if keras.backend.backend() == "tensorflow" and (groups == 1 or channels * filters <= _BLOCK_DIAGONAL_LIMIT):
        # Shuffles in front of the convolution go into the order of its rows.
        x, order = tensorflow_forms.unshuffled(x)
        weights = tensorflow_forms.repeated_rows(kernel, groups, order)
        if groups > 1:
            mask = np.kron(np.eye(groups), np.ones((group_channels, group_filters)))[np.argsort(order)]
            weights = weights * ops.cast(mask, kernel.dtype)
        flat = ops.matmul(ops.reshape(x, (-1, channels)), weights)
    else:
        by_group = ops.transpose(ops.reshape(x, (-1, groups, group_channels)), (1, 0, 2))
        weights = ops.transpose(ops.reshape(kernel, (group_channels, groups, group_filters)), (1, 0, 2))
        flat = ops.transpose(ops.matmul(by_group, weights), (1, 0, 2))
    return ops.reshape(flat, shape)
