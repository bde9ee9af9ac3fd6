"""Where annotations lie, as tools and data sets leave them: which files are of which part."""

import numpy as np
import pytest
from PIL import Image

from keras_lightnets.data.annotations import cityscapes, coco, masks, open_annotated, targets, voc, yolo
from keras_lightnets.errors import UserError
from tests.annotated import scenes, write_masks

JSON = '{"images": [], "annotations": [], "categories": []}'
XML = "<annotation></annotation>"
# Format, files with their content, and what is found: a file or a pair of folders for each part.
LAYOUTS = {
    "COCO's packages": (
        coco,
        {
            **{
                f"annotations/{kind}_{part}2017.json": JSON
                for kind in ("instances", "captions")
                for part in ("train", "val")
            },
            "annotations/image_info_test-dev2017.json": JSON,
            "train2017/1.jpg": "",
        },
        {"train": "annotations/instances_train2017.json", "validation": "annotations/instances_val2017.json"},
    ),
    "one COCO file": (coco, {"labels.json": JSON, "package.json": "{}", "images/1.jpg": ""}, {"train": "labels.json"}),
    "Roboflow's COCO": (
        coco,
        {f"{part}/_annotations.coco.json": JSON for part in ("train", "valid", "test")},
        {
            "train": "train/_annotations.coco.json",
            "validation": "valid/_annotations.coco.json",
            "test": "test/_annotations.coco.json",
        },
    ),
    "MediaPipe's COCO": (
        coco,
        {f"{part}/labels.json": JSON for part in ("train", "validation")},
        {"train": "train/labels.json", "validation": "validation/labels.json"},
    ),
    "VOC's packages": (
        voc,
        {"JPEGImages/1.jpg": "", "Annotations/1.xml": XML, "SegmentationClass/1.png": ""},
        {"train": ("JPEGImages", "Annotations")},
    ),
    "MediaPipe's VOC": (
        voc,
        {f"{part}/{name}": XML for part in ("train", "test") for name in ("images/1.jpg", "Annotations/1.xml")},
        {"train": ("train/images", "train/Annotations"), "test": ("test/images", "test/Annotations")},
    ),
    "Roboflow's VOC": (
        voc,
        {f"{part}/{name}": XML for part in ("train", "valid") for name in ("1.jpg", "1.xml")},
        {"train": ("train", "train"), "validation": ("valid", "valid")},
    ),
    "LabelImg's VOC": (voc, {"1.jpg": "", "1.xml": XML}, {"train": (".", ".")}),
    "Ultralytics' YOLO": (
        yolo,
        {f"{kind}/{part}/1.txt": "" for kind in ("images", "labels") for part in ("train2017", "val2017")},
        {"train": ("images/train2017", "labels/train2017"), "validation": ("images/val2017", "labels/val2017")},
    ),
    "Roboflow's YOLO": (
        yolo,
        {f"{part}/{kind}/1.txt": "" for kind in ("images", "labels") for part in ("train", "valid")},
        {"train": ("train/images", "train/labels"), "validation": ("valid/images", "valid/labels")},
    ),
    "YOLO without parts": (yolo, {"images/a/1.jpg": "", "labels/a/1.txt": ""}, {"train": ("images", "labels")}),
    "masks": (masks, {"images/1.jpg": "", "masks/1.png": ""}, {"train": ("images", "masks")}),
    "VOC's masks": (
        masks,
        {"JPEGImages/1.jpg": "", "SegmentationClass/1.png": ""},
        {"train": ("JPEGImages", "SegmentationClass")},
    ),
    "Cityscapes": (
        cityscapes,
        {f"{kind}/{part}/bonn/1.png": "" for kind in ("leftImg8bit", "gtFine") for part in ("train", "val", "test")},
        {"train": ("leftImg8bit/train", "gtFine/train"), "validation": ("leftImg8bit/val", "gtFine/val")},
    ),
}


def _write(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name, tmp_path):
    kind, files, expected = LAYOUTS[name]
    _write(tmp_path, files)
    found = kind.find(tmp_path)
    shown = {
        part: str(place.relative_to(tmp_path))
        if kind is coco
        else tuple(str(folder.relative_to(tmp_path)) for folder in place)
        for part, place in found.items()
    }
    assert shown == expected
    others = {coco, voc, yolo} if kind in (coco, voc, yolo) else {masks, cityscapes}
    assert not any(other.find(tmp_path) for other in others - {kind})


def test_two_files_of_one_part(tmp_path):
    _write(tmp_path, {"train.json": JSON, "annotations/train_1.json": JSON})
    with pytest.raises(UserError, match="train.json and .*train_1.json are both for train"):
        coco.find(tmp_path)


def test_cityscapes(tmp_path):
    stripes = np.tile(np.arange(20, dtype="uint8"), (8, 1))
    stripes[stripes == 19] = 255
    for part in ("train", "val"):
        for number in range(4):
            name = f"{part}/bonn/bonn_{number:06d}"
            for kind, ending, pixels in (
                ("leftImg8bit", "leftImg8bit", np.zeros((8, 20, 3), "uint8")),
                ("gtFine", "gtFine_labelTrainIds", stripes),
                ("gtFine", "gtFine_labelIds", stripes + 1),
            ):
                path = tmp_path / kind / f"{name}_{ending}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    data = open_annotated(tmp_path, "segment", 0, 0.25)
    assert len(data.classes) == 19 and data.classes[13] == "car"
    assert {part: split.count for part, split in data.splits.items()} == {"train": 3, "validation": 1, "test": 4}
    np.testing.assert_array_equal(next(targets(data.splits["test"])), stripes)
    path.with_name(path.name.replace("labelIds", "labelTrainIds")).unlink()
    with pytest.raises(UserError, match="labelTrainIds.png does not exist. Run createTrainIdLabelImgs.py"):
        open_annotated(tmp_path, "segment", 0, 0.25)


def test_lists_of_voc_choose_the_masks(tmp_path):
    folder = write_masks(tmp_path / "voc", {"": scenes(12)})
    (folder / "images").rename(folder / "JPEGImages")
    (folder / "masks").rename(folder / "SegmentationClass")
    for part, numbers in {"train": range(8), "val": range(8, 10)}.items():
        path = folder / "ImageSets" / "Segmentation" / f"{part}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{number:03d}\n" for number in numbers))
    data = open_annotated(folder, "segment", 0, 0.0)
    assert {part: split.count for part, split in data.splits.items()} == {"train": 8, "validation": 2, "test": 2}
