"""What int8 costs, layer by layer."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_lightnets.export.checks import image_model
from keras_lightnets.export.fusing import fuse
from keras_lightnets.export.images import check_data
from keras_lightnets.layers.quantized import FakeQuantize, QuantizedWeights
from keras_lightnets.optimization.checks import check_float
from keras_lightnets.optimization.placement import place

_BATCH = 64


def layer_errors(
    model: keras.Model, representative_data: Any, advance: Callable[[], object] = lambda: None
) -> list[dict]:
    """Measures how far the outputs move when one layer alone is rounded to int8, its weights and what it gives.

    Args:
        model: functional `keras.Model`, trained.
        representative_data: float array `(n, height, width, channels)`, or an iterable of such batches, as the model
            takes them.
        advance: function, called after each layer. Defaults to none.

    Returns:
        A list of dicts, worst first. "layer" is a name in `export.fuse(model)`, as `to_tflite(keep_float=...)` takes
        it. "error" is the root mean square of the change, relative to the outputs: of several outputs, the largest.
        "top1_agreement" is the share of the images (anchors of a detector, pixels of a segmenter) whose likeliest
        class stays.

    Raises:
        UserError: if the model is not functional or quantisation-aware already, a layer has weights that no rule
            covers, or the data do not fit the model.

    Example:

    >>> worst = keras_lightnets.optimization.layer_errors(model, images)[0]["layer"]
    """
    model = image_model(model)
    check_float(model)
    images = check_data(model, representative_data)
    fused = fuse(model)
    aware = place(fused, images)
    switches = _switches(aware, [layer.name for layer in fused.layers])
    for parts in switches.values():
        _turn(parts, on=False)
    expected = _predict(aware, images)
    rows = []
    for name, parts in switches.items():
        _turn(parts, on=True)
        outputs = _predict(aware, images)
        _turn(parts, on=False)
        rows.append(
            {
                "layer": name,
                "error": max(map(_change, outputs, expected)),
                "top1_agreement": float(np.mean(outputs[-1].argmax(-1) == expected[-1].argmax(-1))),
            }
        )
        advance()
    return sorted(rows, key=lambda row: -row["error"])


def _predict(model, images):
    return keras.tree.flatten(model.predict(images, batch_size=_BATCH, verbose=0))


def _change(output, expected):
    return float(np.sqrt(np.mean((output - expected) ** 2) / np.mean(expected**2)))


def _switches(aware, names):
    """Returns a dict from the name of a layer to the pairs of variable and value that make it round."""
    switches = {}
    for layer in aware.layers:
        if isinstance(layer, QuantizedWeights):
            switches.setdefault(layer.name, []).append((layer.active, True))
        elif isinstance(layer, FakeQuantize) and layer.limits is None:
            # The steps inside of a composed layer have its name and more.
            own = layer.name.removesuffix("_range")
            name = max((name for name in names if own == name or own.startswith(f"{name}_")), key=len, default=own)
            switches.setdefault(name, []).extend((v, float(v)) for v in (layer.minimum, layer.maximum))
    return switches


def _turn(parts, on):
    for variable, value in parts:
        variable.assign(keras.ops.cast(value if on else 0, variable.dtype))
