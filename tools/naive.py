"""The straightforward port of a network, from stock Keras layers: the baseline of every benchmark.

Grouped convolutions are `keras.layers.Conv2D(groups=...)`, shuffles reshape and transpose five axes, the shift of
Dynamic Shift-Max is a gather, partial residuals slice and concatenate. Weights and outputs are those of the original.
"""

import keras
from keras import layers, ops

from keras_lightnets import layers as ours
from keras_lightnets.kernels.permutations import shift_permutation


class _AxialDepthwiseConv2D(layers.DepthwiseConv2D):
    def call(self, inputs):
        ends = [(side // 2,) * 2 for side in self.kernel_size]
        return super().call(ops.pad(inputs, ((0, 0), *ends, (0, 0))))

    def compute_output_shape(self, input_shape):
        batch, *sides, channels = input_shape
        padded = [side and side + 2 * (window // 2) for side, window in zip(sides, self.kernel_size, strict=True)]
        return super().compute_output_shape((batch, *padded, channels))


class _ChannelShuffle(ours.ChannelShuffle):
    def call(self, inputs):
        batch, height, width, channels = ops.shape(inputs)
        x = ops.reshape(inputs, (batch, height, width, self.groups, channels // self.groups))
        return ops.reshape(ops.transpose(x, (0, 1, 2, 4, 3)), (batch, height, width, channels))


class _DynamicShiftMax(ours.DynamicShiftMax):
    def call(self, inputs):
        z = self.excite(self.squeeze(ops.mean(inputs, axis=(1, 2))))
        bounded = 4.0 * ops.hard_sigmoid(z) - 2.0
        parts = ops.split(bounded[:, None, None, :], 2 * self.pieces, axis=-1)
        shifted = ops.take(inputs, shift_permutation(inputs.shape[-1], self.groups), axis=-1)
        offsets = zip(self.offsets_a, self.offsets_b, strict=True)
        sums = [
            (a + offset_a) * inputs + (b + offset_b) * shifted
            for a, b, (offset_a, offset_b) in zip(parts[::2], parts[1::2], offsets, strict=True)
        ]
        return sums[0] if self.pieces == 1 else ops.maximum(*sums)


class _PartialResidual(ours.PartialResidual):
    def call(self, inputs):
        x, shortcut = inputs
        channels = shortcut.shape[-1]
        return ops.concatenate([x[..., :channels] + shortcut, x[..., channels:]], axis=-1)


class _SiLU(ours.SiLU):
    call = layers.Activation.call


_STOCK = {
    ours.BatchNormalization: layers.BatchNormalization,
    ours.ChannelShuffle: _ChannelShuffle,
    ours.DepthwiseConv2D: layers.DepthwiseConv2D,
    ours.DynamicShiftMax: _DynamicShiftMax,
    ours.GroupedConv2D: layers.Conv2D,
    ours.PartialResidual: _PartialResidual,
    ours.SiLU: _SiLU,
}


def stock_layer(layer):
    """Returns a layer like `layer` from stock Keras, or the straightforward arithmetic where Keras has none."""
    config = layer.get_config()
    if isinstance(layer, ours.AxialDepthwiseConv2D):
        window, stride = (layer.kernel_size, 1), (layer.stride, 1)
        along = 1 if layer.axis == "height" else -1
        return _AxialDepthwiseConv2D(
            window[::along],
            strides=stride[::along],
            depth_multiplier=layer.depth_multiplier,
            use_bias=False,
            depthwise_initializer=layer.depthwise_initializer,
            name=layer.name,
        )
    return _STOCK.get(type(layer), type(layer)).from_config(config)


def naive_port(model):
    """Returns `model` rebuilt from stock layers, with its weights."""
    port = keras.models.clone_model(model, clone_function=stock_layer)
    port.set_weights(model.get_weights())
    return port
