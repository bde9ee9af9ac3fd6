"""Channel split."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_lightnets")
class ChannelSplit(keras.layers.Layer):
    """Cuts the channels into equal parts, in their order.

    Args:
        parts: int, at least 2. Divides the channels. Defaults to 2.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, batch, height and width may be unknown.

    Output shape:
        A list of `parts` tensors `(batch, height, width, channels / parts)`.

    Raises:
        ValueError: if `parts` is not an integer of at least 2 or does not divide the channels.

    Reference:
        Ma et al., ShuffleNet V2, ECCV 2018, section 3.

    Example:

    >>> x = np.arange(4.0).reshape(1, 1, 1, 4)
    >>> [part[0, 0, 0].numpy().tolist() for part in keras_lightnets.layers.ChannelSplit()(x)]
    [[0.0, 1.0], [2.0, 3.0]]
    """

    def __init__(self, parts=2, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(parts, int) or parts < 2:
            raise ValueError(f"`parts` must be an integer of at least 2. Received: parts={parts}")
        self.parts = parts

    def build(self, input_shape):
        """Checks that the parts divide the channels."""
        if input_shape[-1] % self.parts:
            raise ValueError(
                f"`parts` must divide the number of channels. Received: parts={self.parts}, "
                f"input shape {tuple(input_shape)}"
            )

    def call(self, inputs):
        """Splits `inputs`."""
        return ops.split(inputs, self.parts, axis=-1)

    def compute_output_shape(self, input_shape):
        """Returns the shape of each part."""
        return [(*input_shape[:-1], input_shape[-1] // self.parts)] * self.parts

    def get_config(self):
        """Returns the arguments."""
        return {**super().get_config(), "parts": self.parts}
