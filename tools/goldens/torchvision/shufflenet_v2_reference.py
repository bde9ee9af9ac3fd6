"""torchvision's ShuffleNet V2 (pip install torchvision), whose strided units give each branch half of the output."""

import keras

from keras_lightnets.applications.shufflenet_v2 import CONFIGS, TORCHVISION, features, head
from tools.goldens.torch_weights import Reference
from tools.zoo import Case

_SOURCE = "torchvision shufflenet_v2_*, forward hooks on Conv2d and Linear"


def torchvision_shufflenet_v2(alpha, weights, input_shape, classifier_activation):
    """The released networks."""
    inputs, config = keras.Input(input_shape), CONFIGS[alpha]
    outputs = head(features(inputs, config, TORCHVISION), config, 1000, classifier_activation)
    return keras.Model(inputs, outputs, name="torchvision_shufflenet_v2")


CASES = (
    Case(torchvision_shufflenet_v2, {"alpha": 0.5}, 1_366_792, 1_374_744, 40_476_448, 1024, _SOURCE),
    Case(torchvision_shufflenet_v2, {"alpha": 1.0}, 2_278_604, 2_294_784, 144_907_992, 1024, _SOURCE),
    Case(torchvision_shufflenet_v2, {"alpha": 1.5}, 3_503_624, 3_527_064, 295_759_392, 1024, _SOURCE),
    Case(torchvision_shufflenet_v2, {"alpha": 2.0}, 7_393_996, 7_427_712, 583_253_464, 2048, _SOURCE),
)


def networks(case, source):
    """Returns torchvision's network."""
    from torchvision import models

    network = models.get_model(f"shufflenet_v2_x{case.kwargs['alpha']}".replace(".", "_"), weights=None)
    return [Reference("ShuffleNetV2", "torchvision", network)]
