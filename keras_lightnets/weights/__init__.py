"""Weights: what is known of released ones, and the way in and out of files."""

import importlib

from keras_lightnets.weights.records.record import WeightRecord as WeightRecord

# Imported at first use: these need Keras or know the builders, which themselves read weights.
_LAZY = {
    "list_weights": "keras_lightnets.applications.catalog",
    "load_safetensors": "keras_lightnets.weights.safetensors",
    "save_safetensors": "keras_lightnets.weights.safetensors",
    "check_weights": "keras_lightnets.release.checking",
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
