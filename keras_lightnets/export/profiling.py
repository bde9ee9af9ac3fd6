"""The time of every layer of a model in TFLite, measured."""

import re
import statistics
import time
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils

from keras_lightnets.applications.catalog import find_model
from keras_lightnets.complexity import complexity
from keras_lightnets.errors import UserError
from keras_lightnets.export.files import replacing
from keras_lightnets.export.tflite import static_graph
from keras_lightnets.quiet import quiet

_OTHER = "other operators"


class LayerTimes(NamedTuple):
    """Milliseconds of one image on one thread.

    Attributes:
        layers: dict from the name of a layer to its milliseconds; layers that were fused into others are absent, and
            what belongs to no layer is "other operators".
        network: float, of the whole file.
        call: float, of a call of the interpreter, which is taken off each layer.
    """

    layers: dict[str, float]
    network: float
    call: float

    def to_dict(self):
        """Returns the milliseconds that stand beside no layer, and those of the whole."""
        return {"network_ms": self.network, "call_ms": self.call, "other_operators_ms": self.layers.get(_OTHER, 0.0)}

    def summary(self):
        """Returns in a sentence how the layers were measured, and how far that agrees with the whole."""
        total = sum(self.layers.values())
        return (
            f"Measured in TFLite, float32, one thread: the network {self.network:.3f} ms; its layers, each run by "
            f"itself, {total:.3f} ms together ({total / self.network:.0%}; {self.layers.get(_OTHER, 0.0):.3f} ms of it "
            f"belong to no layer). A call of the interpreter, {self.call:.3f} ms, is taken off each."
        )


def open_model(source, size=None):
    """Returns the network of a name in `list_models()`, with random weights, or the model in a `.keras` file.

    Args:
        source: str, the name or the path.
        size: int, height and width of its images. Defaults to None: the network's own.

    Raises:
        UserError: if there is no such network or file, or it does not take the size.
    """
    if not source.endswith(".keras"):
        record = find_model(source)
        side = size or record.input_size
        try:
            return record.builder(**record.kwargs, weights=None, input_shape=(side, side, 3))
        except ValueError as error:
            raise UserError(f"Cannot build {source}: {error}") from error
    if not Path(source).is_file():
        raise UserError(f"{source} does not exist.")
    try:
        model = keras.saving.load_model(source, compile=False)
        if size is None or model.input_shape[1:3] == (size, size):
            return model
        inputs = keras.Input((size, size, model.input_shape[-1]))
        return keras.Model(inputs, model(inputs), name=model.name)
    except (ValueError, OSError, KeyError) as error:
        raise UserError(f"{source} is not a Keras model that can be loaded at this size: {error}") from error


def profile(source, size=None, measure=False):
    """Counts what a network costs, layer by layer, and measures it.

    Args:
        source: str, a name in `list_models()` or the path of a `.keras` file.
        size: int, height and width of its images. Defaults to None: the network's own.
        measure: bool, whether to put the milliseconds of TFLite beside the layers. Defaults to False.

    Returns:
        A `Complexity`, and `LayerTimes` or None.

    Raises:
        UserError: as in `open_model` and `layer_times`.

    Example:

    >>> cost, times = profile("MicroNetM0", size=64, measure=True)
    """
    model = open_model(source, size)
    cost = complexity(model)
    if not measure:
        return cost, None
    times = layer_times(model, cost)
    left, layers = dict(times.layers), []
    for layer in cost.layers:
        layers.append(layer._replace(milliseconds=left.pop(layer.name.rpartition("/")[-1], None)))
    return cost._replace(layers=tuple(layers)), times


def write_costs(cost, path):
    """Writes a `Complexity` to a file ending in .md, .csv or .json.

    Raises:
        UserError: for another ending, or if the file cannot be written.
    """
    path = Path(path)
    kinds = {".md": cost.to_markdown, ".csv": cost.to_csv, ".json": cost.to_json}
    if path.suffix not in kinds:
        raise UserError(f"{path} must end in {', '.join(kinds)}.")
    with replacing(path) as temporary:
        temporary.write_text(kinds[path.suffix](), encoding="utf-8")


