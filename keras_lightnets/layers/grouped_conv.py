"""Grouped convolution that trains at the speed of its multiplications on a CPU."""

import keras

from keras_lightnets.kernels.grouped_conv import grouped_conv


@keras.saving.register_keras_serializable(package="keras_lightnets")
class GroupedConv2D(keras.layers.Conv2D):
    """2-D convolution in groups: arguments, weights and values of `keras.layers.Conv2D(groups=...)`, other arithmetic.

    MicroNet calls the 1x1 form group-adaptive convolution. On small maps, 1x1 convolutions in one group gain too. The
    weights of a `Conv2D` with the same `groups` load unchanged, and the outputs agree to float32 rounding.

    Args:
        filters: int, number of output channels, a multiple of `groups`.
        kernel_size: int or pair of ints. Defaults to 1.
        groups: int, number of groups. Divides the input channels too. Defaults to 1.
        strides: int or pair of ints. Defaults to 1.
        padding: "valid" or "same". Defaults to "valid".
        **kwargs: every other argument of `keras.layers.Conv2D`.

    Input shape:
        `(batch, height, width, channels)`

    Output shape:
        `(batch, new_height, new_width, filters)`

    Raises:
        ValueError: if `data_format` is "channels_first", or `filters` or the input channels are not a multiple of
            `groups`.

    Reference:
        Krizhevsky et al., 2012. Li et al., MicroNet, ICCV 2021 (group-adaptive convolution).

    Example:

    >>> keras_lightnets.layers.GroupedConv2D(24, groups=4)(np.ones((2, 7, 7, 8), "float32")).shape
    TensorShape([2, 7, 7, 24])
    """

    def __init__(self, filters, kernel_size=1, groups=1, strides=1, padding="valid", **kwargs):
        super().__init__(filters, kernel_size, strides=strides, padding=padding, groups=groups, **kwargs)
        if self.data_format != "channels_last":
            raise ValueError(f"`data_format` must be 'channels_last'. Received: data_format={self.data_format!r}")

    def convolution_op(self, inputs, kernel):
        """Convolves `inputs` with `kernel`, without the bias and the activation."""
        if self.groups == 1 and self.kernel_size != (1, 1):
            return super().convolution_op(inputs, kernel)
        return grouped_conv(inputs, kernel, self.groups, self.strides, self.padding, self.dilation_rate)
