"""Dynamic Shift-Max arithmetic: the channel shift, and the maximum of dynamic linear pieces."""

import keras
from keras import ops

from keras_lightnets.kernels.export_scope import exporting

if keras.backend.backend() == "tensorflow":
    from keras_lightnets.kernels import tensorflow_forms


def channel_shift(x, groups):
    """Rotates the channel groups of `x` by one, and the channels inside each group by one.

    Args:
        x: float tensor `(batch, height, width, channels)`.
        groups: int, divides `channels`.

    Returns:
        Float tensor of the shape of `x`.
    """
    if exporting():
        return _shift_by_slices(x, groups)
    if keras.backend.backend() == "tensorflow":
        return tensorflow_forms.channel_shift(x, groups)
    # A gather takes 1.1 to 1.5 times as long: its gradient is a scatter.
    shape = ops.shape(x)
    by_group = ops.reshape(x, (*shape[:-1], groups, shape[-1] // groups))
    return ops.reshape(ops.roll(by_group, (-1, -1), (-2, -1)), shape)


def _shift_by_slices(x, groups):
    # A gather would leave the delegate of the device. Slices and concatenations stay in it.
    shape = ops.shape(x)
    channels = shape[-1]
    x = ops.reshape(x, (-1, groups, channels // groups))
    x = ops.concatenate([x[:, 1:], x[:, :1]], axis=1)
    x = ops.concatenate([x[:, :, 1:], x[:, :, :1]], axis=2)
    return ops.reshape(x, shape)


def shift_max(x, coefficients, groups, pieces):
    """Largest of `pieces` sums `a * x + b * shifted(x)`, one pair of coefficients per image, channel and piece.

    Args:
        x: float tensor `(batch, height, width, channels)`.
        coefficients: float tensor `(batch, 2 * pieces * channels)`, in the order a1, b1, a2, b2.
        groups: int, groups of the channel shift.
        pieces: int, 1 or 2.

    Returns:
        Float tensor of the shape of `x`.
    """
    if keras.backend.backend() == "tensorflow" and not exporting():
        return tensorflow_forms.shift_max(x, coefficients, groups, pieces)
    shifted = channel_shift(x, groups)
    if not exporting():
        # In the export form the batch is 1, so that (1, channels) broadcasts by itself.
        coefficients = coefficients[:, None, None, :]
    parts = ops.split(coefficients, 2 * pieces, axis=-1)
    sums = [a * x + b * shifted for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return sums[0] if pieces == 1 else ops.maximum(*sums)
