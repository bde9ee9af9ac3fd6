"""Choosing a shape: what layers cost, what the papers say they cost, and the studies that chose their channels."""

import importlib

from keras_lightnets.design.formulas import Cost as Cost
from keras_lightnets.design.formulas import bottleneck as bottleneck
from keras_lightnets.design.formulas import convolution as convolution
from keras_lightnets.design.formulas import depthwise_separable as depthwise_separable
from keras_lightnets.design.formulas import inverted_residual as inverted_residual
from keras_lightnets.design.formulas import micro_factorized_depthwise as micro_factorized_depthwise
from keras_lightnets.design.formulas import micro_factorized_pointwise as micro_factorized_pointwise
from keras_lightnets.design.formulas import micro_groups as micro_groups
from keras_lightnets.design.formulas import shufflenet_unit as shufflenet_unit

# Name -> module; imported at first use. A module has another name than its function, which it would hide.
_AT_FIRST_USE = {
    "BottleneckNet": "bottleneck_net",
    "RankChoices": "random_layers",
    "Training": "worker",
    "bottleneck_net_cost": "bottleneck_net",
    "channel_search": "search",
    "compare_costs": "pareto",
    "cost_table": "cost_tables",
    "factor_analysis": "factors",
    "feature_rank": "ranks",
    "rank_study": "layer_ranks",
}


def __getattr__(name):
    if name in _AT_FIRST_USE:
        return getattr(importlib.import_module(f"{__name__}.{_AT_FIRST_USE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_AT_FIRST_USE])
