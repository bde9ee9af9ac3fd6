"""pytorchcv's ShuffleNetV2b (pip install pytorchcv==0.0.73): strided units keep their input, as the paper's do."""

from tests.goldens.torch_weights import load, torch_state

MODULES = ("keras_lightnets.applications.shufflenet_v2",)

# Table 5 of the paper; pytorchcv's own 1.5x and 2x have a wider conv5.
_WIDTHS = {
    0.5: ((48, 96, 192), 1024),
    1.0: ((116, 232, 464), 1024),
    1.5: ((176, 352, 704), 1024),
    2.0: ((244, 488, 976), 2048),
}

_UNIT = {
    "conv1": "conv1",
    "depthwise": "dconv",
    "conv2": "conv2",
    "shortcut_depthwise": "shortcut_dconv",
    "shortcut_conv": "shortcut_conv",
}


def _name(layer):
    if layer == "logits":
        return "output"
    part = "bn" if layer.endswith("_bn") else "conv"
    layer = layer.removesuffix("_bn")
    if layer in ("stem", "stem_conv"):
        return f"features.init_block.conv.{part}"
    if layer == "conv5":
        return f"features.final_block.{part}"
    stage, unit, rest = layer.split("_", 2)
    return f"features.stage{int(stage.removeprefix('stage')) - 1}.{unit}.{_UNIT[rest]}.{part}"


def logits(case, arrays, images, source):
    """Returns the logits of pytorchcv's network with our weights."""
    import torch
    from pytorchcv.models.shufflenetv2b import ShuffleNetV2b

    stages, features = _WIDTHS[case.kwargs["alpha"]]
    network = ShuffleNetV2b([[out] * n for out, n in zip(stages, (4, 8, 4), strict=True)], 24, features)
    # Its 7x7 average wants 224x224 images.
    network.features.final_pool = torch.nn.AdaptiveAvgPool2d(1)
    layers = {path.rsplit("/", 1)[0] for path in arrays}
    load(network, torch_state(torch, arrays, {layer: _name(layer) for layer in layers}))
    with torch.no_grad():
        return network(torch.tensor(images.transpose(0, 3, 1, 2))).numpy()
