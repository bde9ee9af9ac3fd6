"""The one walk over a functional model, and the versions of Keras that it was checked with."""

import importlib.metadata
import types

import keras
import pytest
from keras import layers

from keras_lightnets import graph
from keras_lightnets.errors import UserError

SHAPE = (8, 8, 3)


def test_keras_is_a_version_that_was_checked():
    assert ".".join(importlib.metadata.version("keras").split(".")[:2]) in graph.CHECKED


def _model():
    inner = keras.Sequential(
        [keras.Input(SHAPE), layers.Conv2D(3, 3, padding="same", name="conv"), layers.ReLU(name="relu")]
    )
    inputs = keras.Input(SHAPE)
    x = inner(inputs, training=False)
    return keras.Model(inputs, layers.Add(name="add")([x, inputs]))


def test_calls_in_order_with_models_inside():
    model = _model()
    first, second = graph.calls(model)
    assert first.model.layers[-1].name == "relu" and first.is_plain
    assert second.model is None and second.operation.name == "add"
    assert [tensor is model.inputs[0] for tensor in second.inputs] == [False, True]
    assert [operation.name for operation in graph.operations(model)] == ["conv", "relu", "add"]


def test_values_are_taken_through():
    model, visited = _model(), []

    def visit(call, values):
        visited.append((call.operation.name, values))
        return graph.run(call.model, values, visit) if call.model else [f"{call.operation.name}({', '.join(values)})"]

    assert graph.run(model, ["x"], visit) == ["add(relu(conv(x)), x)"]
    assert [name for name, _ in visited[1:]] == ["conv", "relu", "add"]


@pytest.mark.parametrize(
    ("call", "is_plain"),
    [
        (lambda x: layers.ReLU()(x), True),
        (lambda x: layers.Dropout(0.5)(x, training=True), True),
        (lambda x: layers.RandomFlip()(x), True),
        (lambda x: layers.Add()([x, x + 1.0]), True),
        (lambda x: layers.ReLU()(inputs=x), False),
        (lambda x: layers.BatchNormalization()(x, mask=x[..., 0] > 0), False),
        (lambda x: layers.ReLU()(layers.Masking()(x)), False),
        (lambda x: layers.Attention()([x, x], use_causal_mask=True), False),
    ],
)
def test_plain_calls(call, is_plain):
    inputs = keras.Input((6, 4))
    assert graph.calls(keras.Model(inputs, call(inputs)))[-1].is_plain is is_plain


def test_models_become_functional():
    model = _model()
    assert graph.functional(model) is model
    nested = keras.Sequential([model], name="outer")
    assert (graph.functional(nested).name, graph.functional(nested).input_shape) == ("outer", (None, *SHAPE))
    with pytest.raises(UserError, match="has no known input shape"):
        graph.functional(keras.Sequential([layers.Conv2D(3, 3)]))


def test_no_public_name_serves():
    """The day Keras gives one of these classes a public name, the private import can go."""
    operations = (graph.core_operations, graph.math_operations, graph.nn_operations, graph.array_operations)
    classes = [value for module in operations for value in vars(module).values() if isinstance(value, type)]
    private = {value for value in classes if issubclass(value, keras.Operation)} - {keras.Operation}
    private |= {graph.LayerScale, graph.StochasticDepth, graph.CustomScaleLayer, graph.Functional}
    modules, public = [keras], set()
    for module in modules:
        names = {name: value for name, value in vars(module).items() if not name.startswith("_") and name != "src"}
        public |= {value for value in names.values() if isinstance(value, type)}
        found = [value for value in names.values() if isinstance(value, types.ModuleType)]
        modules += [value for value in found if value.__name__.startswith("keras.") and value not in modules]
    assert keras.layers.Dense in public and not private & public
