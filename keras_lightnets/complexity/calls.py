"""A functional model as the list of its calls, in the order in which Keras runs them, with known shapes."""

from dataclasses import dataclass

import keras

from keras_lightnets import graph
from keras_lightnets.errors import UserError


@dataclass(eq=False)
class Call:
    """One call of a layer or operation.

    Attributes:
        operation: the layer.
        name: str, behind the names of the models that it is in.
        inputs: list of symbolic tensors of batch 1. A tensor of the list is an output of an earlier call or an input of
            the model.
        outputs: list of symbolic tensors.
        final: bool, whether one of the outputs is an output of the model.
    """

    operation: object
    name: str
    inputs: list
    outputs: list
    final: bool = False


def read_calls(model, input_shape, side):
    """Reads a functional model, with the models inside it, for one image.

    Args:
        model: functional `keras.Model`.
        input_shape: tuple without the batch, list of tuples, or None.
        side: int, in the place of open sides of the input.

    Returns:
        List of `Call`.

    Raises:
        UserError: as in `complexity`.
    """
    own = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    given = own if input_shape is None else input_shape if isinstance(input_shape, list) else [input_shape]
    if [len(shape) for shape in given] != [len(shape) for shape in own]:
        raise UserError(f"{model.name} has inputs of shape {own}. Received: input_shape={input_shape}")
    shapes = [(1, *(side if size is None else size for size in shape)) for shape in given]
    inputs = [keras.KerasTensor(shape, tensor.dtype) for shape, tensor in zip(shapes, model.inputs, strict=True)]
    calls = []
    try:
        outputs = _read(model, inputs, calls, "")
    except ValueError as error:
        raise UserError(f"{model.name} does not take images of {shapes[0][1:]}: {error}") from error
    for call in calls:
        call.final = any(tensor is output for tensor in call.outputs for output in outputs)
    return calls


def _read(model, inputs, calls, prefix):
    """Appends the calls of `model` on `inputs` to `calls`, and returns its outputs."""

    def visit(call, sources):
        operation = call.operation
        if call.model is not None:
            return _read(call.model, sources, calls, f"{prefix}{operation.name}/")
        args, kwargs = call.arguments(sources)
        specs = keras.tree.flatten(operation.compute_output_spec(*args, **kwargs))
        # Some operations return their input.
        results = [keras.KerasTensor(spec.shape, spec.dtype) for spec in specs]
        _check_channels(operation, sources)
        calls.append(Call(operation, prefix + operation.name, sources, results))
        return results

    return graph.run(model, inputs, visit)


def _check_channels(operation, sources):
    # Keras checks it in calls only.
    if isinstance(operation, keras.layers.Dense) and sources[0].shape[-1] != operation.kernel.shape[0]:
        raise ValueError(f"{operation.name} takes {operation.kernel.shape[0]} numbers, not {sources[0].shape[-1]}")
