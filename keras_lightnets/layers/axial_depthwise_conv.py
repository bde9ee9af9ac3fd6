"""One factor of the micro-factorised depthwise convolution."""

import keras

from keras_lightnets.kernels.axial_depthwise_conv import axial_depthwise_conv

_AXES = ("height", "width")


@keras.saving.register_keras_serializable(package="keras_lightnets")
class AxialDepthwiseConv2D(keras.layers.Layer):
    """Depthwise convolution along one axis: `k x 1` along the height or `1 x k` along the width.

    The stride acts along the convolved axis only and both of its ends get `k // 2` zeros, as in PyTorch-born networks.
    `keras.layers.DepthwiseConv2D` cannot say this on every device: TensorFlow refuses unequal strides on GPUs and on
    CPUs without oneDNN.

    Args:
        kernel_size: odd int.
        axis: "height" or "width".
        stride: int. Defaults to 1.
        depth_multiplier: int, output channels per input channel. Defaults to 1.
        depthwise_initializer: initializer of the kernel. Defaults to "glorot_uniform".
        depthwise_regularizer: regularizer of the kernel. Defaults to None.
        use_bias: bool. Defaults to False.
        **kwargs: arguments of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)`

    Output shape:
        `(batch, ceil(height / stride), width, channels * depth_multiplier)` for the height, likewise for the width.
        Output channel `c * depth_multiplier + m` comes from input channel `c`.

    Raises:
        ValueError: if `kernel_size` is not a positive odd integer, `axis` unknown, or another number not positive.

    Reference:
        Li et al., MicroNet, ICCV 2021, section 3.2 (micro-factorised depthwise convolution).

    Example:

    >>> layer = keras_lightnets.layers.AxialDepthwiseConv2D(3, "height", stride=2, depth_multiplier=2)
    >>> layer(np.ones((1, 8, 8, 4), "float32")).shape
    TensorShape([1, 4, 8, 8])
    """

    def __init__(
        self,
        kernel_size,
        axis,
        stride=1,
        depth_multiplier=1,
        depthwise_initializer="glorot_uniform",
        depthwise_regularizer=None,
        use_bias=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(kernel_size, int) or kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"`kernel_size` must be a positive odd integer. Received: kernel_size={kernel_size}")
        if axis not in _AXES:
            raise ValueError(f"`axis` must be one of {_AXES}. Received: axis={axis!r}")
        for name, value in (("stride", stride), ("depth_multiplier", depth_multiplier)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value}")
        self.kernel_size = kernel_size
        self.axis = axis
        self.stride = stride
        self.depth_multiplier = depth_multiplier
        self.depthwise_initializer = keras.initializers.get(depthwise_initializer)
        self.depthwise_regularizer = keras.regularizers.get(depthwise_regularizer)
        self.use_bias = use_bias

    def build(self, input_shape):
        """Creates the kernel, `(k, 1, channels, multiplier)` or `(1, k, channels, multiplier)`."""
        window = (self.kernel_size, 1) if self.axis == "height" else (1, self.kernel_size)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*window, input_shape[-1], self.depth_multiplier),
            initializer=self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=(input_shape[-1] * self.depth_multiplier,), initializer="zeros"
            )

    def call(self, inputs):
        """Convolves `inputs`."""
        outputs = axial_depthwise_conv(inputs, self.kernel, self.axis, self.stride)
        return outputs + self.bias if self.use_bias else outputs

    def compute_output_shape(self, input_shape):
        """Returns the shape with the convolved axis divided by the stride, rounded up."""
        shape = list(input_shape)
        position = 1 + _AXES.index(self.axis)
        if shape[position] is not None:
            shape[position] = -(-shape[position] // self.stride)
        shape[-1] *= self.depth_multiplier
        return tuple(shape)

    def get_config(self):
        """Returns the arguments."""
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "axis": self.axis,
            "stride": self.stride,
            "depth_multiplier": self.depth_multiplier,
            "depthwise_initializer": keras.initializers.serialize(self.depthwise_initializer),
            "depthwise_regularizer": keras.regularizers.serialize(self.depthwise_regularizer),
            "use_bias": self.use_bias,
        }
