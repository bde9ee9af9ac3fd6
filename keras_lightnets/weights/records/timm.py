"""The records of ReXNet and ReXNet-R in timm."""

from keras_lightnets.weights.records.record import IMAGENET, WeightRecord, of_width

_RELEASE = "pytorch-image-models/releases/tag/v0.1-rexnet"
_AUTHORS = "authors' README"
# Width, top-1 and the beginning of the SHA-256 of the older file.
_REXNET = {
    1.0: (77.9, "1b4dddf4"),
    1.3: (79.5, "590d768e"),
    1.5: (80.3, "bd1a6aa8"),
    2.0: (81.6, "8c0b7f2d"),
    3.0: (82.8, None),
}
_REXNET_R = {2.0: 82.602, 3.0: 84.036}


def _record(tag, builder, alpha, licence="MIT", classes=1000, top1=None, source=_AUTHORS, imagenet=False):
    return WeightRecord(
        name=f"timm/{tag}",
        builder=builder,
        arguments=of_width(alpha),
        urls=(f"https://huggingface.co/timm/{tag}/resolve/main/model.safetensors",),
        file=f"{tag}.safetensors",
        format="safetensors",
        size=None,
        digest=None,
        licence=licence,
        classes=classes,
        input_size=224,
        preprocessing=IMAGENET,
        top1=top1,
        top1_source=source,
        page=f"https://huggingface.co/timm/{tag}",
        imagenet=imagenet,
    )


def _records():
    for alpha, (top1, _) in _REXNET.items():
        yield _record(f"rexnet_{round(100 * alpha)}.nav_in1k", "ReXNet", alpha, top1=top1, imagenet=True)
    for alpha, top1 in _REXNET_R.items():
        tag, arguments = f"rexnetr_{round(100 * alpha)}.sw_in12k", ("ReXNetR", alpha, "Apache-2.0")
        yield _record(f"{tag}_ft_in1k", *arguments, top1=top1, source="timm's results table", imagenet=True)
        yield _record(tag, *arguments, classes=11821, source=None)
    for alpha, (top1, start) in _REXNET.items():
        if start:
            tag = f"rexnetv1_{round(100 * alpha)}-{start}"
            page = f"https://github.com/rwightman/{_RELEASE}"
            yield _record(tag, "ReXNet", alpha, top1=top1)._replace(
                urls=(f"{page.replace('/tag/', '/download/')}/{tag}.pth",),
                file=f"{tag}.pth",
                format="pth",
                digest=f"sha256:{start}",
                page=page,
            )


RECORDS = tuple(_records())
