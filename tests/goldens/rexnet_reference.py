"""The authors' ReXNet and ReXNet-lite (github.com/clovaai/rexnet, commit 61debcc), run from a clone; timm's ReXNet-R.

Needs torch and timm; ReXNet has to agree with timm's too.
"""

import sys

from tests.goldens.torch_weights import load, torch_state

MODULES = ("keras_lightnets.applications.rexnet",)

# Position of each layer in the authors' sequence `features.<block + 2>.out`, by type of block.
_FIRST = {"depthwise": "0", "depthwise_bn": "1", "project": "3", "project_bn": "4"}
_EXPANDED = {"expand": "0", "expand_bn": "1", "depthwise": "3", "depthwise_bn": "4"}
_PLAIN = {**_EXPANDED, "project": "6", "project_bn": "7"}
_SQUEEZED = {
    **_EXPANDED,
    "se_squeeze": "5.fc.0",
    "se_squeeze_bn": "5.fc.1",
    "se_excite": "5.fc.3",
    "project": "7",
    "project_bn": "8",
}
_OUTSIDE = {
    "stem": "features.0",
    "stem_bn": "features.1",
    "features": "features.19",
    "features_bn": "features.20",
    "predictions": "output.1",
}
_OUTSIDE_LITE = {**_OUTSIDE, "fc": "output.0", "fc_bn": "output.1", "predictions": "output.4"}

# The same in timm, under `features.<block - 1>`.
_TIMM = {
    "expand": "conv_exp.conv",
    "expand_bn": "conv_exp.bn",
    "depthwise": "conv_dw.conv",
    "depthwise_bn": "conv_dw.bn",
    "se_squeeze": "se.fc1",
    "se_squeeze_bn": "se.bn",
    "se_excite": "se.fc2",
    "project": "conv_pwl.conv",
    "project_bn": "conv_pwl.bn",
}
_TIMM_OUTSIDE = {
    "stem": "stem.conv",
    "stem_bn": "stem.bn",
    "features": "features.16.conv",
    "features_bn": "features.16.bn",
    "predictions": "head.fc",
}


def _layers(arrays):
    return list(dict.fromkeys(path.rsplit("/", 1)[0] for path in arrays))


def _split(layer):
    """Returns the number of the block, and what the layer is within it."""
    block, _, kind = layer.removeprefix("block").partition("_")
    return int(block), kind


def _author_names(arrays, outside):
    layers, names = _layers(arrays), dict(outside)
    for layer in layers:
        if layer not in outside:
            number, kind = _split(layer)
            squeezed = f"block{number}_se_squeeze" in layers
            rows = _FIRST if number == 1 else _SQUEEZED if squeezed else _PLAIN
            names[layer] = f"features.{number + 2}.out.{rows[kind]}"
    return names


def _timm_names(arrays):
    names = dict(_TIMM_OUTSIDE)
    for layer in _layers(arrays):
        if layer not in names:
            number, kind = _split(layer)
            names[layer] = f"features.{number - 1}.{_TIMM[kind]}"
    return names


def _run(torch, network, state, images):
    load(network, state)
    with torch.no_grad():
        return network(torch.tensor(images.transpose(0, 3, 1, 2))).numpy()


def _author_logits(torch, network, arrays, images, outside):
    names = _author_names(arrays, outside)
    state = torch_state(torch, arrays, names)
    # Our dense layers are 1x1 convolutions of the pooled map there.
    for layer in {"fc", "predictions"} & set(outside):
        state[f"{names[layer]}.weight"] = state[f"{names[layer]}.weight"][:, :, None, None]
    return _run(torch, network, state, images)


def logits(case, arrays, images, source):
    """Returns the logits of the reference network with our weights."""
    import timm
    import torch

    sys.path.insert(0, str(source))
    from rexnetv1 import ReXNetV1
    from rexnetv1_lite import ReXNetV1_lite

    alpha = case.kwargs["alpha"]
    if case.build.__name__ == "ReXNetLite":
        return _author_logits(torch, ReXNetV1_lite(multiplier=alpha), arrays, images, _OUTSIDE_LITE)
    timm_state = torch_state(torch, arrays, _timm_names(arrays))
    if case.build.__name__ == "ReXNetR":
        return _run(torch, timm.create_model(f"rexnetr_{round(100 * alpha)}"), timm_state, images)
    expected = _author_logits(torch, ReXNetV1(width_mult=alpha), arrays, images, _OUTSIDE)
    by_timm = _run(torch, timm.models.rexnet.RexNet(width_mult=alpha), timm_state, images)
    difference = abs(by_timm - expected).max() / (expected.max() - expected.min())
    print(f"{case.id}: timm differs by {difference:.1e} of the range")
    if difference > 1e-4:
        raise SystemExit(f"{case.id}: the authors' network and timm's disagree")
    return expected
