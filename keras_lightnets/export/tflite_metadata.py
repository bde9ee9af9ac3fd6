"""TFLite metadata, which MediaPipe Tasks and the TFLite Task Library read, and the names of the tensors.

The numbers of fields come from tflite_support's `metadata_schema.fbs`. A tensor is described by a dict from them.
"""

import re

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_lightnets.export.flatbuffer import read_model, write_model, write_table
from keras_lightnets.export.interpreter import in_order
from keras_lightnets.version import __version__

LABELS = "labels.txt"
_BUFFER = "TFLITE_METADATA"
_FEATURES = {0: np.uint8(1), 1: {}}
_RGB_IMAGE = {0: np.uint8(2), 1: {0: np.int8(1)}}
_TENSOR_AXIS_LABELS = np.int8(2)


def image(preprocessing):
    """Describes the input of a file.

    Args:
        preprocessing: `Preprocessing` that is left to the reader, `RAW` for raw pixels, or None if it is not known.
    """
    table = {0: "image", 1: "RGB image", 3: _RGB_IMAGE}
    if preprocessing is None:
        return table
    # Where the channels are alike MediaPipe wants one number for all of them.
    mean, std = (_floats(values[:1] if len(set(values)) == 1 else values) for values in preprocessing)
    table[4] = [{0: np.uint8(1), 1: {0: mean, 1: std}}]
    table[5] = _limits((0 - mean) / std, (255 - mean) / std)
    return table


def scores(description, limits=None, has_labels=False, name="scores"):
    """Describes an output of a file.

    Args:
        description: str.
        limits: pair of floats between which all values lie. Defaults to None: not known.
        has_labels: bool, whether the file `labels.txt` names the last axis. Defaults to False.
        name: str, name of the tensor. Defaults to "scores".
    """
    table = {0: name, 1: description, 3: _FEATURES}
    if limits is not None:
        table[5] = _limits(*([limit] for limit in limits))
    if has_labels:
        table[6] = label_files(_TENSOR_AXIS_LABELS)
    return table


def label_files(kind):
    """Describes `labels.txt`, whose lines name the last axis of an output, or its values, as `kind` says."""
    return [{0: LABELS, 1: "Names of the classes, one a line.", 2: kind}]


def output_tables(model, heads, has_labels):
    """Describes the outputs of a classifier, or of any other model.

    Args:
        model: functional `keras.Model`.
        heads: list of what `head_of` returns for each output.
        has_labels: bool, whether the file has the names of the classes.
    """
    names = sorted(model.output) if isinstance(model.output, dict) else [f"scores_{i}" for i in range(len(heads))]
    names = ["scores"] if len(heads) == 1 else names
    described = {"softmax": "Probabilities of the classes", "sigmoid": "Probabilities of the classes", None: "Scores"}
    return [
        scores(described[head], None if head is None else (0.0, 1.0), has_labels, name)
        for name, head in zip(names, heads, strict=True)
    ]


def class_names(metadata, classes):
    """Returns the text of `labels.txt`, or None if there is not one name for each class."""
    labels = (metadata or {}).get("labels")
    if not isinstance(labels, list | tuple) or len(labels) != classes:
        return None
    # A name is a line there.
    return "".join(" ".join(str(label).split()) + "\n" for label in labels)


def _floats(values):
    return np.asarray(values, "float32")


def _limits(least, largest):
    return {0: _floats(largest), 1: _floats(least)}


def with_tflite_metadata(content, name, input_table, output_tables, custom=()):
    """Writes TFLite metadata into a file, and gives its tensors the names in them.

    Args:
        content: bytes of the `.tflite` file.
        name: str, name of the model.
        input_table: what `image` returns.
        output_tables: list of what `scores` returns, in the order of the outputs of the Keras model.
        custom: dicts of `CustomMetadata`, such as `{0: "NAME", 1: bytes}`. Defaults to none.

    Returns:
        The bytes of the file.
    """
    model = read_model(content)
    # Loops, as of recurrent layers, are graphs of their own.
    (graph, *_), (signature,) = model.subgraphs, model.signatureDefs
    ends = {end.name.decode(): end for end in signature.outputs}
    outputs = {ends[key].tensorIndex: table for key, table in zip(in_order(ends), output_tables, strict=True)}
    for position, table in ((graph.inputs[0], input_table), *outputs.items()):
        graph.tensors[position].name = table[0].encode()
    signature.inputs[0].name = input_table[0].encode()
    for end in signature.outputs:
        # The names in a dict of outputs are the user's own.
        if re.fullmatch(rb"output_\d+", end.name):
            end.name = outputs[end.tensorIndex][0].encode()
    subgraph = {2: [input_table], 3: [outputs[position] for position in graph.outputs]}
    if custom:
        subgraph[9] = list(custom)
    about = {0: name, 1: f"Made by keras_lightnets {__version__}.", 3: [subgraph], 7: "1.0.0"}
    _add_buffer(model, write_table(about, b"M001"))
    return write_model(model)


def _add_buffer(model, data):
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(data, "uint8")
    entry.name, entry.buffer = _BUFFER, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
