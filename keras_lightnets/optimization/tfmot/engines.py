"""The methods of tensorflow-model-optimization on the hosted layers of a model. Imported in the child process alone."""

import keras
import tensorflow as tf
import tensorflow_model_optimization as tfmot

from keras_lightnets.layers.quantized import FakeQuantize, QuantizedWeights
from keras_lightnets.optimization.tfmot.hosting import Hosted

# How often in a run the share of zeros rises.
_PRUNINGS = 50
# Weights per cluster below which a kernel keeps its own values.
_LEAST_MEMBERS = 4


class _Engine:
    """Lays the layers of a model, wrapped as a method wants them."""

    callbacks = ()

    def __init__(self):
        self._wrapped = []

    def lay(self, call):
        """Returns the `Hosted` layer of a call, and the layer to call."""
        hosted = Hosted(call, self._operation(call.operation))
        wrapped = self._wrap(hosted, call.operation)
        self._wrapped.append((hosted, wrapped, call.operation))
        return hosted, wrapped

    def _operation(self, operation):
        return operation

    def begin(self):
        """Is called once the model is built."""

    def end(self):
        """Is called after training, before the weights are handed back."""


class Pruning(_Engine):
    """Sets the smallest weights to zero, more and more of them, and keeps them there."""

    def __init__(self, steps, shares, begin, end):
        super().__init__()
        self._shares = shares
        begin, end = round(begin * steps), max(round(end * steps), 1)
        self._when = {"begin_step": begin, "end_step": end, "frequency": max(1, (end - begin) // _PRUNINGS)}
        self.callbacks = (tfmot.sparsity.keras.UpdatePruningStep(),)

    def _wrap(self, hosted, operation):
        share = self._shares.get(operation.name, 0.0)
        if not share:
            return hosted
        schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, share, **self._when)
        return tfmot.sparsity.keras.prune_low_magnitude(hosted, schedule)


class Clustering(_Engine):
    """Lets the weights of a kernel share a few values, and trains these."""

    def __init__(self, steps, clusters):
        super().__init__()
        self._clusters = clusters

    def _wrap(self, hosted, operation):
        hosted.least_size = _LEAST_MEMBERS * self._clusters
        if not hosted.kernels:
            return hosted
        return tfmot.clustering.keras.cluster_weights(hosted, self._clusters)

    def end(self):
        """Replaces every weight by the value of its cluster."""
        for hosted, wrapped, _ in self._wrapped:
            if wrapped is not hosted:
                wrapped.update_clustered_weights_associations()
                for name, position in hosted.kernels.items():
                    hosted.own[position].assign(getattr(hosted, name))


class _ByChannel(tfmot.quantization.keras.quantizers.LastValueQuantizer):
    """Rounds a kernel by output channel, as TFLite does, depthwise ones too."""

    def __init__(self, channels):
        super().__init__(num_bits=8, per_axis=True, symmetric=True, narrow_range=True)
        self._channels = channels

    def build(self, tensor_shape, name, layer):
        return super().build((None, self._channels), name, layer)

    def __call__(self, inputs, training, weights, **kwargs):
        flat = super().__call__(tf.reshape(inputs, (-1, self._channels)), training, weights, **kwargs)
        return tf.reshape(flat, inputs.shape)


class _Config(tfmot.quantization.keras.QuantizeConfig):
    """Which weight of a hosted layer is rounded and how, and how its output is."""

    def __init__(self, weight=None, output=None):
        self._weight, self._output = weight, output

    def get_weights_and_quantizers(self, layer):
        if self._weight is None:
            return []
        position, quantizer = self._weight
        return [(layer.own[position], quantizer)]

    def set_quantize_weights(self, layer, quantize_weights):
        for value in quantize_weights:
            setattr(layer, layer.names[self._weight[0]], value)

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        return [self._output] if self._output else []

    def get_config(self):
        return {}


class Quantization(_Engine):
    """Rounds where a quantisation-aware model does, by the quantisers of tensorflow-model-optimization."""

    def __init__(self, steps):
        super().__init__()

    def _operation(self, operation):
        if isinstance(operation, QuantizedWeights):
            return operation.layer
        if _is_learned_range(operation):
            return keras.layers.Identity(name=operation.name)
        return operation

    def _wrap(self, hosted, operation):
        quantizers = tfmot.quantization.keras.quantizers
        if isinstance(operation, QuantizedWeights):
            position = [variable is operation.rounded for variable in operation.layer.variables].index(True)
            if operation.channels is None:
                quantizer = quantizers.LastValueQuantizer(8, per_axis=False, symmetric=False, narrow_range=False)
            else:
                quantizer = _ByChannel(operation.channels)
            config = _Config(weight=(position, quantizer))
        elif _is_learned_range(operation):
            config = _Config(
                output=quantizers.MovingAverageQuantizer(8, per_axis=False, symmetric=False, narrow_range=False)
            )
        else:
            return hosted
        return tfmot.quantization.keras.QuantizeWrapperV2(hosted, config)

    def begin(self):
        """Starts from the ranges of the Keras 3 model."""
        for own, variable in self._ranges():
            own.assign(keras.ops.convert_to_numpy(variable))

    def end(self):
        """Gives it those that were learned."""
        for own, variable in self._ranges():
            variable.assign(own.numpy())

    def _ranges(self):
        for _, wrapped, operation in self._wrapped:
            if _is_learned_range(operation):
                learned = wrapped._output_quantizer_vars  # noqa: SLF001
                yield learned["min_var"], operation.minimum
                yield learned["max_var"], operation.maximum


def _is_learned_range(operation):
    return isinstance(operation, FakeQuantize) and operation.limits is None


ENGINES = {"prune": Pruning, "cluster": Clustering, "quantize": Quantization}
