"""A Keras 3 model as a tf_keras model: layer by layer, with weights of its own. Imported in the child process alone."""

import inspect
import math

import keras
import tensorflow_model_optimization as tfmot
import tf_keras

from keras_lightnets import graph
from keras_lightnets.optimization.prunable import prunable


class Hosted(tf_keras.layers.Layer, tfmot.sparsity.keras.PrunableLayer, tfmot.clustering.keras.ClusterableLayer):
    """An operation of a Keras 3 model, computed by that operation itself on weights that tf_keras owns and trains.

    Each weight is an attribute: wrappers of tensorflow-model-optimization put there what they made of it.
    """

    def __init__(self, call, operation):
        """Hosts `operation` in the place of the one of `call`, a `graph.Call`."""
        super().__init__(name=operation.name, trainable=True)
        self._calls = []
        self.add_call(call)
        self._operation = operation
        # A layer from inside of the one that is called takes the first of its inputs.
        self._is_inner = operation is not call.operation
        self._variables = list(getattr(operation, "variables", ()))
        self.names = [f"{variable.name}_{position}" for position, variable in enumerate(self._variables)]
        self.own = []
        # Kernels with fewer weights are left alone.
        self.least_size = 0

    def build(self, input_shape):
        """Creates the weights, with the values of the operation's."""
        for name, variable in zip(self.names, self._variables, strict=True):
            value = tf_keras.initializers.Constant(keras.ops.convert_to_numpy(variable))
            weight = self.add_weight(name, variable.shape, variable.dtype, value, trainable=variable.trainable)
            setattr(self, name, weight)
            self.own.append(weight)
        super().build(input_shape)

    def add_call(self, call):
        """Returns the number of a call of the operation: each has arguments of its own."""
        self._calls.append(call)
        return len(self._calls) - 1

    def call(self, inputs, training=None, number=0):
        """Computes the operation on `inputs`, as its call of that number does."""
        tensors = keras.tree.flatten(inputs)
        args, kwargs = self._calls[number].arguments(tensors)
        if self._is_inner:
            args, kwargs = tensors[:1], {}
        # While tf_keras lays its graph, this is a tensor.
        training = training in (True, 1) if isinstance(training, bool | int) else False
        if "training" in inspect.signature(self._operation.call).parameters:
            kwargs["training"] = training
        values = [getattr(self, name) for name in self.names]
        with keras.StatelessScope(list(zip(self._variables, values, strict=True))) as scope:
            outputs = self._operation(*args, **kwargs)
        if training:
            for weight, variable in zip(self.own, self._variables, strict=True):
                if not variable.trainable:
                    weight.assign(scope.get_current_value(variable))
        return outputs

    @property
    def kernels(self):
        """Dict from name to position of the weights that may be pruned and clustered."""
        chosen = prunable(self._operation)
        return {
            name: position
            for position, (name, variable) in enumerate(zip(self.names, self._variables, strict=True))
            if variable.path in chosen and math.prod(variable.shape) >= self.least_size
        }

    def get_prunable_weights(self):
        """What `tfmot.sparsity` asks for."""
        return [self.own[position] for position in self.kernels.values()]

    def get_clusterable_weights(self):
        """What `tfmot.clustering` asks for."""
        return [(name, self.own[position]) for name, position in self.kernels.items()]

    def get_clusterable_algorithm(self, weight_name):
        """The algorithm for a weight: None for the one that suits its number of axes."""

    def hand_back(self):
        """Gives the operation the values of the weights."""
        for weight, variable in zip(self.own, self._variables, strict=True):
            variable.assign(weight.numpy())


def host(model, lay=lambda call: (Hosted(call, call.operation),) * 2):
    """Rebuilds a functional Keras 3 model under tf_keras.

    Args:
        model: functional `keras.Model`.
        lay: function from a `graph.Call` to a `Hosted` layer and the layer to call, which may wrap it. Defaults
            to no wrapping.

    Returns:
        The `tf_keras.Model`, and its `Hosted` layers.
    """
    inputs = [tf_keras.Input(batch_shape=tensor.shape, name=tensor.name) for tensor in model.inputs]
    laid = {}

    def visit(call, tensors):
        if call.operation in laid:
            # The wrapper around the layer, which passes no arguments on, has done its work at the first call.
            layer, _ = laid[call.operation]
            more = {"number": layer.add_call(call)}
        else:
            _, layer = laid[call.operation] = lay(call)
            more = {}
        return keras.tree.flatten(layer(tensors[0] if len(tensors) == 1 else tensors, **more))

    outputs = graph.run(model, inputs, visit)
    return tf_keras.Model(inputs, outputs), [hosted for hosted, _ in laid.values()]
