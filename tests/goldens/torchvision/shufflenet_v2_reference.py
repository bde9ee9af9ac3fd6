"""torchvision's ShuffleNet V2 (pip install torchvision), whose strided units give each branch half of the output."""

from keras_lightnets.applications.shufflenet_v2 import TORCHVISION, _shufflenet_v2
from tests.goldens.torch_weights import load, torch_state
from tests.zoo import Case

_SOURCE = "torchvision shufflenet_v2_*, forward hooks on Conv2d and Linear"


def torchvision_shufflenet_v2(alpha, weights, input_shape, classifier_activation):
    """The released networks."""
    name = "torchvision_shufflenet_v2"
    return _shufflenet_v2(alpha, TORCHVISION, True, weights, None, input_shape, None, 1000, classifier_activation, name)


CASES = (
    Case(torchvision_shufflenet_v2, {"alpha": 0.5}, 1_366_792, 1_374_744, 40_476_448, 1024, _SOURCE),
    Case(torchvision_shufflenet_v2, {"alpha": 1.0}, 2_278_604, 2_294_784, 144_907_992, 1024, _SOURCE),
    Case(torchvision_shufflenet_v2, {"alpha": 1.5}, 3_503_624, 3_527_064, 295_759_392, 1024, _SOURCE),
    Case(torchvision_shufflenet_v2, {"alpha": 2.0}, 7_393_996, 7_427_712, 583_253_464, 2048, _SOURCE),
)

_OUTSIDE = {"stem_conv": "conv1.0", "stem_bn": "conv1.1", "conv5": "conv5.0", "conv5_bn": "conv5.1", "logits": "fc"}
_UNIT = {
    "conv1": "branch2.0",
    "conv1_bn": "branch2.1",
    "depthwise": "branch2.3",
    "depthwise_bn": "branch2.4",
    "conv2": "branch2.5",
    "conv2_bn": "branch2.6",
    "shortcut_depthwise": "branch1.0",
    "shortcut_depthwise_bn": "branch1.1",
    "shortcut_conv": "branch1.2",
    "shortcut_conv_bn": "branch1.3",
}


def _name(layer):
    if layer in _OUTSIDE:
        return _OUTSIDE[layer]
    stage, unit, rest = layer.split("_", 2)
    return f"{stage}.{int(unit.removeprefix('unit')) - 1}.{_UNIT[rest]}"


def logits(case, arrays, images, source):
    """Returns the logits of torchvision's network with our weights."""
    import torch
    from torchvision import models

    network = models.get_model(f"shufflenet_v2_x{case.kwargs['alpha']}".replace(".", "_"), weights=None)
    layers = {path.rsplit("/", 1)[0] for path in arrays}
    load(network, torch_state(torch, arrays, {layer: _name(layer) for layer in layers}))
    with torch.no_grad():
        return network(torch.tensor(images.transpose(0, 3, 1, 2))).numpy()
