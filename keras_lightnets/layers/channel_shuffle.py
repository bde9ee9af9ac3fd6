"""Channel shuffle."""

import keras

from keras_lightnets.kernels.channel_shuffle import channel_shuffle


@keras.saving.register_keras_serializable(package="keras_lightnets")
class ChannelShuffle(keras.layers.Layer):
    """Deals the channels of each group out over all groups: view as `(groups, n)`, transpose, flatten.

    Output channel `c` is input channel `(c % groups) * n + c // groups`, with `n = channels // groups`.

    Args:
        groups: int, at least 1. Divides the channels.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, batch, height and width may be unknown.

    Output shape:
        The input shape.

    Raises:
        ValueError: if `groups` is not a positive integer or does not divide the channels.

    Reference:
        Zhang et al., ShuffleNet, CVPR 2018, section 3.1.

    Example:

    >>> x = np.arange(6.0).reshape(1, 1, 1, 6)
    >>> keras_lightnets.layers.ChannelShuffle(groups=2)(x)[0, 0, 0].numpy()
    array([0., 3., 1., 4., 2., 5.], dtype=float32)
    """

    def __init__(self, groups, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(groups, int) or groups < 1:
            raise ValueError(f"`groups` must be a positive integer. Received: groups={groups}")
        self.groups = groups

    def build(self, input_shape):
        """Checks that the groups divide the channels."""
        if input_shape[-1] % self.groups:
            raise ValueError(
                f"`groups` must divide the number of channels. Received: groups={self.groups}, "
                f"input shape {tuple(input_shape)}"
            )

    def call(self, inputs):
        """Shuffles the channels of `inputs`."""
        return channel_shuffle(inputs, self.groups)

    def compute_output_shape(self, input_shape):
        """Returns the input shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments."""
        return {**super().get_config(), "groups": self.groups}
