"""The records: facts of the publishers' pages, packages and papers, none measured here, and of what is shipped."""

from typing import NamedTuple

from keras_lightnets.weights.records import keras as keras_sources
from keras_lightnets.weights.records import shipped
from keras_lightnets.weights.registry import IMAGENET, RAW_BGR, WeightRecord, identity

_AUTHORS = "authors' README"


def _micronet():
    # Nobody states sizes or hashes. On 2021-08-28 all four links served M3, md5 f514ad5f6d691793cfca029f31d87128: the
    # map of names refuses that file for M0 to M2.
    for number, top1 in enumerate((46.6, 51.4, 59.4, 62.5)):
        file = f"micronet-m{number}.pth"
        yield WeightRecord(
            name=f"svcl/micronet-m{number}",
            builder=f"MicroNetM{number}",
            arguments={},
            urls=(f"http://www.svcl.ucsd.edu/projects/micronet/assets/{file}",),
            file=file,
            format="pth",
            size=None,
            digest=None,
            licence="MIT (the repository's; the weights have none of their own)",
            classes=1000,
            input_size=224,
            preprocessing=IMAGENET,
            top1=top1,
            top1_source=_AUTHORS,
            page="https://github.com/liyunsheng13/micronet",
            imagenet=True,
        )


def _timm(tag, builder, alpha, licence, classes, input_size, top1, source, imagenet):
    return WeightRecord(
        name=f"timm/{tag}",
        builder=builder,
        arguments=identity({"alpha": alpha}),
        urls=(f"https://huggingface.co/timm/{tag}/resolve/main/model.safetensors",),
        file=f"{tag}.safetensors",
        format="safetensors",
        size=None,
        digest=None,
        licence=licence,
        classes=classes,
        input_size=input_size,
        preprocessing=IMAGENET,
        top1=top1,
        top1_source=source,
        page=f"https://huggingface.co/timm/{tag}",
        imagenet=imagenet,
    )


def _rexnet():
    published = {1.0: 77.9, 1.3: 79.5, 1.5: 80.3, 2.0: 81.6, 3.0: 82.8}
    for alpha, top1 in published.items():
        tag = f"rexnet_{round(100 * alpha)}.nav_in1k"
        yield _timm(tag, "ReXNet", alpha, "MIT", 1000, 224, top1, _AUTHORS, True)
    for alpha, top1 in ((2.0, 82.602), (3.0, 84.036)):
        tag = f"rexnetr_{round(100 * alpha)}.sw_in12k"
        tuned = f"{tag}_ft_in1k", "ReXNetR", alpha, "Apache-2.0", 1000, 224, top1, "timm's results table", True
        yield _timm(*tuned)
        yield _timm(tag, "ReXNetR", alpha, "Apache-2.0", 11821, 224, None, None, False)
    for alpha, start in ((1.0, "1b4dddf4"), (1.3, "590d768e"), (1.5, "bd1a6aa8"), (2.0, "8c0b7f2d")):
        file = f"rexnetv1_{round(100 * alpha)}-{start}.pth"
        page = "https://github.com/rwightman/pytorch-image-models/releases/tag/v0.1-rexnet"
        record = _timm("", "ReXNet", alpha, "MIT", 1000, 224, published[alpha], _AUTHORS, False)
        yield record._replace(
            name=f"timm/{file.removesuffix('.pth')}",
            urls=(f"{page.replace('/tag/', '/download/')}/{file}",),
            file=file,
            format="pth",
            digest=f"sha256:{start}",
            page=page,
        )
    by_path = {
        "ReXNet": {
            1.0: "1xeIJ3wb83uOowU008ykYj6wDX2dsncA9",
            1.3: "1x2ziK9Oyv66Y9NsxJxXsdjzpQF2uSJj0",
            1.5: "1TOBGsbDhTHWBgqcRnyKIR0tHsJTOPUIG",
            2.0: "1R1aOTKIe1Mvck86NanqcjWnlR8DY-Z4C",
            3.0: "1iXAsr8gs3pRz0QyHKomdj5SGVzPWbIs2",
        },
        "ReXNetLite": {
            1.0: "1d9G4pLwZwkoDR2TRPCQlxiWiuC7R-Oqf",
            1.3: "1NsbsdI8qAHG6HdMxmySXcrl9NdEx3s0L",
            1.5: "12QzIh9A-U0PBGaLNOIr4gX2MoZEBnRjk",
            2.0: "1pGdG9HWnqSAu1FajmaMJMK5JyOJaiFyW",
        },
    }
    lite = {1.0: 76.2, 1.3: 77.8, 1.5: 78.6, 2.0: 80.2}
    for builder, drive in by_path.items():
        for alpha, identifier in drive.items():
            stem = "rexnetv1" if builder == "ReXNet" else "rexnet_lite"
            top1 = (published if builder == "ReXNet" else lite)[alpha]
            record = _timm("", builder, alpha, "MIT", 1000, 224, top1, _AUTHORS, False)
            yield record._replace(
                name=f"clovaai/{stem}_{alpha}",
                urls=(),
                file=f"{stem}_{alpha}.pth",
                format="pth",
                licence="MIT (the repository's)",
                page=f"https://drive.google.com/file/d/{identifier}",
                unverified=("reachable", "file", "size", "digest", "layout"),
            )


