"""The records of ShuffleNet V1 and V2: the files of the first author's laboratory, without direct links."""

from keras_lightnets.weights.records.record import RAW_BGR, WeightRecord, of_width

# Top-1 errors, of the first version with 3 and with 8 groups.
_V1 = {0.5: (42.7, 41.2), 1.0: (32.2, 32.0), 1.5: (28.4, 29.0), 2.0: (25.9, 27.1)}
_V2 = {0.5: 38.9, 1.0: 30.6, 1.5: 27.4, 2.0: 25.0}


def _record(builder, arguments, stem, top1_error):
    return WeightRecord(
        name=f"megvii/{stem}",
        builder=builder,
        arguments=arguments,
        urls=(),
        file=f"{stem}.pth.tar",
        format="pth",
        size=None,
        digest=None,
        licence="MIT (the code's; the weights have none of their own)",
        classes=1000,
        input_size=224,
        preprocessing=RAW_BGR,
        top1=round(100 - top1_error, 1),
        top1_source="README of megvii-model/ShuffleNet-Series",
        page="https://github.com/megvii-model/ShuffleNet-Series",
        unverified=("reachable", "file", "size", "digest", "layout"),
    )


RECORDS = (
    *(
        _record("ShuffleNet", arguments | of_width(alpha), f"shufflenet_g{groups}_{alpha}x", error)
        for alpha, errors in _V1.items()
        for (groups, arguments), error in zip(((3, {}), (8, {"groups": 8})), errors, strict=True)
    ),
    *(_record("ShuffleNetV2", of_width(alpha), f"shufflenet_v2_{alpha}x", error) for alpha, error in _V2.items()),
)
