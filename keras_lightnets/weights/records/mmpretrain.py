"""The record of ShuffleNet in mmpretrain."""

from keras_lightnets.weights.records.record import IMAGENET, WeightRecord

_FILE = "shufflenet_v1_batch1024_imagenet_20200804-5d6cec73.pth"

RECORDS = (
    WeightRecord(
        name="mmpretrain/shufflenet_v1_1x",
        builder="ShuffleNet",
        arguments={},
        urls=(f"https://download.openmmlab.com/mmclassification/v0/shufflenet_v1/{_FILE}",),
        file=_FILE,
        format="pth",
        size=None,
        digest="sha256:5d6cec73",
        licence="Apache-2.0",
        classes=1000,
        input_size=224,
        preprocessing=IMAGENET,
        top1=68.13,
        top1_source="mmpretrain's model zoo",
        page="https://github.com/open-mmlab/mmpretrain/tree/main/configs/shufflenet_v1",
        unverified=("reachable", "size", "layout", "licence", "preprocessing"),
    ),
)