class _Release(NamedTuple):
    """A file of github.com/osmr/imgclsmob, whose name tells the top-5 error and the SHA-1 of what is in the zip."""

    model: str
    arguments: dict
    tag: str
    top5_error: str  # in hundredths of a percent
    sha1: str
    top1_error: float | None


_TF2CV = tuple(
    _Release(model, arguments, "v0.0.422", top5_error, sha1, top1_error)
    for model, arguments, top5_error, sha1, top1_error in (
        ("g1_wd4", {"groups": 1, "alpha": 0.25}, "3681", "04a9e2d4ada22b3d317e2fc8b7d4ec11865c414f", 62.05),
        ("g3_wd4", {"alpha": 0.25}, "3618", "c9aad0f08d129726bbc19219c9773b38cf38825e", 61.31),
        ("g1_wd2", {"groups": 1, "alpha": 0.5}, "2236", "082db702c422d8bce12d4d79228de56f088a420d", 46.25),
        ("g3_wd2", {"alpha": 0.5}, "2059", "e3aefeeb36c20e325d0c7fe46afc60484167609d", 43.84),
        ("g1_w3d4", {"groups": 1, "alpha": 0.75}, "1679", "a1cc5da3a288299a33353f697ed0297328dc3e95", 39.24),
        ("g3_w3d4", {"alpha": 0.75}, "1611", "89546a05f499f0fdf96dade0f3db430f92c5920d", 37.80),
        ("g1_w1", {"groups": 1}, "1348", "52ddb20fd7ff288ae30a17757efda4653c09d5ca", 34.48),
        ("g2_w1", {"groups": 2}, "1333", "2a8ba6928e6fac05a5fe8911a9a175268eb18382", 33.95),
        ("g3_w1", {}, "1326", "daaec8b84572023c1352e11830d296724123408e", 33.93),
        ("g4_w1", {"groups": 4}, "1313", "35dbd6b9fb8bc3e97367ea210abbd61da407f226", 33.88),
        ("g8_w1", {"groups": 8}, "1322", "449fb27659101a2cf0a87c90e33f4632d1c5e9f2", 33.71),
    )
)
_PYTORCHCV = (
    _Release("g1_wd4", _TF2CV[0].arguments, "v0.0.134", "3729", "47dbd0f279da6d3056079bb79ad39cabbb3b9415", 62.44),
    _Release("g3_wd4", _TF2CV[1].arguments, "v0.0.135", "3653", "6abdd65e087e71f80345415cdf7ada6ed2762d60", 61.74),
    _Release("g1_wd2", _TF2CV[2].arguments, "v0.0.174", "2261", "dae4bdadd7d48bee791dff2a08cd697cff0e9320", 46.59),
    _Release("g3_wd2", _TF2CV[3].arguments, "v0.0.167", "2080", "ccaacfc8d9ac112c6143269df6e258fd55b662a7", 44.16),
    _Release("g1_w3d4", _TF2CV[4].arguments, "v0.0.218", "1711", "161cd24aa0b2e2afadafa69b44a28af222f2ec7a", 39.58),
    _Release("g3_w3d4", _TF2CV[5].arguments, "v0.0.219", "1650", "3f3b0aef0ce3174c78ff42cf6910c6e34540fc41", 38.20),
    _Release("g1_w1", _TF2CV[6].arguments, "v0.0.223", "1389", "4cfb65a30761fe548e0b5afbb5d89793ec41e4e9", 34.93),
    _Release("g2_w1", _TF2CV[7].arguments, "v0.0.241", "1363", "07256203e217a7b31f1c69a5bd38a6674bce75bc", 34.25),
    _Release("g3_w1", _TF2CV[8].arguments, "v0.0.244", "1348", "ce54f64ecff87556a4303380f46abaaf649eb308", 34.39),
    _Release("g4_w1", _TF2CV[9].arguments, "v0.0.245", "1335", "e2415f8270a4b6cbfe7dc97044d497edbc898577", 34.19),
    _Release("g8_w1", _TF2CV[10].arguments, "v0.0.250", "1342", "9a979b365424addba75c559a61a77ac7154b26eb", 34.06),
)
# Of the ShuffleNets V2 only these have the paper's widths; "b" keeps the input in strided units, as the paper does.
_TF2CV_V2 = (
    _Release("v2b_wd2", {"alpha": 0.5}, "v0.0.422", "1784", "d5644a6ab8fcb6ff04f30a2eb862ebd2de92b94c", None),
    _Release("v2b_w1", {}, "v0.0.422", "1104", "b7db0ca041e996ee76fec7f126dc39c4e5120e82", None),
)


