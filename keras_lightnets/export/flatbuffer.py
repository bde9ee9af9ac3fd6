"""Flatbuffers, read and written: `.tflite` files as objects, and the tables of small schemas without generated code."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

# Kernels on microcontrollers read their weights in words.
_ALIGNMENT = 16


def read_model(content):
    """Returns the bytes of a `.tflite` file as a `ModelT`, with the buffers that lie behind the flatbuffer."""
    return flatbuffer_utils.read_model_from_bytearray(bytearray(content))


def write_model(model):
    """Returns a `ModelT` as the bytes of a `.tflite` file, with every buffer inside the flatbuffer."""
    for buffer in model.buffers:
        buffer.__class__ = _AlignedBuffer
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


class _AlignedBuffer(schema.BufferT):
    """A buffer that is written where the schema wants it. The generated class aligns it to 4 bytes only."""

    def Pack(self, builder):
        data = None if self.data is None else _aligned(builder, self.data)
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


def write_table(table, identifier):
    """Returns the bytes of a flatbuffer.

    Args:
        table: dict from the number of a field to its value. A table is a dict, a number a NumPy scalar, and numbers are
            a NumPy array. A value may also be a str, bytes aligned to 16, or a list of dicts or of str. The type of a
            union is a field of its own, before its value.
        identifier: bytes, four of them.
    """
    builder = flatbuffers.Builder(1024)
    builder.Finish(_written(builder, table), file_identifier=identifier)
    return bytes(builder.Output())


def _written(builder, value):
    """Writes what a field refers to, and returns its place."""
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, bytes):
        return _aligned(builder, value)
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    if isinstance(value, list):
        places = [_written(builder, item) for item in value]
        builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            builder.PrependUOffsetTRelative(place)
        return builder.EndVector()
    places = {slot: item if isinstance(item, np.generic) else _written(builder, item) for slot, item in value.items()}
    builder.StartObject(max(places, default=-1) + 1)
    for slot, item in places.items():
        if isinstance(item, np.generic):
            flags = getattr(flatbuffers.number_types, f"{type(item).__name__.removesuffix('_').capitalize()}Flags")
            builder.PrependSlot(flags, slot, item.item(), None)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, item, 0)
    return builder.EndObject()


def _aligned(builder, data):
    builder.Prep(_ALIGNMENT, len(data))
    return builder.CreateNumpyVector(np.frombuffer(data, "uint8"))
