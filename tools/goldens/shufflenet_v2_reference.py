"""pytorchcv's ShuffleNetV2b (pip install pytorchcv==0.0.73): strided units keep their input, as the paper's do."""

from tools.goldens.torch_weights import Reference

MODULES = ("keras_lightnets.applications.shufflenet_v2",)

# Table 5 of the paper. Pytorchcv's own 1.5x and 2x have a wider conv5.
_WIDTHS = {
    0.5: ((48, 96, 192), 1024),
    1.0: ((116, 232, 464), 1024),
    1.5: ((176, 352, 704), 1024),
    2.0: ((244, 488, 976), 2048),
}


def networks(case, source):
    """Returns pytorchcv's network."""
    import torch
    from pytorchcv.models.shufflenetv2b import ShuffleNetV2b

    stages, features = _WIDTHS[case.kwargs["alpha"]]
    network = ShuffleNetV2b([[out] * n for out, n in zip(stages, (4, 8, 4), strict=True)], 24, features)
    # Its 7x7 average wants 224x224 images.
    network.features.final_pool = torch.nn.AdaptiveAvgPool2d(1)
    return [Reference("ShuffleNetV2", "pytorchcv", network)]