def _imgclsmob(release, collection, builder, imagenet=False):
    ending = {"tf2cv": "tf2.h5", "pytorchcv": "pth"}[collection]
    model = f"shufflenet{release.model}" if release.model.startswith("v2") else f"shufflenet_{release.model}"
    file = f"{model}-{release.top5_error}-{release.sha1[:8]}.{ending}.zip"
    return WeightRecord(
        name=f"{collection}/{model}",
        builder=builder,
        arguments=release.arguments,
        urls=(f"https://github.com/osmr/imgclsmob/releases/download/{release.tag}/{file}",),
        file=file,
        format="h5 in zip" if collection == "tf2cv" else "pth in zip",
        size=None,
        digest=f"sha1:{release.sha1}",
        licence="MIT",
        classes=1000,
        input_size=224,
        preprocessing=IMAGENET,
        top1=None if release.top1_error is None else round(100 - release.top1_error, 2),
        top1_source=None if release.top1_error is None else f"{collection}'s README",
        page="https://github.com/osmr/imgclsmob",
        imagenet=imagenet,
        unverified=("reachable", "size", "layout"),
    )


def _megvii(builder, arguments, stem, top1_error):
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


def _torchvision(alpha, file, megabytes, top1):
    return WeightRecord(
        name=f"torchvision/{file.rsplit('-', 1)[0]}",
        builder="ShuffleNetV2",
        arguments=identity({"alpha": alpha}),
        urls=(f"https://download.pytorch.org/models/{file}",),
        file=file,
        format="pth",
        size=None,
        digest=f"sha256:{file.rsplit('-', 1)[1].removesuffix('.pth')}",
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


def _shufflenet():
    yield from (_imgclsmob(release, "tf2cv", "ShuffleNet", imagenet=True) for release in _TF2CV)
    yield from (_imgclsmob(release, "pytorchcv", "ShuffleNet") for release in _PYTORCHCV)
    file = "shufflenet_v1_batch1024_imagenet_20200804-5d6cec73.pth"
    yield _megvii("ShuffleNet", {}, "", 31.87)._replace(
        name="mmpretrain/shufflenet_v1_1x",
        urls=(f"https://download.openmmlab.com/mmclassification/v0/shufflenet_v1/{file}",),
        file=file,
        digest="sha256:5d6cec73",
        licence="Apache-2.0",
        preprocessing=IMAGENET,
        top1=68.13,
        top1_source="mmpretrain's model zoo",
        page="https://github.com/open-mmlab/mmpretrain/tree/main/configs/shufflenet_v1",
        unverified=("reachable", "size", "layout", "licence", "preprocessing"),
    )
    errors = {0.5: (42.7, 41.2), 1.0: (32.2, 32.0), 1.5: (28.4, 29.0), 2.0: (25.9, 27.1)}
    for alpha, pair in errors.items():
        for groups, error in zip((3, 8), pair, strict=True):
            arguments = identity({"groups": groups, "alpha": alpha})
            yield _megvii("ShuffleNet", arguments, f"shufflenet_g{groups}_{alpha}x", error)


def _shufflenet_v2():
    yield _torchvision(0.5, "shufflenetv2_x0.5-f707e7126e.pth", 5.282, 60.552)
    yield _torchvision(1.0, "shufflenetv2_x1-5666bf0f80.pth", 8.791, 69.362)
    yield _torchvision(1.5, "shufflenetv2_x1_5-3c479a10.pth", 13.557, 72.996)
    yield _torchvision(2.0, "shufflenetv2_x2_0-8be3c8ee.pth", 28.433, 76.23)
    yield from (_imgclsmob(release, "tf2cv", "ShuffleNetV2") for release in _TF2CV_V2)
    for alpha, error in ((0.5, 38.9), (1.0, 30.6), (1.5, 27.4), (2.0, 25.0)):
        yield _megvii("ShuffleNetV2", identity({"alpha": alpha}), f"shufflenet_v2_{alpha}x", error)


RECORDS = (*_micronet(), *_rexnet(), *_shufflenet(), *_shufflenet_v2(), *keras_sources.RECORDS, *shipped.records())
