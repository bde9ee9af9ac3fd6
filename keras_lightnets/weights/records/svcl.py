"""The records of MicroNet: the files of its authors."""

from keras_lightnets.weights.records.record import IMAGENET, WeightRecord

# On 2021-08-28 all four links served the file of M3. Nobody states sizes or hashes.
_M3 = "md5:f514ad5f6d691793cfca029f31d87128"


def _record(number, top1):
    file = f"micronet-m{number}.pth"
    return WeightRecord(
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
        top1_source="authors' README",
        page="https://github.com/liyunsheng13/micronet",
        wrong_digest=_M3 if number < 3 else None,
    )


RECORDS = tuple(_record(number, top1) for number, top1 in enumerate((46.6, 51.4, 59.4, 62.5)))
