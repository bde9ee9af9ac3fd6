"""A `.tflite` file cut into the layers of the Keras model that it comes from."""

import re
from itertools import groupby

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

OTHER = "other operators"


def cut(content, madds):
    """Cuts a `.tflite` file where one layer ends and the next begins.

    Args:
        content: bytes of the file.
        madds: dict from the names of the layers to their multiply-adds.

    Returns:
        List of pairs of a layer, or "other operators", and the bytes of a `.tflite` file with its operators, in their
        order.
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
    return next((name for name in found if madds[name]), found[0] if found else OTHER)


def _layer(name, madds):
    """The layer that a layer of the exported graph comes from, or None."""
    # TensorFlow counts names: "conv_1" is "conv". Helpers are named after their layer, as "conv_pad" is.
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
