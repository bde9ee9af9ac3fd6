"""Smaller and int8: quantisation-aware training, pruning, clustering, and what quantisation costs, layer by layer."""

import importlib

_HOMES = {
    "quantize_aware": "placement",
    "prune": "compression",
    "cluster": "compression",
    "Schedule": "compression",
    "layer_errors": "errors",
    "sparsity": "weights",
    "Training": "bridge",
    "FakeQuantize": "fake_quantization",
    "QuantizedWeights": "fake_quantization",
    "Coefficients": "fake_quantization",
}
__all__ = list(_HOMES)


def __getattr__(name):
    """Imports at first use: each part needs what the others do not."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
