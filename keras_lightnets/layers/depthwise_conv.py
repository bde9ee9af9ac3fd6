"""Depthwise convolution that is fast on every backend."""

import keras

from keras_lightnets.kernels.depthwise_conv import depthwise_conv


@keras.saving.register_keras_serializable(package="keras_lightnets")
class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """Depthwise convolution: arguments, weights and values of `keras.layers.DepthwiseConv2D`, faster on JAX's CPU.

    Args:
        *args: arguments of `keras.layers.DepthwiseConv2D`.
        **kwargs: arguments of `keras.layers.DepthwiseConv2D`.

    Input shape:
        `(batch, height, width, channels)`. With `data_format="channels_first"`, Keras' own operator stays.

    Output shape:
        `(batch, new_height, new_width, channels * depth_multiplier)`

    Reference:
        Howard et al., MobileNets, 2017, section 3.1.

    Example:

    >>> layer = keras_lightnets.layers.DepthwiseConv2D(3, strides=2, padding="same")
    >>> layer(np.ones((1, 7, 7, 4), "float32")).shape
    TensorShape([1, 4, 4, 4])
    """

    def call(self, inputs):
        """Convolves `inputs`."""
        if self.data_format != "channels_last":
            return super().call(inputs)
        outputs = depthwise_conv(inputs, self.kernel, self.strides, self.padding, self.dilation_rate)
        outputs = outputs + self.bias if self.use_bias else outputs
        return outputs if self.activation is None else self.activation(outputs)
