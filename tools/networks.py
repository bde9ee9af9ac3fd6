"""The networks that are timed: ours, their naive ports, those of keras.applications, and the authors' in PyTorch."""

import importlib

import keras

import keras_lightnets as kl
from keras_lightnets.quiet import quiet
from tools.zoo import ZOO

OURS = {
    "MicroNetM0": kl.MicroNetM0,
    "MicroNetM1": kl.MicroNetM1,
    "MicroNetM2": kl.MicroNetM2,
    "MicroNetM3": kl.MicroNetM3,
    "ShuffleNet": kl.ShuffleNet,
    "ReXNet": kl.ReXNet,
}
BASELINE = "keras MobileNetV2(0.35)"
KERAS = {
    BASELINE: lambda **arguments: keras.applications.MobileNetV2(alpha=0.35, **arguments),
    "keras MobileNetV3Small": keras.applications.MobileNetV3Small,
}
# The modules of tools/goldens that build the authors' networks, and the names of the networks in tools/zoo.py.
_AUTHORS = {
    **{f"MicroNetM{n}": ("micronet_reference", f"MicroNetM{n}") for n in range(4)},
    "ShuffleNet": ("shufflenet_reference", "ShuffleNet-groups=3-alpha=1.0"),
    "ReXNet": ("rexnet_reference", "ReXNet-alpha=1.0"),
}


def authors_network(name, source):
    """Returns the PyTorch network that the goldens of `name` come from; `source` is a clone of its repository."""
    module, case = _AUTHORS[name]
    networks = importlib.import_module(f"tools.goldens.{module}").networks
    with quiet():
        return networks(next(row for row in ZOO if row.id == case), source)[0].network
