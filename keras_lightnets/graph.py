"""The calls that make up a functional model: the one place that knows Keras' private graph.

Keras has no public view of the calls in a model. What is used here was checked with the Keras versions in `CHECKED`.
"""

import keras

# No public name serves: no public module of Keras holds one of these classes, as tests/test_graph.py checks. Of the
# operations only the base is public, keras.Operation, which does not tell them apart.
from keras.src.applications.convnext import LayerScale as LayerScale  # keras.applications has only networks
from keras.src.applications.convnext import StochasticDepth as StochasticDepth  # keras.applications has only networks
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer as CustomScaleLayer  # only networks are public
from keras.src.models.functional import Functional  # keras.Model includes subclassed models, which have no graph
from keras.src.ops import core as core_operations  # noqa: F401  # keras.ops has functions, not the classes in a graph
from keras.src.ops import math as math_operations  # noqa: F401  # keras.ops has functions only, as for core
from keras.src.ops import nn as nn_operations  # noqa: F401  # keras.ops has functions only, as for core
from keras.src.ops import numpy as array_operations  # noqa: F401  # keras.ops has functions only, as for core

from keras_lightnets.errors import UserError

CHECKED = ("3.15",)
# Layers that return their input in inference.
IDENTITIES = {
    keras.layers.ActivityRegularization,
    keras.layers.AlphaDropout,
    keras.layers.AugMix,
    keras.layers.CutMix,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.MixUp,
    keras.layers.RandAugment,
    keras.layers.RandomBrightness,
    keras.layers.RandomColorDegeneration,
    keras.layers.RandomColorJitter,
    keras.layers.RandomContrast,
    keras.layers.RandomElasticTransform,
    keras.layers.RandomErasing,
    keras.layers.RandomFlip,
    keras.layers.RandomGaussianBlur,
    keras.layers.RandomGrayscale,
    keras.layers.RandomHue,
    keras.layers.RandomInvert,
    keras.layers.RandomPerspective,
    keras.layers.RandomPosterization,
    keras.layers.RandomRotation,
    keras.layers.RandomSaturation,
    keras.layers.RandomSharpness,
    keras.layers.RandomShear,
    keras.layers.RandomTranslation,
    keras.layers.RandomZoom,
    keras.layers.Solarization,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
}


class Call:
    """One call of a layer or operation in a functional model.

    Attributes:
        operation: the layer or the operation of `keras.ops`.
        inputs: list of symbolic tensors.
        outputs: list of symbolic tensors.
    """

    def __init__(self, node):
        self.operation = node.operation
        self.inputs = list(node.input_tensors)
        self.outputs = list(node.output_tensors)
        self._arguments = node.arguments

    def arguments(self, values):
        """Returns the positional and the keyword arguments of the call, with `values` in the place of its inputs."""
        return self._arguments.fill_in({id(old): new for old, new in zip(self.inputs, values, strict=True)})

    def again(self, values, operation=None):
        """Calls the operation, or another one like it, on `values`, and returns the list of its outputs."""
        args, kwargs = self.arguments(values)
        return keras.tree.flatten((operation or self.operation)(*args, **kwargs))

    @property
    def model(self):
        """The functional model that is called on inputs as it wants them, or None for any other operation."""
        model = _own_graph(self.operation)
        # Keras changes the type or the rank of other inputs.
        wanted = [(tensor.dtype, len(tensor.shape)) for tensor in model.inputs] if model else None
        return model if wanted == [(tensor.dtype, len(tensor.shape)) for tensor in self.inputs] else None

    @property
    def is_plain(self):
        """Whether the operation is called on its inputs, which have no masks, and on nothing else."""
        args, kwargs = self._arguments.args, self._arguments.kwargs
        # In inference Keras calls every layer of a model with `training=False`, whatever was said.
        extras = {name for name, value in kwargs.items() if value is not None and name != "training"}
        masked = any(getattr(tensor, "_keras_mask", None) is not None for tensor in self.inputs)
        return len(args) == 1 and len(keras.tree.flatten(args)) == len(self.inputs) and not extras and not masked


def calls(model):
    """Returns the list of the calls in a functional model, in the order in which Keras runs them."""
    by_depth = _own_graph(model)._nodes_by_depth
    nodes = (node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth])
    return [Call(node) for node in nodes if not node.is_input]


def operations(model):
    """Yields the operations of a functional model and of the models inside it, in the order of the calls."""
    for call in calls(model):
        if call.model is not None:
            yield from operations(call.model)
        else:
            yield call.operation


def run(model, values, visit):
    """Takes values through the calls of a functional model.

    Args:
        model: functional `keras.Model`.
        values: list with a value for each input of the model.
        visit: function of a `Call` and the list of the values of its inputs. It returns a list with a value for each
            output of the call.

    Returns:
        List with a value for each output of the model.
    """
    model = _own_graph(model)
    known = {id(tensor): value for tensor, value in zip(model.inputs, values, strict=True)}
    for call in calls(model):
        results = visit(call, [known[id(tensor)] for tensor in call.inputs])
        known.update((id(tensor), value) for tensor, value in zip(call.outputs, results, strict=True))
    return [known[id(tensor)] for tensor in model.outputs]


def functional(model):
    """Returns a functional model of the same layers, inputs, outputs and name.

    A functional model is returned as it is. A `Sequential` is built, if the shape of its input is known. A subclassed
    model that was called before becomes the only layer of a functional one.

    Args:
        model: `keras.Model`.

    Returns:
        A functional `keras.Model`.

    Raises:
        UserError: if `model` is no Keras model, the shape of its input is unknown, or it cannot be called on a
            symbolic tensor.
    """
    if not isinstance(model, keras.Model):
        raise UserError(f"A keras.Model is needed. Received: {model!r}")
    if isinstance(model, keras.Sequential) and not model.built and model.layers:
        first = model.layers[0]
        if getattr(first, "inputs", None):
            model.build(first.input_shape)
    own = _own_graph(model)
    if own is model:
        return model
    if own is not None:
        return keras.Model(own.input, own.output, name=model.name)
    inputs = keras.tree.map_structure(_input_like, _input_specs(model))
    try:
        return keras.Model(inputs, model(inputs, training=False), name=model.name)
    except Exception as error:
        # Whatever the user's own code raises.
        reason = " ".join(str(error).split())
        raise UserError(f"{_named(model)} cannot be called on a symbolic tensor, as export needs: {reason}") from error


def own_weights(operation):
    """Yields every layer in an operation, itself and those in its layers, with the trainable weights it has itself."""
    if isinstance(operation, keras.layers.Layer):
        for layer in operation._flatten_layers():
            yield layer, layer._trainable_variables


def _own_graph(model):
    """The functional model whose graph is what `model` computes, or None."""
    if isinstance(model, keras.Sequential):
        return model._functional if type(model).call is keras.Sequential.call else None
    return model if isinstance(model, Functional) and type(model).call is Functional.call else None


def _input_specs(model):
    """What a model without a graph of its own takes."""
    if getattr(model, "inputs", None):
        return model.input
    shape = (model.get_build_config() or {}).get("input_shape") if model.built else None
    if not shape or not all(isinstance(size, int | None) for size in shape):
        raise UserError(
            f"{_named(model)} has no known input shape. Call it on a batch first, or make it functional: "
            "inputs = keras.Input(shape); model = keras.Model(inputs, model(inputs))."
        )
    return keras.KerasTensor((None, *shape[1:]), "float32")


def _input_like(tensor):
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype)


def _named(model):
    return f"{model.name} ({type(model).__name__})"
