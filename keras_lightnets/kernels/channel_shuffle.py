"""Channel shuffle: view as `(groups, n)`, transpose, flatten."""

import keras
from keras import ops

from keras_lightnets.kernels.export_scope import exporting


def channel_shuffle(x, groups):
    """Deals the channels of each group of `x` out over all groups.

    Args:
        x: float tensor `(batch, height, width, channels)`.
        groups: int, divides `channels`.

    Returns:
        Float tensor of the shape of `x`.
    """
    if keras.backend.backend() == "tensorflow" and not exporting():
        from keras_lightnets.kernels import tensorflow_forms

        return tensorflow_forms.channel_shuffle(x, groups)
    return transposed(x, groups)


def transposed(x, groups):
    """The same by a transposition."""
    shape = ops.shape(x)
    # Three axes transpose faster than five, and stay within what the delegates of phones accept.
    x = ops.reshape(x, (-1, groups, shape[-1] // groups))
    return ops.reshape(ops.transpose(x, (0, 2, 1)), shape)
