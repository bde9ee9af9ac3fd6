"""The records of ReXNet and ReXNet-lite: the files of their authors, on a drive without direct links."""

from keras_lightnets.weights.records.record import IMAGENET, WeightRecord, of_width

# Width, top-1, and the identifier of the file on the drive.
_REXNET = {
    1.0: (77.9, "1xeIJ3wb83uOowU008ykYj6wDX2dsncA9"),
    1.3: (79.5, "1x2ziK9Oyv66Y9NsxJxXsdjzpQF2uSJj0"),
    1.5: (80.3, "1TOBGsbDhTHWBgqcRnyKIR0tHsJTOPUIG"),
    2.0: (81.6, "1R1aOTKIe1Mvck86NanqcjWnlR8DY-Z4C"),
    3.0: (82.8, "1iXAsr8gs3pRz0QyHKomdj5SGVzPWbIs2"),
}
_LITE = {
    1.0: (76.2, "1d9G4pLwZwkoDR2TRPCQlxiWiuC7R-Oqf"),
    1.3: (77.8, "1NsbsdI8qAHG6HdMxmySXcrl9NdEx3s0L"),
    1.5: (78.6, "12QzIh9A-U0PBGaLNOIr4gX2MoZEBnRjk"),
    2.0: (80.2, "1pGdG9HWnqSAu1FajmaMJMK5JyOJaiFyW"),
}


def _record(builder, stem, alpha, top1, identifier):
    return WeightRecord(
        name=f"clovaai/{stem}_{alpha}",
        builder=builder,
        arguments=of_width(alpha),
        urls=(),
        file=f"{stem}_{alpha}.pth",
        format="pth",
        size=None,
        digest=None,
        licence="MIT (the repository's)",
        classes=1000,
        input_size=224,
        preprocessing=IMAGENET,
        top1=top1,
        top1_source="authors' README",
        page=f"https://drive.google.com/file/d/{identifier}",
        unverified=("reachable", "file", "size", "digest", "layout"),
    )


RECORDS = tuple(
    _record(builder, stem, alpha, *row)
    for builder, stem, rows in (("ReXNet", "rexnetv1", _REXNET), ("ReXNetLite", "rexnet_lite", _LITE))
    for alpha, row in rows.items()
)
