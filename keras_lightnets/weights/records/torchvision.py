"""The records of ShuffleNet V2 in torchvision."""

from keras_lightnets.weights.records.record import IMAGENET, WeightRecord, of_width

# Width, file with the beginning of its SHA-256, size in MiB, and top-1.
_FILES = {
    0.5: ("shufflenetv2_x0.5-f707e7126e.pth", 5.282, 60.552),
    1.0: ("shufflenetv2_x1-5666bf0f80.pth", 8.791, 69.362),
    1.5: ("shufflenetv2_x1_5-3c479a10.pth", 13.557, 72.996),
    2.0: ("shufflenetv2_x2_0-8be3c8ee.pth", 28.433, 76.23),
}


def _record(alpha, file, megabytes, top1):
    name, start = file.removesuffix(".pth").rsplit("-", 1)
    return WeightRecord(
        name=f"torchvision/{name}",
        builder="ShuffleNetV2",
        arguments=of_width(alpha),
        urls=(f"https://download.pytorch.org/models/{file}",),
        file=file,
        format="pth",
        size=None,
        digest=f"sha256:{start}",
        licence="BSD-3-Clause (the repository's)",
        classes=1000,
        input_size=224,
        preprocessing=IMAGENET,
        top1=top1,
        top1_source=f"torchvision 0.28.0, which also says {megabytes} MiB",
        page="https://docs.pytorch.org/vision/stable/models/shufflenetv2.html",
        imagenet=True,
        unverified=("reachable", "size"),
    )


RECORDS = tuple(_record(alpha, *row) for alpha, row in _FILES.items())
