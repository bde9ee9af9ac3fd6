"""The authors' ShuffleNet V2 (github.com/megvii-model/ShuffleNet-Series, commit aa91feb), run from a clone."""

import sys

import keras

from keras_lightnets.applications.shufflenet_v2 import CONFIGS, MEGVII, features, head
from tools.goldens.torch_weights import Reference
from tools.zoo import Case

_SOURCE = "megvii-model/ShuffleNet-Series at commit aa91feb plus a bias of the classifier, forward hooks"


def megvii_shufflenet_v2(alpha, weights, input_shape, classifier_activation):
    """The released networks."""
    inputs, config = keras.Input(input_shape), CONFIGS[alpha]
    outputs = head(features(inputs, config, MEGVII), config, 1000, classifier_activation)
    return keras.Model(inputs, outputs, name="megvii_shufflenet_v2")


CASES = (
    Case(megvii_shufflenet_v2, {"alpha": 0.5}, 1_366_792, 1_374_744, 40_476_448, 1024, _SOURCE),
    Case(megvii_shufflenet_v2, {"alpha": 1.0}, 2_279_760, 2_295_940, 145_814_296, 1024, _SOURCE),
    Case(megvii_shufflenet_v2, {"alpha": 1.5}, 3_507_720, 3_531_160, 298_970_656, 1024, _SOURCE),
    Case(megvii_shufflenet_v2, {"alpha": 2.0}, 7_403_600, 7_437_316, 590_783_000, 2048, _SOURCE),
)


def networks(case, source):
    """Returns megvii's network."""
    import torch

    sys.path.insert(0, str(source / "ShuffleNetV2"))
    from network import ShuffleNetV2

    network = ShuffleNetV2(model_size=f"{case.kwargs['alpha']}x")
    # Its 7x7 average wants 224x224 images.
    network.globalpool = torch.nn.AdaptiveAvgPool2d(1)
    return [Reference("ShuffleNetV2", "megvii", network)]
