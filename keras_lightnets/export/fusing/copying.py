"""Copies of layers for an inference graph."""

import contextlib

import keras
from keras import layers

from keras_lightnets import layers as ours
from keras_lightnets.layers import inference

# Exactly these classes, whose arguments and weights say all about them. Their subclasses may compute something else.
_COPIED = {
    layers.Activation,
    layers.AdaptiveAveragePooling1D,
    layers.AdaptiveAveragePooling2D,
    layers.AdaptiveMaxPooling1D,
    layers.AdaptiveMaxPooling2D,
    layers.Add,
    layers.Average,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.AveragePooling3D,
    layers.BatchNormalization,
    layers.CenterCrop,
    layers.Concatenate,
    layers.Conv1D,
    layers.Conv1DTranspose,
    layers.Conv2D,
    layers.Conv2DTranspose,
    layers.Conv3D,
    layers.Conv3DTranspose,
    layers.Cropping1D,
    layers.Cropping2D,
    layers.Dense,
    layers.DepthwiseConv1D,
    layers.DepthwiseConv2D,
    layers.Dot,
    layers.ELU,
    layers.EinsumDense,
    layers.Embedding,
    layers.Flatten,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalAveragePooling3D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.GlobalMaxPooling3D,
    layers.GroupNormalization,
    layers.LayerNormalization,
    layers.LeakyReLU,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.MaxPooling3D,
    layers.Maximum,
    layers.Minimum,
    layers.MultiHeadAttention,
    layers.Multiply,
    layers.PReLU,
    layers.Permute,
    layers.RMSNormalization,
    layers.ReLU,
    layers.RepeatVector,
    layers.Rescaling,
    layers.Reshape,
    layers.Resizing,
    layers.SeparableConv1D,
    layers.SeparableConv2D,
    layers.Softmax,
    layers.Subtract,
    layers.UnitNormalization,
    layers.UpSampling1D,
    layers.UpSampling2D,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    ours.AxialDepthwiseConv2D,
    ours.BatchNormalization,
    ours.ChannelShuffle,
    ours.ChannelSplit,
    ours.DepthwiseConv2D,
    ours.DynamicShiftMax,
    ours.GroupedConv2D,
    ours.MicroFactorizedDepthwiseConv2D,
    ours.MicroFactorizedPointwiseConv2D,
    ours.PartialResidual,
    ours.SiLU,
    inference.ChannelRoll,
    inference.ColumnBias,
    inference.HardSwish,
    inference.MixedPointwise,
    inference.Offset,
    inference.ShiftMaxMix,
}
# Arguments that matter in training only. Objects of the user's own might not be made from their configs.
_OF_TRAINING = ("_initializer", "_regularizer", "_constraint")


def is_copied(layer):
    """Whether `copy_of` can copy a layer. Otherwise the layer itself has to be used again."""
    return type(layer) in _COPIED and not getattr(layer, "lora_enabled", False)


def copy_of(layer, name):
    """Returns a float32 copy of a layer, without its weights."""
    config = {key: value for key, value in layer.get_config().items() if not key.endswith(_OF_TRAINING)}
    config |= {"name": name, "dtype": "float32"}
    if "activation" not in config:
        return type(layer).from_config(config)
    # A function of the user's own may have the name of another one.
    copy = type(layer).from_config({**config, "activation": None})
    copy.activation = layer.activation
    return copy


def call_again(call, tensors, unique):
    """Calls a copy of the operation of a `Call`, its weights included, or the operation itself on other tensors.

    Args:
        call: `Call`.
        tensors: list of symbolic tensors.
        unique: function from the name of a layer to one that is free.

    Returns:
        List of symbolic tensors.
    """
    layer = call.operation
    if not is_copied(layer):
        return call.again(tensors)
    copy = copy_of(layer, unique(layer.name))
    outputs = call.again(tensors, copy)
    copy.set_weights(layer.get_weights())
    return outputs


@contextlib.contextmanager
def float32_layers():
    """Lets new layers be float32, whatever the policy for the user's own layers."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(policy)
