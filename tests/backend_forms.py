"""Compares the forms of the kernels with `keras.ops` on the backend of KERAS_BACKEND; run by test_backends.py.

KERAS_BACKEND=jax python -m tests.backend_forms
"""

import keras
import numpy as np
from keras import ops

from keras_lightnets.kernels.axial_depthwise_conv import axial_depthwise_conv
from keras_lightnets.kernels.depthwise_conv import depthwise_conv
from keras_lightnets.kernels.grouped_conv import grouped_conv
from keras_lightnets.kernels.permutations import shift_permutation
from keras_lightnets.kernels.shift_max import channel_shift


def _axial(size, axis, stride):
    ends = (size // 2, size // 2)
    padding = ((0, 0), ends, (0, 0), (0, 0)) if axis == "height" else ((0, 0), (0, 0), ends, (0, 0))
    strides = (stride, 1) if axis == "height" else (1, stride)
    return (
        lambda x, kernel: axial_depthwise_conv(x, kernel, axis, stride),
        lambda x, kernel: ops.depthwise_conv(ops.pad(x, padding), kernel, strides, "valid", "channels_last"),
    )


def _depthwise(strides, padding, dilation=(1, 1)):
    return (
        lambda x, kernel: depthwise_conv(x, kernel, strides, padding, dilation),
        lambda x, kernel: ops.depthwise_conv(x, kernel, strides, padding, "channels_last", dilation),
    )


def _grouped(groups, strides=(1, 1), padding="valid"):
    return (
        lambda x, kernel: grouped_conv(x, kernel, groups, strides, padding),
        lambda x, kernel: ops.conv(x, kernel, strides, padding, "channels_last"),
    )


def _shift(groups):
    return (
        lambda x, factor: channel_shift(x, groups) * factor,
        lambda x, factor: ops.take(x, shift_permutation(x.shape[-1], groups), axis=-1) * factor,
    )


# Form and reference, and the shapes of their two arguments: both sides of every choice, odd sizes, no square.
CASES = {
    "3x1, stride 2, two outputs a channel": (*_axial(3, "height", 2), (2, 7, 6, 4), (3, 1, 4, 2)),
    "1x5, stride 2, two outputs a channel": (*_axial(5, "width", 2), (2, 6, 9, 3), (1, 5, 3, 2)),
    "1x5, stride 2": (*_axial(5, "width", 2), (2, 6, 7, 12), (1, 5, 12, 1)),
    "5x1": (*_axial(5, "height", 1), (2, 5, 4, 12), (5, 1, 12, 1)),
    "3x3": (*_depthwise((1, 1), "same"), (2, 5, 4, 12), (3, 3, 12, 1)),
    "3x3, stride 2": (*_depthwise((2, 2), "same"), (2, 7, 8, 12), (3, 3, 12, 1)),
    "3x3, stride 2, valid": (*_depthwise((2, 2), "valid"), (2, 8, 7, 12), (3, 3, 12, 1)),
    "3x5, two outputs a channel": (*_depthwise((1, 1), "same"), (2, 6, 9, 4), (3, 5, 4, 2)),
    "3x3, dilated": (*_depthwise((1, 1), "same", (2, 3)), (2, 9, 8, 4), (3, 3, 4, 1)),
    "1x1 in one group": (*_grouped(1), (2, 5, 4, 12), (1, 1, 12, 20)),
    "1x1 in one group, stride 2": (*_grouped(1, (2, 2)), (2, 5, 4, 12), (1, 1, 12, 20)),
    "1x1 in groups of few filters": (*_grouped(4), (2, 5, 4, 12), (1, 1, 3, 32)),
    "1x1 in groups of more filters": (*_grouped(4), (2, 5, 4, 12), (1, 1, 3, 36)),
    "1x1 in groups, strides 2 and 1": (*_grouped(3, (2, 1), "same"), (2, 5, 4, 12), (1, 1, 4, 36)),
    "3x3 in groups": (*_grouped(4, padding="same"), (2, 5, 4, 12), (3, 3, 3, 36)),
    "shift": (*_shift(4), (2, 5, 4, 24), (24,)),
    "shift in one group": (*_shift(1), (2, 5, 4, 6), (6,)),
}


def _gradients(function, arguments):
    """Outputs of a function, and the gradients of a weighted sum of them."""

    def loss(*tensors):
        outputs = function(*tensors)
        weights = np.cos(np.arange(np.prod(outputs.shape))).reshape(outputs.shape).astype("float32")
        return ops.sum(outputs * ops.convert_to_tensor(weights))

    if keras.backend.backend() == "jax":
        import jax

        return [function(*arguments), *jax.jit(jax.grad(loss, (0, 1)))(*arguments)]
    import torch

    tensors = [torch.tensor(argument, requires_grad=True) for argument in arguments]
    return [function(*tensors), *torch.autograd.grad(loss(*tensors), tensors)]


def main():
    """Stops at the first form that differs."""
    random = np.random.RandomState(0)
    for name, (form, reference, *shapes) in CASES.items():
        arguments = [random.standard_normal(shape).astype("float32") for shape in shapes]
        pairs = zip(_gradients(form, arguments), _gradients(reference, arguments), strict=True)
        for ours, theirs in (map(ops.convert_to_numpy, pair) for pair in pairs):
            np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max(), err_msg=name)
        print(keras.backend.backend(), name, flush=True)


if __name__ == "__main__":
    main()
