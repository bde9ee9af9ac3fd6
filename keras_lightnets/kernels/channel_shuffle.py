"""Channel shuffle: view as `(groups, n)`, transpose, flatten."""

import keras

from keras_lightnets.kernels.export_scope import exporting
from keras_lightnets.kernels.permutations import transposed

if keras.backend.backend() == "tensorflow":
    from keras_lightnets.kernels import tensorflow_forms


def channel_shuffle(x, groups):
    """Deals the channels of each group of `x` out over all groups.

    Args:
        x: float tensor `(batch, height, width, channels)`.
        groups: int, divides `channels`.

    Returns:
        Float tensor of the shape of `x`.
    """
    if keras.backend.backend() == "tensorflow" and not exporting():
        return tensorflow_forms.channel_shuffle(x, groups)
    return transposed(x, groups)
