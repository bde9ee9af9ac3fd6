"""pytorchcv's ShuffleNet (pip install pytorchcv==0.0.73), which has the paper's order of channels."""

from tools.goldens.torch_weights import Reference

MODULES = ("keras_lightnets.applications.shufflenet",)

# Where pytorchcv's own widths are cut off to what the groups do not divide, or it has no such network: the stem, stages
# and units for groups, alpha and variant.
_OTHER_WIDTHS = {
    (2, 0.25, "standard"): (6, (56, 104, 200), (4, 8, 4)),
    (4, 0.25, "standard"): (8, (80, 144, 272), (4, 8, 4)),
    (8, 0.25, "standard"): (8, (96, 192, 384), (4, 8, 4)),
    (2, 0.5, "standard"): (12, (104, 200, 400), (4, 8, 4)),
    (4, 0.5, "standard"): (12, (144, 272, 544), (4, 8, 4)),
    (8, 0.5, "standard"): (16, (192, 384, 768), (4, 8, 4)),
    (2, 0.75, "standard"): (18, (152, 304, 600), (4, 8, 4)),
    (4, 0.75, "standard"): (20, (208, 416, 816), (4, 8, 4)),
    (8, 0.75, "standard"): (24, (288, 576, 1152), (4, 8, 4)),
    (2, 1.5, "standard"): (36, (304, 600, 1200), (4, 8, 4)),
    (4, 1.5, "standard"): (36, (416, 816, 1632), (4, 8, 4)),
    (8, 1.5, "standard"): (40, (576, 1152, 2304), (4, 8, 4)),
    (8, 0.5, "arch2"): (16, (224, 416, 832), (4, 6, 4)),
    (3, 0.5, "shallow"): (12, (180, 360, 720), (2, 4, 2)),
}


def networks(case, source):
    """Returns pytorchcv's network."""
    import torch
    from pytorchcv.models.shufflenet import ShuffleNet, get_shufflenet

    groups, alpha, variant = case.kwargs["groups"], case.kwargs["alpha"], case.kwargs.get("variant", "standard")
    if (groups, alpha, variant) in _OTHER_WIDTHS:
        stem, stages, units = _OTHER_WIDTHS[groups, alpha, variant]
        network = ShuffleNet([[out] * n for out, n in zip(stages, units, strict=True)], stem, groups)
    else:
        network = get_shufflenet(groups, alpha)
    # Its 7x7 average wants 224x224 images.
    network.features.final_pool = torch.nn.AdaptiveAvgPool2d(1)
    return [Reference("ShuffleNet", "pytorchcv", network)]
