"""The records of PaddleClas (PaddlePaddle's image classification): MicroNet, ReXNet and ShuffleNet V2."""

from keras_lightnets.weights.records.record import IMAGENET, WeightRecord

_HOST = "https://paddle-imagenet-models-name.bj.bcebos.com/dygraph"
_PAGE = "https://github.com/PaddlePaddle/PaddleClas"
_TABLE = "PaddleClas' table of models"
# Width and top-1.
_REXNET = {1.0: 77.46, 1.3: 79.13, 1.5: 80.06, 2.0: 81.22, 3.0: 82.09}
_SHUFFLENET_V2 = {0.5: 60.32, 1.0: 68.80, 1.5: 71.63, 2.0: 73.15}


def _record(name, builder, alpha=1.0, top1=None, imagenet=False):
    file = f"{name}_pretrained.pdparams"
    return WeightRecord(
        name=f"paddleclas/{name}",
        builder=builder,
        arguments={} if alpha == 1.0 else {"alpha": alpha},
        urls=(f"{_HOST}/{file}",),
        file=file,
        format="pdparams",
        size=None,
        digest=None,
        licence="Apache-2.0 (the repository's)",
        classes=1000,
        input_size=224,
        preprocessing=IMAGENET,
        top1=top1,
        top1_source=None if top1 is None else _TABLE,
        page=_PAGE,
        imagenet=imagenet,
    )


RECORDS = (
    # Their accuracy is published nowhere.
    *(_record(f"MicroNet_M{number}", f"MicroNetM{number}", imagenet=True) for number in range(4)),
    *(_record(f"ReXNet_{str(alpha).replace('.', '_')}", "ReXNet", alpha, top1) for alpha, top1 in _REXNET.items()),
    *(
        _record(f"ShuffleNetV2_x{str(alpha).replace('.', '_')}", "ShuffleNetV2", alpha, top1)
        for alpha, top1 in _SHUFFLENET_V2.items()
    ),
)
