"""The authors' MicroNet (github.com/liyunsheng13/micronet, commit ed89b26), run from a clone; needs torch and yacs."""

import sys

from tests.goldens.torch_weights import load, torch_state

MODULES = ("keras_lightnets.applications.micronet",)

# What the authors' evaluation scripts pass: row table, stem, width of the classifier, dropout, offsets.
_SCRIPTS = {
    "MicroNetM0": ("msnx_dy6_exp4_4M_221", 4, (2, 2), 640, 0.05, (1.0, 1.0), (0.0, 0.0)),
    "MicroNetM1": ("msnx_dy6_exp6_6M_221", 6, (3, 2), 960, 0.05, (1.0, 1.0), (0.0, 0.0)),
    "MicroNetM2": ("msnx_dy9_exp6_12M_221", 8, (4, 2), 1024, 0.1, (1.0, 1.0), (0.0, 0.0)),
    "MicroNetM3": ("msnx_dy12_exp6_20M_020", 12, (4, 3), 1024, 0.1, (1.0, 0.5), (0.0, 0.5)),
}

# Position of each layer in the authors' sequence `features.<block>.layers`, by type of block.
_LITE = {
    "depthwise_kx1": "0.conv.0",
    "depthwise_kx1_bn": "0.conv.1",
    "depthwise_1xk": "0.conv.2",
    "depthwise_1xk_bn": "0.conv.3",
    "middle_act": "1.fc",
    "squeeze": "4.conv.0",
    "squeeze_bn": "4.conv.1",
    "last_act": "5.fc",
}
_MICRO = {
    "expand": "0.conv.0",
    "expand_bn": "0.conv.1",
    "first_act": "1.fc",
    "depthwise_kx1": "3.conv.0",
    "depthwise_kx1_bn": "3.conv.1",
    "depthwise_1xk": "3.conv.2",
    "depthwise_1xk_bn": "3.conv.3",
    "middle_act": "5.fc",
    "squeeze": "7.conv.0",
    "squeeze_bn": "7.conv.1",
    "last_act": "8.fc",
}
_FINAL = {"expand": "0.conv.0", "expand_bn": "0.conv.1", "last_act": "1.fc"}
_OUTSIDE = {
    "stem_3x1": "features.0.stem.0.conv.0",
    "stem_3x1_bn": "features.0.stem.0.conv.1",
    "stem_1x3": "features.0.stem.0.conv.2",
    "stem_1x3_bn": "features.0.stem.0.conv.3",
    "fc": "classifier.0.linear.0",
    "fc_bn": "classifier.0.linear.1",
    "logits": "classifier.2.linear.0",
    "logits_bn": "classifier.2.linear.1",
}


def _names(arrays):
    layers = [path.rsplit("/", 1)[0] for path in arrays]
    names = {}
    for layer in layers:
        if layer in _OUTSIDE:
            names[layer] = _OUTSIDE[layer]
            continue
        block, _, rest = layer.partition("_")
        rest, _, dense = rest.partition("/")
        kinds = {other.partition("_")[2] for other in layers if other.startswith(f"{block}_")}
        rows = _FINAL if "squeeze" not in kinds else _MICRO if "expand" in kinds else _LITE
        suffix = {"": "", "squeeze": ".0", "excite": ".2"}[dense]
        names[layer] = f"features.{block.removeprefix('block')}.layers.{rows[rest]}{suffix}"
    return names


def logits(case, arrays, images, source):
    """Returns the logits of the authors' network with our weights."""
    import torch

    sys.path.insert(0, str(source))
    from backbone.micronet import MicroNet
    from utils.defaults import _C as defaults

    table, stem, groups, width, dropout, offsets_a, offsets_b = _SCRIPTS[case.build.__name__]
    config = defaults.clone()
    config.defrost()
    config.merge_from_list(
        [
            *("MODEL.MICRONETS.BLOCK", "DYMicroBlock", "MODEL.MICRONETS.NET_CONFIG", table),
            *("MODEL.MICRONETS.STEM_CH", stem, "MODEL.MICRONETS.STEM_GROUPS", groups),
            *("MODEL.MICRONETS.STEM_DILATION", 1, "MODEL.MICRONETS.STEM_MODE", "spatialsepsf"),
            *("MODEL.MICRONETS.OUT_CH", width, "MODEL.MICRONETS.DEPTHSEP", True),
            *("MODEL.MICRONETS.POINTWISE", "group", "MODEL.MICRONETS.DROPOUT", dropout),
            *("MODEL.MICRONETS.SHUFFLE", True, "MODEL.ACTIVATION.MODULE", "DYShiftMax"),
            *("MODEL.ACTIVATION.ACT_MAX", 2.0, "MODEL.ACTIVATION.REDUCTION", 8),
            *("MODEL.ACTIVATION.INIT_A_BLOCK3", (1.0, 0.0), "MODEL.ACTIVATION.INIT_A", offsets_a),
            *("MODEL.ACTIVATION.INIT_B", offsets_b),
        ]
    )
    network = load(MicroNet(config), torch_state(torch, arrays, _names(arrays)))
    with torch.no_grad():
        return network(torch.tensor(images.transpose(0, 3, 1, 2))).numpy()
