"""Models of another precision in float32, as files compute."""

import keras

from keras_lightnets.export.fusing.copying import call_again, float32_layers
from keras_lightnets.graph import operations, run


def in_float32(model):
    """Returns a functional model that computes in float32 what another one does, which is returned if it does already.

    Layers that cannot be copied compute as before.
    """
    layers = (operation for operation in operations(model) if isinstance(operation, keras.layers.Layer))
    if {layer.compute_dtype for layer in layers} <= {"float32"}:
        return model
    names = set()

    def unique(name):
        own, number = name, 1
        while own in names:
            own, number = f"{name}_{number}", number + 1
        names.add(own)
        return own

    def visit(call, tensors):
        if call.model is not None and call.is_plain:
            return run(call.model, tensors, visit)
        return call_again(call, tensors, unique)

    with float32_layers():
        inputs = [_input(tensor, unique) for tensor in model.inputs]
        outputs = run(model, inputs, visit)
    pack = keras.tree.pack_sequence_as
    return keras.Model(pack(model.input, inputs), pack(model.output, outputs), name=model.name)


def _input(tensor, unique):
    dtype = "float32" if keras.backend.is_float_dtype(tensor.dtype) else tensor.dtype
    return keras.Input(batch_shape=tensor.shape, dtype=dtype, name=unique(tensor.name))
