"""Smaller and int8: quantisation-aware training, pruning, clustering, and what quantisation costs, layer by layer."""

import importlib

_HOMES = {
    "quantize_aware": "keras_lightnets.optimization.placement",
    "prune": "keras_lightnets.optimization.compression",
    "cluster": "keras_lightnets.optimization.compression",
    "Schedule": "keras_lightnets.optimization.compression",
    "layer_errors": "keras_lightnets.optimization.sensitivity",
    "sparsity": "keras_lightnets.optimization.prunable",
    "Training": "keras_lightnets.optimization.tfmot.bridge",
    "FakeQuantize": "keras_lightnets.layers.quantized",
    "QuantizedWeights": "keras_lightnets.layers.quantized",
    "Coefficients": "keras_lightnets.layers.quantized",
}
__all__ = list(_HOMES)


def __getattr__(name):
    """Imports at first use: each part needs what the others do not."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
