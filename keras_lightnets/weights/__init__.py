"""Weights: what is known of released ones, and the way in and out of files."""

import importlib

from keras_lightnets.weights.records.record import WeightRecord as WeightRecord
from keras_lightnets.weights.registry import list_weights as list_weights

# Imported at first use: these need Keras, and those of `release` the builders, which themselves read weights.
_LAZY = {
    "load_safetensors": "keras_lightnets.weights.safetensors",
    "save_safetensors": "keras_lightnets.weights.safetensors",
    "convert": "keras_lightnets.release.conversion",
    "from_hub": "keras_lightnets.release.hub",
    "push_to_hub": "keras_lightnets.release.hub",
}


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_LAZY])
