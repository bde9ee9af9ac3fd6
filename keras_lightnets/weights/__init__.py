"""Weights: what is known of released ones, and the way in and out of files."""

import importlib

from keras_lightnets.weights.registry import WeightRecord as WeightRecord
from keras_lightnets.weights.registry import list_weights as list_weights
from keras_lightnets.weights.safetensors import load_safetensors as load_safetensors
from keras_lightnets.weights.safetensors import save_safetensors as save_safetensors

# These know the builders, which themselves read weights; they are imported at first use.
_LAZY = {"convert": "conversion", "from_hub": "hub", "push_to_hub": "hub"}


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(f"keras_lightnets.release.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_LAZY])
