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

# Name -> module. Imported at first use. A module has another name than its function, which it would hide.
_AT_FIRST_USE = {
    "BottleneckNet": "keras_lightnets.design.bottleneck_net",
    "RankChoices": "keras_lightnets.design.random_layers",
    "Training": "keras_lightnets.design.worker",
    "bottleneck_net_cost": "keras_lightnets.design.bottleneck_net",
    "channel_search": "keras_lightnets.design.search",
    "compare_costs": "keras_lightnets.evaluation.pareto",
    "cost_table": "keras_lightnets.design.cost_tables",
    "factor_analysis": "keras_lightnets.design.factors",
    "feature_rank": "keras_lightnets.design.ranks",
    "rank_study": "keras_lightnets.design.layer_ranks",
}


def __getattr__(name):
    if name in _AT_FIRST_USE:
        return getattr(importlib.import_module(_AT_FIRST_USE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_AT_FIRST_USE])
