"""The authors' ShuffleNet V2 (github.com/megvii-model/ShuffleNet-Series, commit aa91feb), run from a clone."""

import sys

from keras_lightnets.applications.shufflenet_v2 import MEGVII, _shufflenet_v2
from tests.goldens.torch_weights import load, torch_state
from tests.zoo import Case

_SOURCE = "megvii-model/ShuffleNet-Series at commit aa91feb plus a bias of the classifier, forward hooks"


def megvii_shufflenet_v2(alpha, weights, input_shape, classifier_activation):
    """The released networks."""
    return _shufflenet_v2(
        alpha, MEGVII, True, weights, None, input_shape, None, 1000, classifier_activation, "megvii_shufflenet_v2"
    )


CASES = (
    Case(megvii_shufflenet_v2, {"alpha": 0.5}, 1_366_792, 1_374_744, 40_476_448, 1024, _SOURCE),
    Case(megvii_shufflenet_v2, {"alpha": 1.0}, 2_279_760, 2_295_940, 145_814_296, 1024, _SOURCE),
    Case(megvii_shufflenet_v2, {"alpha": 1.5}, 3_507_720, 3_531_160, 298_970_656, 1024, _SOURCE),
    Case(megvii_shufflenet_v2, {"alpha": 2.0}, 7_403_600, 7_437_316, 590_783_000, 2048, _SOURCE),
)

_OUTSIDE = {
    "stem_conv": "first_conv.0",
    "stem_bn": "first_conv.1",
    "conv5": "conv_last.0",
    "conv5_bn": "conv_last.1",
    "logits": "classifier.0",
}
_UNIT = {
    "conv1": "branch_main.0",
    "conv1_bn": "branch_main.1",
    "depthwise": "branch_main.3",
    "depthwise_bn": "branch_main.4",
    "conv2": "branch_main.5",
    "conv2_bn": "branch_main.6",
    "shortcut_depthwise": "branch_proj.0",
    "shortcut_depthwise_bn": "branch_proj.1",
    "shortcut_conv": "branch_proj.2",
    "shortcut_conv_bn": "branch_proj.3",
}
_FIRST_UNIT = {"stage2": 0, "stage3": 4, "stage4": 12}


def _name(layer):
    if layer in _OUTSIDE:
        return _OUTSIDE[layer]
    stage, unit, rest = layer.split("_", 2)
    return f"features.{_FIRST_UNIT[stage] + int(unit.removeprefix('unit')) - 1}.{_UNIT[rest]}"


def logits(case, arrays, images, source):
    """Returns the logits of megvii's network with our weights."""
    import torch

    sys.path.insert(0, str(source / "ShuffleNetV2"))
    from network import ShuffleNetV2

    network = ShuffleNetV2(model_size=f"{case.kwargs['alpha']}x")
    # Its 7x7 average wants 224x224 images, and its classifier has no bias.
    network.globalpool = torch.nn.AdaptiveAvgPool2d(1)
    arrays = dict(arrays)
    bias = arrays.pop("logits/bias")
    layers = {path.rsplit("/", 1)[0] for path in arrays}
    load(network, torch_state(torch, arrays, {layer: _name(layer) for layer in layers}))
    with torch.no_grad():
        return network(torch.tensor(images.transpose(0, 3, 1, 2))).numpy() + bias
