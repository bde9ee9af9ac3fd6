"""The records of ShuffleNet V1 and V2 in github.com/osmr/imgclsmob, for tf2cv and pytorchcv."""

from typing import NamedTuple

from keras_lightnets.weights.records.record import IMAGENET, WeightRecord


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
# Of the ShuffleNets V2 only these have the paper's widths. "b" keeps the input in strided units, as the paper does.
_TF2CV_V2 = (
    _Release("v2b_wd2", {"alpha": 0.5}, "v0.0.422", "1784", "d5644a6ab8fcb6ff04f30a2eb862ebd2de92b94c", None),
    _Release("v2b_w1", {}, "v0.0.422", "1104", "b7db0ca041e996ee76fec7f126dc39c4e5120e82", None),
)


def _record(release, collection, builder, imagenet=False):
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


RECORDS = (
    *(_record(release, "tf2cv", "ShuffleNet", imagenet=True) for release in _TF2CV),
    *(_record(release, "pytorchcv", "ShuffleNet") for release in _PYTORCHCV),
    *(_record(release, "tf2cv", "ShuffleNetV2") for release in _TF2CV_V2),
)