def layer_times(model, cost, rounds=50):
    """Measures every layer of a model in TFLite, float32, under XNNPACK on one thread.

    The delegate hides its operators, so the file is cut where one layer ends and the next begins, and every piece runs
    by itself: what the delegate fuses within a layer stays fused. A round runs all pieces in their order and the whole
    file, so that a busy moment of the machine strikes all alike. The time of a layer is the median over the rounds,
    less that of a call that computes next to nothing.

    Args:
        model: a functional `keras.Model` with one image input of known size.
        cost: its `keras_lightnets.complexity`.
        rounds: int, number of rounds. Defaults to 50.

    Returns:
        A `LayerTimes`.

    Raises:
        UserError: if the model cannot be exported.

    Example:

    >>> model = keras_lightnets.MicroNetM0(weights=None, input_shape=(64, 64, 3))
    >>> times = layer_times(model, keras_lightnets.complexity(model))
    >>> max(times.layers, key=times.layers.get)  # doctest: +SKIP
    'stem_3x1'
    """
    madds = {layer.name.rpartition("/")[-1]: layer.madds for layer in cost.layers}
    content = tflite_content(model)
    pieces = cut(content, madds)
    nothing = tf.function(lambda x: x + 1.0, input_signature=[tf.TensorSpec((1, 1, 1, 4))])
    with quiet():
        empty = tf.lite.TFLiteConverter.from_concrete_functions([nothing.get_concrete_function()]).convert()
        runners = [_runner(piece) for piece in (*(piece for _, piece in pieces), content, empty)]
    times = [[_invoke_ms(runner) for runner in runners] for _ in range(rounds + 1)][1:]
    *parts, network, call = (statistics.median(column) for column in zip(*times, strict=True))
    layers = {}
    for (owner, _), part in zip(pieces, parts, strict=True):
        layers[owner] = layers.get(owner, 0.0) + max(part - call, 0.0)
    return LayerTimes(layers, network, call)


def tflite_content(model):
    """Returns `model` as the bytes of a float32 `.tflite` file."""
    with static_graph(model) as graph, quiet():
        return tf.lite.TFLiteConverter.from_saved_model(graph.folder).convert()


def cut(content, madds):
    """Cuts a `.tflite` file where one layer ends and the next begins.

    Args:
        content: bytes of the file.
        madds: dict from the names of the layers to their multiply-adds.

    Returns:
        List of pairs of a layer and the bytes of a `.tflite` file with its operators, in their order.
    """
    whole = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    graph = whole.subgraphs[0]
    owned = groupby(graph.operators, lambda operator: _owner(graph, operator, madds))
    return [(owner, _piece(whole, list(operators))) for owner, operators in owned]


def _owner(graph, operator, madds):
    """The layer that an operator belongs to: of those its output is named after, the first that has multiply-adds."""
    output = operator.outputs[0]
    # TensorFlow joins the names "model/layer/operation" of what it fuses.
    paths = [path.split("/") for path in graph.tensors[output].name.decode().split(";")]
    found = [owner for path in paths if len(path) > 1 and (owner := _layer(path[1], madds))]
    if output in graph.outputs and not found:
        return next(reversed(madds))
    return next((name for name in found if madds[name]), found[0] if found else _OTHER)


def _layer(name, madds):
    """The layer that a layer of the exported graph comes from, or None."""
    # TensorFlow counts names, "conv_1" being "conv"; helpers are called after their layer, as "conv_pad" is.
    name = re.sub(r"_\d+$", "", name) if re.sub(r"_\d+$", "", name) in madds else name
    while name and name not in madds:
        name = name.rpartition("_")[0]
    return name or None


def _piece(whole, operators):
    """Returns the bytes of a model of some consecutive operators of `whole`."""
    graph = whole.subgraphs[0]
    used = sorted({int(tensor) for operator in operators for tensor in (*operator.inputs, *operator.outputs)} - {-1})
    written = {int(tensor) for operator in operators for tensor in operator.outputs}
    inside = {id(operator) for operator in operators}
    read = {int(tensor) for other in graph.operators if id(other) not in inside for tensor in other.inputs}
    place = {-1: -1, **{tensor: position for position, tensor in enumerate(used)}}
    constant = {tensor for tensor in used if whole.buffers[graph.tensors[tensor].buffer].data is not None}
    # The first buffer of a file is empty by convention.
    buffers, tensors = [schema.BufferT()], []
    for tensor in used:
        copy = _copied(graph.tensors[tensor], schema.TensorT, buffer=0)
        if tensor in constant:
            copy.buffer = len(buffers)
            buffers.append(whole.buffers[graph.tensors[tensor].buffer])
        tensors.append(copy)
    part = schema.SubGraphT()
    part.tensors = tensors
    part.operators = [
        _copied(
            operator,
            schema.OperatorT,
            inputs=[place[int(tensor)] for tensor in operator.inputs],
            outputs=[place[int(tensor)] for tensor in operator.outputs],
        )
        for operator in operators
    ]
    part.inputs = [place[tensor] for tensor in used if tensor not in written | constant]
    part.outputs = [place[tensor] for tensor in sorted(written & (read | set(map(int, graph.outputs))))]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.buffers, model.subgraphs = 3, whole.operatorCodes, buffers, [part]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _copied(record, kind, **changes):
    copy = kind()
    vars(copy).update({**vars(record), **changes})
    return copy


def _runner(content):
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    generator = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        # The delegate takes numbers of any kind in the same time, but for the tiniest.
        interpreter.set_tensor(details["index"], generator.uniform(0.5, 1, details["shape"]).astype(details["dtype"]))
    interpreter.invoke()
    return interpreter


def _invoke_ms(interpreter):
    start = time.perf_counter()
    interpreter.invoke()
    return 1e3 * (time.perf_counter() - start)
