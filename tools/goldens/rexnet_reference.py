"""The authors' ReXNet and ReXNet-lite (github.com/clovaai/rexnet, commit 61debcc), run from a clone; timm's ReXNet-R.

Needs torch and timm; ReXNet has to agree with timm's too.
"""

import sys

from tools.goldens.torch_weights import Reference

MODULES = ("keras_lightnets.applications.rexnet",)


def networks(case, source):
    """Returns the reference networks."""
    import timm

    sys.path.insert(0, str(source))
    from rexnetv1 import ReXNetV1
    from rexnetv1_lite import ReXNetV1_lite

    alpha, builder = case.kwargs["alpha"], case.build.__name__
    if builder == "ReXNetLite":
        return [Reference(builder, "the authors", ReXNetV1_lite(multiplier=alpha))]
    if builder == "ReXNetR":
        return [Reference(builder, "timm", timm.create_model(f"rexnetr_{round(100 * alpha)}"))]
    return [
        Reference(builder, "the authors", ReXNetV1(width_mult=alpha)),
        Reference(builder, "timm", timm.models.rexnet.RexNet(width_mult=alpha)),
    ]
