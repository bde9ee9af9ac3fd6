"""Where annotations lie, as tools and data sets leave them: which files are of which part."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_lightnets.data.annotations import cityscapes, coco, masks, open_annotated, targets, voc, yolo
from keras_lightnets.errors import UserError
from tests.annotated import scenes, write_masks, write_voc, write_yolo

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


NAMES = "names: [red, green, blue]\n"
FOLDERS = {"train": 8, "site_b": 4}
TWO_SITES = {"train": {"train"}, "test": {"site_b"}}
# Folders of images with their counts, the files beside them, and the folders of each part.
NAMED_PARTS = {
    "folders": (FOLDERS, {"data.yaml": "train: images/train\nval: images/site_b\n"}, TWO_SITES),
    "below path": (FOLDERS, {"data.yaml": "path: images\ntrain: [train]\nval: [site_b]\n"}, TWO_SITES),
    "path of another machine": (
        FOLDERS,
        {"data.yaml": "path: /none\ntrain: ../images/train\nval: ../images/site_b\n"},
        TWO_SITES,
    ),
    "lists": (
        FOLDERS,
        {
            "data.yaml": "train: lists/a.txt\nval: lists/b.txt\n",
            "lists/a.txt": "".join(f"images/train/{number:03d}.jpg\n" for number in range(8)),
            "lists/b.txt": "".join(f"./../images/site_b/{number:03d}.jpg\n" for number in range(3)),
        },
        TWO_SITES,
    ),
    "beside classes.txt": (
        FOLDERS,
        {"data.yaml": "train: images/train\nval: images/site_b\n", "classes.txt": "red\ngreen\nblue\n"},
        TWO_SITES,
    ),
    "folders that say the same": (
        {"train": 8, "val": 4},
        {"data.yaml": "train: /none/train/images\nval: ../val/images\ntest: ../test/images\n"},
        {"train": {"train"}, "test": {"val"}},
    ),
    "a part that the file leaves out": (
        {"train": 8, "val": 4, "test": 4},
        {"data.yaml": "train: images/train\nval: images/val\n"},
        {"train": {"train"}, "validation": {"val"}, "test": {"test"}},
    ),
}


@pytest.mark.parametrize("name", NAMED_PARTS)
def test_parts_that_a_yaml_file_names(name, tmp_path):
    folders, files, expected = NAMED_PARTS[name]
    folder = write_yolo(tmp_path, {part: scenes(count) for part, count in folders.items()})
    (folder / "classes.txt").unlink()
    _write(folder, {**files, "data.yaml": NAMES + files["data.yaml"]})
    data = open_annotated(folder, "detect", 0, 0.0)
    keys = {part: [key.numpy().decode() for key, _ in split.ordered(None)] for part, split in data.splits.items()}
    found = {part: {Path(key).parent.name for key in keys[part]} for part in expected}
    assert found == expected
    assert sum(data.left_out.values()) == (name == "lists")


WRONG_PARTS = {
    "site_c for validation has no images beside labels": "train: images/train\nval: images/site_c\n",
    "validation is 3, no folder or list": "train: images/train\nval: 3\n",
    "is named for training and for test": "train: images\nval: images/site_b\n",
    "holds no annotated images for train": "val: images/site_b\n",
    "a.txt lists x.jpg, but no such image is beside labels": "train: images/train\nval: a.txt\n",
    "b.txt for test has no images": "train: images/train\ntest: b.txt\n",
}


@pytest.mark.parametrize("message", WRONG_PARTS)
def test_parts_that_are_not_there(message, tmp_path):
    folder = write_yolo(tmp_path, {part: scenes(count) for part, count in FOLDERS.items()})
    _write(folder, {"data.yaml": NAMES + WRONG_PARTS[message], "a.txt": "x.jpg\n", "b.txt": "\n"})
    with pytest.raises(UserError, match=message) as caught:
        open_annotated(folder, "detect", 0, 0.0)
    assert "\n" not in str(caught.value)


def test_lists_of_voc_do_not_overlap(tmp_path):
    folder = write_voc(tmp_path, {"": scenes(12)})
    lists = folder / "ImageSets" / "Main"
    (lists / "val.txt").write_text("".join(f"{number:03d}\n" for number in range(8, 12)))
    data = open_annotated(folder, "detect", 0, 0.0)
    assert {part: split.count for part, split in data.splits.items()} == {"train": 8, "validation": 4, "test": 4}
    (lists / "test.txt").write_text("003\n")
    with pytest.raises(UserError, match="003.jpg is named for training and for test. Leave it in one of them"):
        open_annotated(folder, "detect", 0, 0.0)


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
