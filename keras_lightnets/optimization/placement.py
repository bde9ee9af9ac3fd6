"""From a model to its quantisation-aware twin: the fused graph, rounded wherever its int8 file rounds."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_lightnets import graph
from keras_lightnets import layers as ours
from keras_lightnets.detection import Anchors, Detector
from keras_lightnets.errors import UserError
from keras_lightnets.export.checks import image_model
from keras_lightnets.export.fusing import fuse
from keras_lightnets.export.fusing.copying import copy_of, float32_layers, is_copied
from keras_lightnets.export.images import check_data
from keras_lightnets.export.narrowing import bounds_before
from keras_lightnets.layers import inference as fused
from keras_lightnets.layers.quantized import Coefficients, FakeQuantize, QuantizedWeights
from keras_lightnets.optimization.checks import check_dense, check_float

_CONVOLUTIONS = {
    keras.layers.Conv2D,
    keras.layers.Dense,
    keras.layers.DepthwiseConv2D,
    ours.AxialDepthwiseConv2D,
    ours.DepthwiseConv2D,
    ours.GroupedConv2D,
}
# What these give has the range of what they read.
_SAME_RANGE = {
    keras.layers.AveragePooling2D,
    keras.layers.Flatten,
    keras.layers.MaxPooling2D,
    keras.layers.Reshape,
    keras.layers.UpSampling2D,
    keras.layers.ZeroPadding2D,
    ours.ChannelShuffle,
    fused.ChannelRoll,
    graph.array_operations.GetItem,
    Anchors,
}
# A ReLU behind one of these is part of its operator.
_CLAMPED = {
    *_CONVOLUTIONS,
    fused.ColumnBias,
    fused.Offset,
    keras.layers.Add,
    keras.layers.Multiply,
    ours.PartialResidual,
    graph.array_operations.Add,
    graph.array_operations.Multiply,
}
# int8 has one range for what these functions give.
_UNIT = (0.0, 255 / 256)
_FIXED = {
    keras.activations.sigmoid: _UNIT,
    keras.activations.softmax: _UNIT,
    keras.activations.tanh: (-1.0, 127 / 128),
}
_BATCH = 64


def quantize_aware(model: keras.Model, representative_data: Any = None) -> keras.Model:
    """Returns a model that computes as the int8 file of `model` will, for training and export.

    The result is the fused graph of the model, with batch normalisation folded. A `FakeQuantize` follows every operator
    that rounds in the file, and weights are rounded in every layer that has some. Compile and `fit` it as any model. A
    classifier learns more from the scores of `model`, at 1e-3, than from labels. Then
    `export.to_tflite(..., quantization="int8")` writes the learned ranges into the file.

    Args:
        model: a trained functional `keras.Model`, channels last. It is not changed.
        representative_data: float array `(n, height, width, channels)`, or an iterable of such batches, as the model
            takes them, to learn the ranges from at once: the model then is what post-training quantisation gives.
            Defaults to None: the first batches of the training decide.

    Returns:
        A functional `keras.Model` with the inputs, outputs and name of `model`. For a `Detector`, a `Detector` with the
        same loss.

    Raises:
        UserError: if the model is not functional, quantisation-aware already or pruned, a layer has weights that no
            rule covers, or the data do not fit the model.

    Example:

    >>> model = keras_lightnets.MicroNetM0(weights=None, input_shape=(64, 64, 3), classes=10)
    >>> aware = keras_lightnets.optimization.quantize_aware(model)
    >>> aware.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy")  # and aware.fit(images, scores)
    """
    is_detector = isinstance(model, Detector)
    model = image_model(model)
    check_float(model)
    check_dense(model)
    images = None if representative_data is None else check_data(model, representative_data)
    aware = place(fuse(model), images)
    return Detector(aware.input, aware.output, name=aware.name) if is_detector else aware


def place(fused_model, images=None):
    """Returns the quantisation-aware twin of a fused model, its ranges learned from an array of images if given."""
    with float32_layers():
        aware = _Placement(fused_model).model
    if images is not None:
        follow = tf.function(lambda batch: aware(batch, training=True))
        for batch in tf.data.Dataset.from_tensor_slices(images).batch(min(_BATCH, len(images)), drop_remainder=True):
            follow(batch)
    return aware


class _Placement:
    """Calls the layers of a fused graph again, with weights and outputs rounded."""

    def __init__(self, fused_model):
        self._ranges = {}
        self._readers = {}
        for call in graph.calls(fused_model):
            for tensor in call.inputs:
                self._readers.setdefault(id(tensor), []).append(call.operation)
        inputs = [keras.Input(batch_shape=x.shape, dtype=x.dtype, name=x.name) for x in fused_model.inputs]
        rounded = [self._rounded(tensor, tensor.name) for tensor in inputs]
        outputs = graph.run(fused_model, rounded, self._visit)
        pack = keras.tree.pack_sequence_as
        ends = pack(fused_model.input, inputs), pack(fused_model.output, outputs)
        self.model = keras.Model(*ends, name=fused_model.name)

    def _visit(self, call, values):
        layer, source = call.operation, self._ranges.get(id(values[0]))
        if type(layer) in _SAME_RANGE and source is not None:
            (outputs,) = _again(call, values)
            if type(layer) is keras.layers.AveragePooling2D:
                outputs = source(outputs)
            self._ranges[id(outputs)] = source
            return [outputs]
        outputs = self._lay(call, values)
        limits = _FIXED.get(getattr(layer, "activation", None))
        readers = self._readers.get(id(call.outputs[0]), ())
        only_reader = type(readers[0]) if len(readers) == 1 else None
        is_clamped = type(layer) in _CLAMPED and only_reader is keras.layers.ReLU
        # The file has one range for a concatenation and all that is made for it alone.
        is_joined = limits is None and only_reader is keras.layers.Concatenate
        if is_clamped or is_joined:
            return outputs
        names = [layer.name, *(f"{layer.name}_{position}" for position in range(1, len(outputs)))]
        bounds = self._bounds(call) if only_reader is fused.ColumnBias else None
        return [self._rounded(tensor, name, limits, bounds) for tensor, name in zip(outputs, names, strict=True)]

    def _bounds(self, call):
        """What a sum by columns and the ReLU6 behind it leave of the values of a convolution, or None."""
        (bias,) = self._readers[id(call.outputs[0])]
        activations = self._readers.get(id(bias.output), ())
        if type(call.operation) not in _CONVOLUTIONS or len(activations) != 1:
            return None
        clamp, ends = activations[0], ("max_value", "negative_slope", "threshold")
        if type(clamp) is not keras.layers.ReLU or [getattr(clamp, end) for end in ends] != [6, 0, 0]:
            return None
        return bounds_before(*bias.get_weights())

    def _rounded(self, tensor, name, limits=None, bounds=None):
        if not keras.backend.is_float_dtype(tensor.dtype):
            return tensor
        layer = FakeQuantize(limits, bounds, name=f"{name}_range")
        outputs = layer(tensor)
        self._ranges[id(outputs)] = layer
        return outputs

    def _lay(self, call, values):
        """Returns the list of the outputs of a call, not yet rounded."""
        layer = call.operation
        rule = _RULES.get(type(layer))
        if rule is not None and is_copied(layer) and call.is_plain:
            (inputs,), _ = call.arguments(values)
            return [rule(self, layer, inputs)]
        if getattr(layer, "weights", ()):
            raise _uncovered(layer)
        return _again(call, values)

    def lay_weighted(self, layer, inputs, trainable=True):
        """Lays a layer with a kernel or a bias, which is rounded."""
        copy = copy_of(layer, layer.name)
        known = self._ranges.get(id(inputs))
        rounded = QuantizedWeights(copy, name=layer.name)
        outputs = rounded([inputs, known(inputs, step=True)] if known else inputs)
        copy.set_weights(layer.get_weights())
        rounded.trainable = trainable
        return outputs

    def lay_offset(self, layer, inputs):
        """Lays an `Offset`."""
        # Constants of the network, which shall not lie between two steps, where either is right.
        (offsets,) = layer.get_weights()
        step = np.ptp(np.append(offsets, 0.0)) / 255
        copy = fused.Offset(name=layer.name)
        copy.build(inputs.shape)
        copy.set_weights([np.round(offsets / step) * step])
        return self.lay_weighted(copy, inputs, trainable=False)

    def lay_normalization(self, layer, inputs):
        """Lays a batch normalisation that nothing could be folded into, as a depthwise convolution of single pixels."""
        if len(inputs.shape) != 4 or layer.axis not in (-1, 3):
            raise _uncovered(layer)
        gamma, beta, mean, variance = layer.get_weights()
        scale = gamma / np.sqrt(variance + layer.epsilon)
        copy = keras.layers.DepthwiseConv2D(1, name=layer.name)
        copy.build(inputs.shape)
        copy.set_weights([scale[None, None, :, None], beta - mean * scale])
        return self.lay_weighted(copy, inputs)

    def lay_activation(self, layer, inputs):
        """Lays an activation, SiLU and the hard sigmoid in the steps that the file has."""
        name = layer.name
        if layer.activation in (keras.activations.silu, keras.activations.hard_sigmoid):
            if layer.activation is keras.activations.hard_sigmoid:
                return self._gate(inputs, name) * (1 / 6)
            gate = keras.layers.Activation("sigmoid", name=f"{name}_gate")(inputs)
            return keras.layers.Multiply(name=name)([inputs, self._rounded(gate, f"{name}_gate", _UNIT)])
        return copy_of(layer, name)(inputs)

    def lay_hard_swish(self, layer, inputs):
        """Lays a hard swish."""
        return self._rounded(inputs * (1 / 6), f"{layer.name}_sixth") * self._gate(inputs, layer.name)

    def _gate(self, inputs, name):
        return self._rounded(ops.relu6(inputs + 3.0), f"{name}_gate")

    def lay_rescaling(self, layer, inputs):
        """Lays a rescaling, as a product and a sum."""
        outputs = inputs * np.asarray(layer.scale, "float32")
        if not np.any(layer.offset):
            return outputs
        return self._rounded(outputs, f"{layer.name}_scaled") + np.asarray(layer.offset, "float32")

    def lay_mix(self, layer, inputs):
        """Lays the mix of a Dynamic Shift-Max."""
        x, shifted, coefficients = inputs
        mixes = [self._mix(x, shifted, coefficients, piece, layer.pieces, layer.name) for piece in range(layer.pieces)]
        if layer.pieces == 1:
            return mixes[0]
        first, other = (self._rounded(mix, f"{layer.name}_mix_{piece}") for piece, mix in enumerate(mixes))
        # The larger of the two, as the int8 form has it.
        return other + self._rounded(ops.relu(first - other), f"{layer.name}_rest")

    def lay_mixed_pointwise(self, layer, inputs):
        """Lays a `MixedPointwise` as two convolutions and a mix."""
        x, coefficients = inputs
        weights, products = layer.get_weights(), []
        for name, (kernel, bias) in (("", weights[:2]), ("_shifted", weights[2:])):
            copy = ours.GroupedConv2D(layer.filters, name=f"{layer.name}{name}_product")
            copy.build(x.shape)
            copy.set_weights([kernel[None, None], bias])
            products.append(self._rounded(self.lay_weighted(copy, x), copy.name))
        return self._mix(*products, coefficients, 0, 1, layer.name)

    def _mix(self, x, shifted, coefficients, piece, pieces, name):
        products = []
        for part, tensor in enumerate((x, shifted), 2 * piece):
            factor = Coefficients(part, 2 * pieces, name=f"{name}_{part}")(coefficients)
            products.append(self._rounded(tensor * factor, f"{name}_{part}_product"))
        return products[0] + products[1]


_RULES = {
    **dict.fromkeys((*_CONVOLUTIONS, fused.ColumnBias), _Placement.lay_weighted),
    fused.HardSwish: _Placement.lay_hard_swish,
    fused.MixedPointwise: _Placement.lay_mixed_pointwise,
    fused.Offset: _Placement.lay_offset,
    fused.ShiftMaxMix: _Placement.lay_mix,
    keras.layers.Activation: _Placement.lay_activation,
    keras.layers.BatchNormalization: _Placement.lay_normalization,
    keras.layers.Rescaling: _Placement.lay_rescaling,
}


def _uncovered(layer):
    return UserError(
        f"int8 has no rule for the layer {layer.name} ({type(layer).__name__}). Export without training: "
        f"to_tflite(..., quantization='int8', keep_float=[{layer.name!r}])."
    )


def _again(call, values):
    """Calls a copy of a layer without weights, or the layer itself if it cannot be copied."""
    layer = call.operation
    # Names that Keras gave in another process, such as "add_9", may be given again in this one.
    name = f"{layer.name}_again"
    if not isinstance(layer, keras.layers.Layer):
        return call.again(values, type(layer).from_config({**layer.get_config(), "name": name}))
    return call.again(values, copy_of(layer, name) if is_copied(layer) else layer)
