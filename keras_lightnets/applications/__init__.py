"""The architectures, one a file, in the shape of `keras.applications`."""

import importlib
from typing import TYPE_CHECKING

from keras_lightnets.applications.catalog import FAMILIES

if TYPE_CHECKING:
    from keras_lightnets.applications.micronet import MicroNetM0 as MicroNetM0
    from keras_lightnets.applications.micronet import MicroNetM1 as MicroNetM1
    from keras_lightnets.applications.micronet import MicroNetM2 as MicroNetM2
    from keras_lightnets.applications.micronet import MicroNetM3 as MicroNetM3
    from keras_lightnets.applications.mobilenet import MobileNet as MobileNet
    from keras_lightnets.applications.mobilenet_v2 import MobileNetV2 as MobileNetV2
    from keras_lightnets.applications.mobilenet_v3 import MobileNetV3Large as MobileNetV3Large
    from keras_lightnets.applications.mobilenet_v3 import MobileNetV3Small as MobileNetV3Small
    from keras_lightnets.applications.rexnet import ReXNet as ReXNet
    from keras_lightnets.applications.rexnet import ReXNetLite as ReXNetLite
    from keras_lightnets.applications.rexnet import ReXNetR as ReXNetR
    from keras_lightnets.applications.shufflenet import ShuffleNet as ShuffleNet
    from keras_lightnets.applications.shufflenet_v2 import ShuffleNetV2 as ShuffleNetV2

# The builders, as the catalog has them, with the names of their modules.
_HOMES = {row.builder: family.module for family in FAMILIES for row in family.variants}
if not TYPE_CHECKING:
    # Type checkers take the lines above.
    __all__ = list(_HOMES)


def __getattr__(name):
    # At first use: the catalog beside them needs no Keras.
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_HOMES])
