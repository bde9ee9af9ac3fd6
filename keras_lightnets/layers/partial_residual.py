"""Partial-channel residual."""

import keras
from keras import ops

from keras_lightnets.kernels.export_scope import exporting


@keras.saving.register_keras_serializable(package="keras_lightnets")
class PartialResidual(keras.layers.Layer):
    """Adds a narrow shortcut to the first channels of a wider input. The other channels pass.

    Has no weights. Equals the sum of the input and the shortcut with zeros for the channels it lacks.

    Args:
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        A list: `(batch, height, width, channels)` and, for the shortcut, `(batch, height, width, fewer channels)` or
        as many. Batch, height and width may be unknown.

    Output shape:
        The shape of the first input.

    Raises:
        ValueError: if there are not two inputs of four axes, or the shortcut has more channels, or another height or
            width.

    Reference:
        Han et al., Rethinking Channel Dimensions for Efficient Model Design, CVPR 2021, supplement and authors' code.

    Example:

    >>> x, shortcut = np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0])
    >>> keras_lightnets.layers.PartialResidual()([x.reshape(1, 1, 1, 3), shortcut.reshape(1, 1, 1, 2)]).numpy()
    array([[[[11., 22.,  3.]]]], dtype=float32)
    """

    def build(self, input_shape):
        """Checks that the shortcut fits into the input."""
        if len(input_shape) != 2 or {len(shape) for shape in input_shape} != {4}:
            raise ValueError(f"`inputs` must be [input, shortcut], of four axes. Received: input shapes {input_shape}")
        shape, shortcut = input_shape
        sides_fit = all(None in pair or pair[0] == pair[1] for pair in zip(shape[1:3], shortcut[1:3], strict=True))
        if shortcut[-1] > shape[-1] or not sides_fit:
            raise ValueError(
                "`shortcut` must have the height and width of the input and no more channels. "
                f"Received: input shapes {input_shape}"
            )

    def call(self, inputs):
        """Adds the second of `inputs` to the first channels of the first."""
        x, shortcut = inputs
        missing = x.shape[-1] - shortcut.shape[-1]
        # Padding and adding trains faster than slicing, adding and concatenating, and stays within one delegate.
        if exporting():
            return x + ops.pad(shortcut, ((0, 0), (0, 0), (0, 0), (0, missing)))
        # TensorFlow with oneDNN crashes where it fuses a convolution with bias and the sum with a padded tensor: the
        # reshape hides the padding from it.
        padded = ops.pad(ops.reshape(shortcut, (-1, shortcut.shape[-1])), ((0, 0), (0, missing)))
        return x + ops.reshape(padded, ops.shape(x))

    def compute_output_shape(self, input_shape):
        """Returns the shape of the first input."""
        return input_shape[0]
