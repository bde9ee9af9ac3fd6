"""The networks of keras.applications by name, such as "keras:EfficientNetB0", to stand beside ours."""

import difflib
from typing import NamedTuple

import keras

from keras_lightnets.errors import UserError

PREFIX = "keras:"
_SOURCE = "keras.io/api/applications"
# Top-1 in percent, of the page above.
_TOP1 = {
    "Xception": 79.0,
    "VGG16": 71.3,
    "VGG19": 71.3,
    "ResNet50": 74.9,
    "ResNet50V2": 76.0,
    "ResNet101": 76.4,
    "ResNet101V2": 77.2,
    "ResNet152": 76.6,
    "ResNet152V2": 78.0,
    "InceptionV3": 77.9,
    "InceptionResNetV2": 80.3,
    "MobileNet": 70.4,
    "MobileNetV2": 71.3,
    "DenseNet121": 75.0,
    "DenseNet169": 76.2,
    "DenseNet201": 77.3,
    "NASNetMobile": 74.4,
    "NASNetLarge": 82.5,
    "EfficientNetB0": 77.1,
    "EfficientNetB1": 79.1,
    "EfficientNetB2": 80.1,
    "EfficientNetB3": 81.6,
    "EfficientNetB4": 82.9,
    "EfficientNetB5": 83.6,
    "EfficientNetB6": 84.0,
    "EfficientNetB7": 84.3,
    "EfficientNetV2B0": 78.7,
    "EfficientNetV2B1": 79.8,
    "EfficientNetV2B2": 80.5,
    "EfficientNetV2B3": 82.0,
    "EfficientNetV2S": 83.9,
    "EfficientNetV2M": 85.3,
    "EfficientNetV2L": 85.7,
}


class KerasNetwork(NamedTuple):
    """A network of keras.applications, as a row of a comparison. Its costs are counted when it is built."""

    name: str
    top1: float | None
    top1_source: str | None
    madds: None = None
    params: None = None

    @property
    def builder(self):
        """The function that builds it."""
        return getattr(keras.applications, self.name.removeprefix(PREFIX))

    @property
    def family(self):
        """Name of its module in keras.applications, such as "efficientnet"."""
        return self.builder.__module__.rpartition(".")[-1]


def keras_networks() -> dict[str, KerasNetwork]:
    """Lists every network of the installed Keras.

    Returns:
        A dict from names such as "keras:EfficientNetB0" to `KerasNetwork`.
    """
    builders = sorted(name for name in dir(keras.applications) if name[0].isupper())
    return {
        f"{PREFIX}{name}": KerasNetwork(f"{PREFIX}{name}", _TOP1.get(name), _SOURCE if name in _TOP1 else None)
        for name in builders
    }


def find_keras(name: str) -> KerasNetwork:
    """Returns the network of a name such as "keras:EfficientNetB0".

    Raises:
        UserError: if there is none, with the nearest names.
    """
    networks = keras_networks()
    if name not in networks:
        nearest = ", ".join(difflib.get_close_matches(name, networks, n=3, cutoff=0.0))
        raise UserError(f"keras.applications has no network {name!r:.80}. Nearest: {nearest}.")
    return networks[name]
