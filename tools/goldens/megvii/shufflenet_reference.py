"""The authors' ShuffleNet (github.com/megvii-model/ShuffleNet-Series, commit aa91feb), run from a clone."""

import sys

import keras

from keras_lightnets.applications.shufflenet import MEGVII, config, features, head
from tools.goldens.torch_weights import Reference
from tools.zoo import Case

_SOURCE = "megvii-model/ShuffleNet-Series at commit aa91feb plus a bias of the classifier, forward hooks"


def megvii_shufflenet(groups, alpha, weights, input_shape, classifier_activation):
    """The released networks: 1.5x keeps the 24 channels of the stem."""
    widths = config(groups, alpha, "standard")
    if alpha == 1.5:
        widths = widths._replace(stem=24)
    inputs = keras.Input(input_shape)
    outputs = head(features(inputs, widths, MEGVII), 1000, classifier_activation)
    return keras.Model(inputs, outputs, name="megvii_shufflenet")


CASES = (
    Case(megvii_shufflenet, {"groups": 3, "alpha": 0.5}, 718_324, 730_564, 37_589_856, 480, _SOURCE),
    Case(megvii_shufflenet, {"groups": 3, "alpha": 1.0}, 1_865_728, 1_890_208, 137_460_672, 960, _SOURCE),
    Case(megvii_shufflenet, {"groups": 3, "alpha": 1.5}, 3_442_168, 3_478_888, 292_443_552, 1440, _SOURCE),
    Case(megvii_shufflenet, {"groups": 3, "alpha": 2.0}, 5_450_776, 5_499_736, 524_045_184, 1920, _SOURCE),
    Case(megvii_shufflenet, {"groups": 8, "alpha": 0.5}, 1_011_448, 1_031_032, 40_469_760, 768, _SOURCE),
    Case(megvii_shufflenet, {"groups": 8, "alpha": 1.0}, 2_434_768, 2_473_936, 138_365_952, 1536, _SOURCE),
    Case(megvii_shufflenet, {"groups": 8, "alpha": 1.5}, 4_269_952, 4_328_704, 290_188_800, 2304, _SOURCE),
    Case(megvii_shufflenet, {"groups": 8, "alpha": 2.0}, 6_522_232, 6_600_568, 521_942_016, 3072, _SOURCE),
)


def networks(case, source):
    """Returns megvii's network."""
    import torch

    sys.path.insert(0, str(source / "ShuffleNetV1"))
    from network import ShuffleNetV1

    network = ShuffleNetV1(group=case.kwargs["groups"], model_size=f"{case.kwargs['alpha']}x")
    # Its 7x7 average wants 224x224 images.
    network.globalpool = torch.nn.AdaptiveAvgPool2d(1)
    return [Reference("ShuffleNet", "megvii", network)]
