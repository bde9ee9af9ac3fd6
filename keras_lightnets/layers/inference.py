"""What is left of Dynamic Shift-Max and of the stem in an inference graph."""

import keras
import numpy as np
from keras import ops

from keras_lightnets.kernels.export_scope import exporting


@keras.saving.register_keras_serializable(package="keras_lightnets")
class ColumnBias(keras.layers.Layer):
    """Adds one number for each column and channel to `(batch, height, width, channels)`."""

    def build(self, input_shape):
        """Creates the bias, `(width, channels)`."""
        self.bias = self.add_weight(name="bias", shape=input_shape[2:], initializer="zeros")

    def call(self, inputs):
        """Adds the bias to `inputs`."""
        return inputs + self.bias[None, None]

    def compute_output_shape(self, input_shape):
        """Returns the input shape."""
        return input_shape


@keras.saving.register_keras_serializable(package="keras_lightnets")
class ChannelRoll(keras.layers.Layer):
    """Rotates the channels: output channel `c` is input channel `c + shift`, cyclically.

    Args:
        shift: int between 1 and the number of channels.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, shift, **kwargs):
        super().__init__(**kwargs)
        self.shift = shift

    def call(self, inputs):
        """Rotates `inputs`."""
        return ops.concatenate([inputs[..., self.shift :], inputs[..., : self.shift]], axis=-1)

    def compute_output_shape(self, input_shape):
        """Returns the input shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments."""
        return {**super().get_config(), "shift": self.shift}


@keras.saving.register_keras_serializable(package="keras_lightnets")
class ShiftMaxMix(keras.layers.Layer):
    """The larger of the mixes `a * x + b * shifted`, one pair of coefficients per image, channel and piece.

    Takes `[x, shifted, coefficients]` with coefficients `(batch, 2 * pieces * channels)` in the order a1, b1, a2, b2.

    Args:
        pieces: 1 or 2.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, pieces, **kwargs):
        super().__init__(**kwargs)
        self.pieces = pieces

    def call(self, inputs):
        """Mixes `inputs`."""
        x, shifted, coefficients = inputs
        if not exporting():
            # In the export form the batch is 1, so that (1, channels) broadcasts by itself.
            coefficients = coefficients[:, None, None, :]
        a1, b1, *second = ops.split(coefficients, 2 * self.pieces, axis=-1)
        first = a1 * x + b1 * shifted
        if not second:
            return first
        a2, b2 = second
        other = a2 * x + b2 * shifted
        if exporting("int8"):
            # The delegate of int8 models has no maximum.
            return other + ops.relu(first - other)
        return ops.maximum(first, other)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the first input."""
        return input_shape[0]

    def get_config(self):
        """Returns the arguments."""
        return {**super().get_config(), "pieces": self.pieces}


@keras.saving.register_keras_serializable(package="keras_lightnets")
class MixedPointwise(keras.layers.Layer):
    """1x1 convolution followed by the one mix `a * x + b * shifted`, as one product with a kernel made for the image.

    Takes `[x, coefficients]` with coefficients `(batch, 2 * filters)` in the order a, b.

    Args:
        filters: int, number of output channels.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape):
        """Creates kernel and bias of the convolution, and of the one with the shifted outputs."""
        channels = input_shape[0][-1]
        for name in ("", "shifted_"):
            kernel = self.add_weight(name=f"{name}kernel", shape=(channels, self.filters), initializer="zeros")
            bias = self.add_weight(name=f"{name}bias", shape=(self.filters,), initializer="zeros")
            setattr(self, f"{name}kernel", kernel)
            setattr(self, f"{name}bias", bias)

    def call(self, inputs):
        """Convolves and mixes `inputs`."""
        x, coefficients = inputs
        a, b = ops.split(coefficients[:, None, :], 2, axis=-1)
        batch, height, width, channels = ops.shape(x)
        x = ops.reshape(x, (batch, height * width, channels))
        if exporting("int8"):
            # The delegate of int8 models multiplies by constant matrices only.
            y = a * (ops.matmul(x, self.kernel) + self.bias) + b * (
                ops.matmul(x, self.shifted_kernel) + self.shifted_bias
            )
        else:
            y = ops.matmul(x, self.kernel * a + self.shifted_kernel * b) + (self.bias * a + self.shifted_bias * b)
        return ops.reshape(y, (batch, height, width, self.filters))

    def compute_output_shape(self, input_shape):
        """Returns the shape of the first input with `filters` channels."""
        return (*input_shape[0][:-1], self.filters)

    def get_config(self):
        """Returns the arguments."""
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable(package="keras_lightnets")
class Offset(keras.layers.Layer):
    """Adds one number to each channel of `(batch, channels)`."""

    def build(self, input_shape):
        """Creates the bias, `(channels,)`."""
        self.bias = self.add_weight(name="bias", shape=input_shape[-1:], initializer="zeros")

    def call(self, inputs):
        """Adds the bias to `inputs`."""
        return inputs + self.bias

    def compute_output_shape(self, input_shape):
        """Returns the input shape."""
        return input_shape


@keras.saving.register_keras_serializable(package="keras_lightnets")
class HardSwish(keras.layers.Layer):
    """`x * relu6(x + 3) / 6`, for int8 in operators that its delegate has."""

    def call(self, inputs):
        """Applies the function to `inputs`."""
        if exporting("int8"):
            # A vector, because a scalar would be recognised and turned back into the operator that is missing.
            return inputs * np.full(inputs.shape[-1], 1 / 6, "float32") * ops.relu6(inputs + 3.0)
        return ops.hard_silu(inputs)

    def compute_output_shape(self, input_shape):
        """Returns the input shape."""
        return input_shape
