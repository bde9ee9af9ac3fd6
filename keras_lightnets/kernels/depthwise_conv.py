"""Depthwise convolution of `(batch, height, width, channels)`, in the form that is fast on each backend.

On a CPU, JAX's own operator and its gradients are slow. The sum of shifted products, one for each place of the kernel,
is one loop after compilation. Elsewhere the backend's operator stays.
"""

import keras
from keras import ops


def depthwise_conv(x, kernel, strides, padding, dilation):
    """Depthwise convolution, in the form that is fast on the backend of Keras.

    Args:
        x: float tensor `(batch, height, width, channels)`.
        kernel: float tensor `(rows, columns, channels, multiplier)`.
        strides: tuple of two ints.
        padding: "valid" or "same".
        dilation: tuple of two ints.

    Returns:
        Float tensor `(batch, new_height, new_width, channels * multiplier)`, what `keras.ops.depthwise_conv` gives.
    """
    if not _shifted_is_faster():
        return ops.depthwise_conv(x, kernel, strides, padding, "channels_last", dilation)
    if padding == "same":
        sides = zip(x.shape[1:3], kernel.shape[:2], strides, dilation, strict=True)
        x = ops.pad(x, ((0, 0), *(_same(*side) for side in sides), (0, 0)))
    return shifted_products(x, kernel, strides, dilation)


def _shifted_is_faster():
    if keras.backend.backend() != "jax":
        return False
    import jax

    return jax.default_backend() == "cpu"


def _same(length, taps, stride, dilation):
    """Zeros before and behind an axis, so that its length is divided by the stride, rounded up."""
    total = max((-(-length // stride) - 1) * stride + (taps - 1) * dilation + 1 - length, 0)
    return total // 2, total - total // 2


def shifted_products(x, kernel, strides, dilation=(1, 1)):
    """The convolution of an already padded `x` as the sum of its shifted copies, each times its place of the kernel."""
    rows, columns, channels, multiplier = kernel.shape
    x = ops.repeat(x, multiplier, axis=-1) if multiplier > 1 else x
    factors = ops.unstack(ops.reshape(kernel, (rows * columns, channels * multiplier)))
    last = [
        length - (taps - 1) * step for length, taps, step in zip(x.shape[1:3], kernel.shape[:2], dilation, strict=True)
    ]
    total = 0.0
    for place, factor in enumerate(factors):
        top, left = (index * step for index, step in zip(divmod(place, columns), dilation, strict=True))
        total = total + x[:, top : top + last[0] : strides[0], left : left + last[1] : strides[1]] * factor
    return total
