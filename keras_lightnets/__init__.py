"""Ultra-light image classifiers in Keras 3: MicroNet, ReXNet, MobileNet and ShuffleNet."""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from keras_lightnets.version import __version__ as __version__


def _is_command():
    """Whether this process is `keras-lightnets` or `python -m keras_lightnets...`."""
    # "-m" is there while Python looks for the module.
    if sys.argv[:1] == ["-m"]:
        return any(argument.split(".")[0] == __name__ for argument in sys.orig_argv)
    return Path(*sys.argv[:1]).stem == "keras-lightnets"


# The command imports what it needs itself: some of it takes no Keras, whose import takes seconds. Everyone else gets
# all, which registers every layer: `keras.saving.load_model` finds them.
if TYPE_CHECKING or not _is_command():
    from keras_lightnets import applications as applications
    from keras_lightnets import layers as layers
    from keras_lightnets import weights as weights
    from keras_lightnets.applications import *  # noqa: F403
    from keras_lightnets.applications.catalog import list_models as list_models
    from keras_lightnets.applications.dilation import with_output_stride as with_output_stride
    from keras_lightnets.applications.pyramid import feature_pyramid as feature_pyramid
    from keras_lightnets.detection import COCOMeanAP as COCOMeanAP
    from keras_lightnets.detection import SSDLite as SSDLite
    from keras_lightnets.detection import decode_detections as decode_detections
    from keras_lightnets.segmentation import LRASPP as LRASPP

    # The package is called like its function.
    if TYPE_CHECKING:
        from keras_lightnets.complexity import complexity as complexity
    else:
        from keras_lightnets import complexity as complexity

# Imported at first use: most of this needs TensorFlow, which users of another Keras backend may not have.
_AT_FIRST_USE = ("design", "export", "optimization", "training")


def __getattr__(name):
    if name in _AT_FIRST_USE:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_AT_FIRST_USE])
