"""Dynamic Shift-Max, MicroNet's activation."""

import keras
import numpy as np
from keras import ops

from keras_lightnets.kernels.shift_max import shift_max


@keras.saving.register_keras_serializable(package="keras_lightnets")
class DynamicShiftMax(keras.layers.Layer):
    """Dynamic Shift-Max: the larger of two input-dependent mixes of each channel with one of the next group.

    With `s` the input whose channel groups are rotated by one, and the channels inside each group by one,
    `y = max_k(a_k * x + b_k * s)`. The coefficients come from the globally averaged input through two dense layers
    and a hard sigmoid scaled to [-2, 2], plus fixed offsets.

    Args:
        groups: int, groups of the shift. Divides the channels.
        units: int, width of the hidden dense layer.
        pieces: 1 or 2, number of mixes. One piece is a linear mix without maximum. Defaults to 2.
        offsets_a: `pieces` floats added to the coefficients of `x`. Defaults to None: all 1.
        offsets_b: `pieces` floats added to the coefficients of `s`. Defaults to None: all 0.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`, batch, height and width may be unknown.

    Output shape:
        The input shape.

    Raises:
        ValueError: if `groups` does not divide the channels, a number is not positive, `pieces` is not 1 or 2, or
            the offsets are not `pieces` numbers.

    Reference:
        Li et al., MicroNet, ICCV 2021, section 4, as in the authors' code (`DYShiftMax`), which also rotates inside
        the groups.

    Example:

    >>> layer = keras_lightnets.layers.DynamicShiftMax(groups=4, units=8)
    >>> layer(np.ones((2, 7, 7, 16), "float32")).shape
    TensorShape([2, 7, 7, 16])
    """

    # Coefficients stay within this distance of their offsets (authors' code: ACT_MAX).
    bound = 2.0

    def __init__(self, groups, units, pieces=2, offsets_a=None, offsets_b=None, **kwargs):
        super().__init__(**kwargs)
        for name, value in (("groups", groups), ("units", units)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value}")
        if pieces not in (1, 2):
            raise ValueError(f"`pieces` must be 1 or 2. Received: pieces={pieces}")
        self.groups = groups
        self.units = units
        self.pieces = pieces
        self.offsets_a = tuple(offsets_a or (1.0,) * pieces)
        self.offsets_b = tuple(offsets_b or (0.0,) * pieces)
        for name, value in (("offsets_a", self.offsets_a), ("offsets_b", self.offsets_b)):
            if len(value) != pieces:
                raise ValueError(f"`{name}` must hold {pieces} numbers. Received: {name}={value}")

    def build(self, input_shape):
        """Creates the two dense layers."""
        channels = input_shape[-1]
        if channels % self.groups:
            raise ValueError(
                f"`groups` must divide the number of channels. Received: groups={self.groups}, "
                f"input shape {tuple(input_shape)}"
            )
        initializer = keras.initializers.RandomNormal(stddev=0.01)
        self.squeeze = keras.layers.Dense(
            self.units, "relu", kernel_initializer=initializer, dtype=self.dtype_policy, name="squeeze"
        )
        self.excite = keras.layers.Dense(
            2 * self.pieces * channels,
            kernel_initializer=initializer.clone(),
            dtype=self.dtype_policy,
            name="excite",
        )
        self.squeeze.build((None, channels))
        self.excite.build((None, self.units))
        offsets = np.ravel(list(zip(self.offsets_a, self.offsets_b, strict=True)))
        self._shift = np.repeat(offsets - self.bound, channels)

    def call(self, inputs):
        """Applies the activation to `inputs`."""
        z = self.excite(self.squeeze(ops.mean(inputs, axis=(1, 2))))
        # bound * (2 * hard_sigmoid(z) - 1) + offset, with the constants gathered.
        coefficients = ops.relu6(z + 3.0) * (self.bound / 3.0) + ops.cast(self._shift, z.dtype)
        return shift_max(inputs, coefficients, self.groups, self.pieces)

    def compute_output_shape(self, input_shape):
        """Returns the input shape."""
        return input_shape

    def get_config(self):
        """Returns the arguments."""
        return {
            **super().get_config(),
            "groups": self.groups,
            "units": self.units,
            "pieces": self.pieces,
            "offsets_a": self.offsets_a,
            "offsets_b": self.offsets_b,
        }
