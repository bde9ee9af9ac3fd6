"""PaddleClas' networks (github.com/PaddlePaddle/PaddleClas, commit d178931), run from a clone; needs paddlepaddle."""

import importlib
import sys
import types

_PACKAGES = ("", ".utils", ".arch", ".arch.backbone", ".arch.backbone.base", ".arch.backbone.model_zoo")
_NETWORKS = {
    "MicroNetM0": ("model_zoo.micronet", "MicroNet_M0", {}),
    "MicroNetM3": ("model_zoo.micronet", "MicroNet_M3", {}),
    "ReXNet": ("model_zoo.rexnet", "ReXNetV1", {"alpha": "width_mult"}),
    "ShuffleNetV2": ("model_zoo.shufflenet_v2", "ShuffleNet", {"alpha": "scale"}),
}


def network(builder, arguments, clone):
    """Returns PaddleClas' twin of one of our networks."""
    # The packages themselves import what training needs.
    for name in (f"ppcls{package}" for package in _PACKAGES):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [str(clone / name.replace(".", "/"))]
    sys.modules["ppcls.utils.save_load"] = types.SimpleNamespace(load_dygraph_pretrain=None)
    module, name, renamed = _NETWORKS[builder]
    build = getattr(importlib.import_module(f"ppcls.arch.backbone.{module}"), name)
    return build(**{renamed[argument]: value for argument, value in arguments.items()})
