"""The two micro-factorised convolutions of the MicroNet paper, as single linear layers.

MicroNet lays the factors of both out one by one, because batch normalisation and activations stand between them.
"""

import keras

from keras_lightnets.layers.axial_depthwise_conv import AxialDepthwiseConv2D
from keras_lightnets.layers.channel_shuffle import ChannelShuffle
from keras_lightnets.layers.grouped_conv import GroupedConv2D


@keras.saving.register_keras_serializable(package="keras_lightnets")
class MicroFactorizedPointwiseConv2D(keras.layers.Layer):
    """1x1 convolution as two grouped ones with a channel shuffle between: W = P Phi Q^T.

    Q squeezes the channels to `filters // reduction`, Phi shuffles them, P expands them to `filters`. With
    `groups = sqrt(filters / reduction)`, the paper's choice, every output is connected to every input exactly once.

    Args:
        filters: int, number of output channels.
        reduction: int, `filters` per squeezed channel. Defaults to 2.
        groups: int, groups of both convolutions. Defaults to None: the largest integer up to
            `sqrt(filters / reduction)` that divides the squeezed, input and output channels.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`

    Output shape:
        `(batch, height, width, filters)`

    Raises:
        ValueError: if `reduction` does not divide `filters`, or `groups` does not divide all three channel counts.

    Reference:
        Li et al., MicroNet, ICCV 2021, section 3.1.

    Example:

    >>> layer = keras_lightnets.layers.MicroFactorizedPointwiseConv2D(18, reduction=2)
    >>> layer(np.ones((1, 4, 4, 18), "float32")).shape, layer.count_params()
    (TensorShape([1, 4, 4, 18]), 108)
    """

    def __init__(self, filters, reduction=2, groups=None, **kwargs):
        super().__init__(**kwargs)
        if filters < 1 or reduction < 1 or filters % reduction:
            raise ValueError(f"`reduction` must divide `filters`. Received: filters={filters}, reduction={reduction}")
        self.filters = filters
        self.reduction = reduction
        self.groups = groups

    @staticmethod
    def factor(filters: int, groups: int, name: str, **kwargs) -> GroupedConv2D:
        """Returns one of the two convolutions, for a network that has other layers between them."""
        return GroupedConv2D(filters, groups=groups, use_bias=False, name=name, **kwargs)

    def build(self, input_shape):
        """Creates the squeezing and the expanding kernel."""
        channels, squeezed = input_shape[-1], self.filters // self.reduction
        self.input_spec = keras.InputSpec(ndim=4, axes={-1: channels})
        counts = (channels, squeezed, self.filters)
        groups = self.groups
        if groups is None:
            groups = next(g for g in range(int(squeezed**0.5), 0, -1) if not any(count % g for count in counts))
        elif any(count % groups for count in counts):
            raise ValueError(
                f"`groups` must divide the input, squeezed and output channels {counts}. Received: groups={groups}"
            )
        self.squeeze = self.factor(squeezed, groups, "squeeze", dtype=self.dtype_policy)
        self.shuffle = ChannelShuffle(groups, dtype=self.dtype_policy, name="shuffle")
        self.expand = self.factor(self.filters, groups, "expand", dtype=self.dtype_policy)
        self.squeeze.build(input_shape)
        self.shuffle.build((*input_shape[:-1], squeezed))
        self.expand.build((*input_shape[:-1], squeezed))

    def call(self, inputs):
        """Convolves `inputs`."""
        return self.expand(self.shuffle(self.squeeze(inputs)))

    def compute_output_shape(self, input_shape):
        """Returns the shape with the channels replaced by `filters`."""
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        """Returns the arguments."""
        return {**super().get_config(), "filters": self.filters, "reduction": self.reduction, "groups": self.groups}


@keras.saving.register_keras_serializable(package="keras_lightnets")
class MicroFactorizedDepthwiseConv2D(keras.layers.Layer):
    """`k x k` depthwise convolution of rank one: `k x 1` along the height, then `1 x k` along the width.

    Args:
        kernel_size: odd int.
        stride: int, along both axes. Defaults to 1.
        depth_multipliers: pair of ints, output channels per input channel of the two factors. Defaults to `(1, 1)`.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`

    Output shape:
        `(batch, ceil(height / stride), ceil(width / stride), channels * m1 * m2)`

    Raises:
        ValueError: if `kernel_size` is not a positive odd integer, or another number not positive.

    Reference:
        Li et al., MicroNet, ICCV 2021, section 3.2.

    Example:

    >>> layer = keras_lightnets.layers.MicroFactorizedDepthwiseConv2D(5, stride=2)
    >>> layer(np.ones((1, 8, 8, 4), "float32")).shape, layer.count_params()
    (TensorShape([1, 4, 4, 4]), 40)
    """

    def __init__(self, kernel_size, stride=1, depth_multipliers=(1, 1), **kwargs):
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.stride = stride
        self.depth_multipliers = tuple(depth_multipliers)
        self.vertical, self.horizontal = self.factors(
            kernel_size, stride, self.depth_multipliers, ("vertical", "horizontal"), dtype=self.dtype_policy
        )

    @staticmethod
    def factors(
        kernel_size, stride, depth_multipliers, names, initializers=("glorot_uniform", "glorot_uniform"), **kwargs
    ) -> list[AxialDepthwiseConv2D]:
        """Returns the two convolutions, for a network that has other layers between them."""
        each = zip(("height", "width"), depth_multipliers, names, initializers, strict=True)
        return [
            AxialDepthwiseConv2D(
                kernel_size, axis, stride, multiplier, depthwise_initializer=initializer, name=name, **kwargs
            )
            for axis, multiplier, name, initializer in each
        ]

    def build(self, input_shape):
        """Creates the two kernels."""
        self.vertical.build(input_shape)
        self.horizontal.build(self.vertical.compute_output_shape(input_shape))

    def call(self, inputs):
        """Convolves `inputs`."""
        return self.horizontal(self.vertical(inputs))

    def compute_output_shape(self, input_shape):
        """Returns the shape with height and width divided by the stride, rounded up."""
        return self.horizontal.compute_output_shape(self.vertical.compute_output_shape(input_shape))

    def get_config(self):
        """Returns the arguments."""
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "stride": self.stride,
            "depth_multipliers": self.depth_multipliers,
        }
