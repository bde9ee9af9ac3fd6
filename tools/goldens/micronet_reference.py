"""The authors' MicroNet (github.com/liyunsheng13/micronet, commit ed89b26), run from a clone; needs torch and yacs."""

import sys

from tools.goldens.torch_weights import Reference

MODULES = ("keras_lightnets.applications.micronet",)

# What the authors' evaluation scripts pass: row table, stem, width of the classifier, dropout, offsets.
_SCRIPTS = {
    "MicroNetM0": ("msnx_dy6_exp4_4M_221", 4, (2, 2), 640, 0.05, (1.0, 1.0), (0.0, 0.0)),
    "MicroNetM1": ("msnx_dy6_exp6_6M_221", 6, (3, 2), 960, 0.05, (1.0, 1.0), (0.0, 0.0)),
    "MicroNetM2": ("msnx_dy9_exp6_12M_221", 8, (4, 2), 1024, 0.1, (1.0, 1.0), (0.0, 0.0)),
    "MicroNetM3": ("msnx_dy12_exp6_20M_020", 12, (4, 3), 1024, 0.1, (1.0, 0.5), (0.0, 0.5)),
}


def networks(case, source):
    """Returns the authors' network."""
    sys.path.insert(0, str(source))
    from backbone import microconfig
    from backbone.micronet import MicroNet
    from utils.defaults import _C as defaults

    table, stem, groups, width, dropout, offsets_a, offsets_b = _SCRIPTS[case.build.__name__]
    if case.kwargs.get("activation") == "relu6":
        # Columns 11 to 13 of a row are the pieces of its three Dynamic Shift-Max. The name of the table ends in them.
        rows = [[*row[:11], 0, 0, 0, *row[14:]] for row in getattr(microconfig, f"{table}_cfgs")]
        table = f"{table[:-3]}000"
        setattr(microconfig, f"{table}_cfgs", rows)
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
    return [Reference(case.build.__name__, "the authors", MicroNet(config))]
