"""Annotations as people have them: what is kept, and what is refused in one line that names file and object."""

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from keras_lightnets.data.annotations import open_annotated, targets, training_batches
from keras_lightnets.detection.loss import UNCLEAR
from keras_lightnets.errors import UserError
from keras_lightnets.training.config import make_config
from tests.annotated import CLASSES, scenes, write_coco, write_masks, write_voc, write_yolo

WRITERS = {"coco": write_coco, "voc": write_voc, "yolo": write_yolo, "masks": write_masks}


@pytest.fixture(scope="module")
def photos():
    return scenes(12)


def _write(name, folder, photos):
    return WRITERS[name](folder / name, {"": photos})


def _open(name, folder, **kwargs):
    return open_annotated(folder, "segment" if name == "masks" else "detect", 0, 0.1, **kwargs)


def _json(change):
    def spoil(folder):
        path = folder / "annotations" / "instances_train2017.json"
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return spoil


def _crowds(coco):
    for one in coco["annotations"]:
        one["iscrowd"] = int(one["category_id"] == 1)


def _without_train(folder):
    path = folder / "annotations" / COCO
    content = json.loads(path.read_text())
    content["categories"][0]["name"] = "pink"
    path.with_name("instances_test2017.json").write_text(json.dumps(content))
    path.rename(path.with_name("instances_val2017.json"))


def _roboflow(coco):
    for one in coco["categories"]:
        one["supercategory"] = "colours"
    coco["categories"].insert(0, {"id": 0, "name": "colours", "supercategory": "none"})


def _box(*bbox, **values):
    return _json(lambda content: content["annotations"][2].update(bbox=list(bbox), **values))


def _text(name, old, new):
    def spoil(folder):
        path = folder / name
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new, 1))

    return spoil


def _xml(old, new):
    return _text("Annotations/002.xml", old, new)


def _file(name, content=""):
    return lambda folder: (folder / name).write_text(content)


def _line(line):
    return _file("labels/002.txt", "1 0.5 0.5 0.1 0.1\n" + line)


def _yaml(text):
    return lambda folder: (folder / "classes.txt").rename(folder / "data.yaml").write_text(text)


def _rename(path, ending):
    path.rename(path.with_suffix(ending))


def _rewrite(path, change):
    with Image.open(path) as image:
        changed = Image.fromarray(change(np.array(image)))
    changed.save(path)


def _mask(change):
    return lambda folder: _rewrite(folder / "masks" / "002.png", change)


def _set(value):
    def change(mask):
        mask[7, 9] = value
        return mask

    return change


COCO, VOC, YOLO = "instances_train2017.json", "002.xml, object 1", "labels/002.txt, line 2"
BOMB = '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><annotation>'
REFUSALS = [
    ("coco", _box(60, 2, 10, 10), COCO + ", object 2 of .*.jpg: the box from x=60, .* x=70, .* is not inside .* 64x48"),
    ("coco", _box(9, 2, -3, 4), "object 2 of .* is empty or inverted"),
    ("coco", _box(9, 2, 0, 4), "object 2 of .* is empty or inverted"),
    ("coco", _box(9, 2, 1e-9, 4), "object 2 of .* is empty inside 00.*.jpg, 64x48 pixels"),
    ("coco", _box(9, 2, 4, 4, area=1e300), "object 2 of .* has an area of 1e\\+300"),
    ("coco", _box(9, 2, 1e400, 4), "is damaged or cannot be read .*it holds Infinity"),
    ("coco", _box(9, 2, 10**400, 4), "object 2 of .* has no bbox of four numbers"),
    ("coco", _box(9, 2, 4), "object 2 of .* has no bbox of four numbers"),
    ("coco", _box(9, 2, 4, "nan"), "object 2 of .* holds numbers that are not finite"),
    ("coco", _box(9, 2, 4, 4, area=-1), "object 2 of .* has an area of -1"),
    ("coco", _box(9, 2, 4, 4, category_id=5), "object 2 of .* has category 5, which nobody named"),
    ("coco", _box(9, 2, 4, 4, image_id=99), "annotation 2 has no image: there is none of id 99"),
    (
        "coco",
        _json(lambda coco: coco["images"][3].update(file_name="x.jpg")),
        "annotations of x.jpg, but there is no such",
    ),
    ("coco", _json(lambda coco: coco["images"][3].update(file_name="001.jpg")), "two entries of the image 001.jpg"),
    (
        "coco",
        _json(lambda coco: coco["images"][3].update(width=48, height=64)),
        "003.jpg has 48x64 pixels; upright .* 64x48",
    ),
    (
        "coco",
        _json(lambda coco: coco["images"][3].update(width="wide")),
        f"{COCO} has no numbers as width and height of 003.jpg: 'wide' and 48",
    ),
    ("coco", _json(lambda coco: coco["images"][3].update(width="48")), "003.jpg has 48x48 pixels; upright .* 64x48"),
    ("coco", _json(lambda coco: coco["images"][3].update(id=1)), "has two images of id 1: 001.jpg, 003.jpg"),
    (
        "coco",
        _json(lambda coco: coco["images"][3].pop("file_name")),
        "image 3 has no 'file_name' that can be read: None",
    ),
    (
        "coco",
        _json(lambda coco: coco["categories"].append({"id": 2, "name": "x"})),
        "no training image .* of class 'x'",
    ),
    ("coco", _json(lambda coco: coco["categories"][1].update(name="red")), "names two classes 'red'"),
    ("coco", _json(lambda coco: coco["categories"][1].update(id=1)), "two categories of the same id"),
    ("coco", _without_train, "val2017.json has a class 'red' that .*test2017.json lacks"),
    ("coco", _json(_crowds), "no training image with an object of class 'red'"),
    ("coco", _json(lambda coco: coco.pop("images")), "has no list 'images': it is no COCO file"),
    ("coco", _text(f"annotations/{COCO}", "}", ""), f"{COCO} is damaged or cannot be read \\(JSONDecodeError"),
    ("coco", _file(f"annotations/{COCO}", "[" * 100000), f"{COCO} is damaged or cannot be read"),
    ("voc", _xml("<xmin>", "<xmin>9"), f"{VOC} .*: the box .* is empty or inverted"),
    ("voc", _xml("<ymax>", "<ymax>9"), f"{VOC} .*: the box .* is not inside 002.jpg"),
    ("voc", _xml("<xmin>", "<xmin>nan<x/>"), f"{VOC} .* not finite"),
    ("voc", _xml("<xmin>", "<xmin>a"), f"{VOC} .* has no number as bndbox/xmin: 'a"),
    ("voc", _xml("xmin>", "min>"), "002.xml is damaged or cannot be read .*mismatched tag"),
    ("voc", _xml("</annotation>", ""), "002.xml is damaged or cannot be read .*no element found"),
    ("voc", _xml("<annotation>", BOMB), "002.xml declares a document type"),
    ("voc", _xml("<width>64", "<width>48"), "002.xml says that 002.jpg has 48x48 pixels; upright it has 64x48"),
    *(
        ("voc", _xml("<width>64", f"<width>{number}"), f"002.xml has no numbers as width and height of .*: '{number}'")
        for number in ("nan", "inf", "1e999", "wide")
    ),
    ("voc", _file("labels.txt", "red\ngreen\n"), "of a class that nobody named: there are red, green"),
    ("voc", _file("Annotations/x.xml"), "x.xml has no image: there is none of its name in .*JPEGImages"),
    ("voc", _file("ImageSets/Main/test.txt", 5000 * "a"), "test.txt lists a{60}, but .* has no such image"),
    ("coco", _json(lambda coco: coco["images"][3].update(file_name=5000 * "a")), "annotations of a{80}, but there is"),
    ("voc", _file("ImageSets/Main/test.txt", "none\n"), "test.txt lists none, but .* has no such image"),
    ("yolo", _line("0 0.5 0.5 1.2 0.2"), f"{YOLO}: the box from x=-6.4, .* is not inside 002.jpg, 64x48 pixels"),
    ("yolo", _line("0 0.5 0.5 -0.1 0.2"), f"{YOLO}: .* is empty or inverted"),
    ("yolo", _line("0 0.5 0.5 0 0.2"), f"{YOLO}: .* is empty or inverted"),
    ("yolo", _line("0 0.5 nan 0.1 0.2"), f"{YOLO}: .* not finite"),
    ("yolo", _line("3 0.5 0.5 0.1 0.1"), f"{YOLO} has class 3, which nobody named: there are 3 names"),
    ("yolo", _line("0 0.1 0.1 0.2 0.1 0.2 0.2"), f"{YOLO} has 7 numbers; a box has 5"),
    ("yolo", _line("cat 0.5 0.5 0.1 0.1"), f"{YOLO} is no class and four numbers: cat 0.5"),
    (
        "yolo",
        lambda folder: (folder / "labels/002.txt").write_bytes(b"\xff\xfe"),
        "002.txt is damaged or cannot be read",
    ),
    ("yolo", _file("labels/x.txt"), "labels/x.txt has no image: there is none of its name in .*images"),
    ("yolo", _file("classes.txt", "red\ngreen\nblue\nrare\n"), "no training image with an object of class 'rare'"),
    ("yolo", _file("classes.txt", "red\n\nblue\n"), "classes.txt: the name of class 1, '', is no name"),
    ("yolo", _file("classes.txt"), "classes.txt names no classes"),
    ("yolo", lambda folder: (folder / "classes.txt").unlink(), "names no classes: write classes.txt there"),
    ("yolo", _file("images/002.png"), "002.(jpg|png) and .*002.(jpg|png) have the same name"),
    ("yolo", lambda folder: (folder / "images/002.jpg").write_bytes(b"no"), "002.jpg is not an image that can be read"),
    ("yolo", lambda folder: write_voc(folder, {"": scenes(2)}), "two formats, Pascal VOC xml .* and YOLO txt"),
    ("yolo", lambda folder: [p.unlink() for p in (folder / "labels").iterdir()], "no training image .* of class 'red'"),
    ("masks", _mask(lambda mask: mask[:40]), "002.png has 64x40 pixels, but 002.jpg has 64x48"),
    ("masks", _mask(_set(4)), "002.png has class 4 at x=9, y=7, which nobody named: there are 4 names"),
    (
        "masks",
        _mask(lambda mask: np.stack([mask] * 3, -1)),
        "002.png is damaged .*its pixels are RGB, not class numbers",
    ),
    ("masks", _mask(lambda mask: mask.astype("uint16")), "002.png is damaged .*its pixels are I;16, not class"),
    ("masks", lambda folder: (folder / "masks/002.png").write_bytes(b"no"), "002.png is damaged or cannot be read"),
    ("masks", _file("labels.txt", "background\nred\ngreen\nblue\nrare\n"), "no training image .* of class 'rare'"),
    ("masks", lambda folder: (folder / "masks/x.png").write_bytes(b""), "masks/x.png has no image"),
    (
        "masks",
        _file("labels.txt", "background\n"),
        "names one class only, 'background'. A segmenter needs at least two",
    ),
    ("masks", lambda folder: [_rename(p, ".jpg") for p in (folder / "masks").iterdir()], "masks holds no PNG files of"),
    (
        "masks",
        lambda folder: [_rewrite(p, lambda mask: np.uint8(255) * (mask > 0)) for p in (folder / "masks").iterdir()],
        "no training image .* of class 'red'.*: pixels of 255 do not count",
    ),
    ("yolo", _yaml("names: [red, no, blue]"), "data.yaml: the name of class 1, False, is no name"),
]


@pytest.mark.parametrize(("name", "spoil", "message"), REFUSALS)
def test_refusals(name, spoil, message, photos, tmp_path):
    folder = _write(name, tmp_path, photos)
    spoil(folder)
    with pytest.raises(UserError, match=message) as caught:
        _open(name, folder)
    assert "\n" not in str(caught.value)


WRONG_IN_ONE_IMAGE = [
    ("coco", _box(9, 2, 0, 4), "object 2"),
    ("voc", _xml("<xmin>", "<xmin>99"), "002.xml"),
    ("voc", _xml("<width>64", "<width>nan"), "002.xml"),
    ("yolo", _line("0 2 2 1 1"), "labels/002.txt"),
]


@pytest.mark.parametrize(("name", "spoil", "culprit"), WRONG_IN_ONE_IMAGE)
def test_images_with_wrong_annotations_are_skipped_if_asked(name, spoil, culprit, photos, tmp_path):
    folder = _write(name, tmp_path, photos)
    spoil(folder)
    data = _open(name, folder, skip_bad_images=True)
    assert len(data.bad) == 1 and culprit in data.bad[0]
    assert sum(split.count for split in data.splits.values()) == 11


def test_background_is_kept_and_counted(photos, tmp_path):
    folder = _write("yolo", tmp_path, photos)
    (folder / "labels" / "002.txt").unlink()
    (folder / "labels" / "003.txt").write_text("\n")
    (folder / "images" / "note.doc").touch()
    data = _open("yolo", folder)
    assert sum(contents.background for contents in data.contents.values()) == 2
    assert sum(contents.images for contents in data.contents.values()) == 12
    assert data.left_out == Counter({".doc": 1})


def test_sizes_may_be_text(photos, tmp_path):
    folder = _write("coco", tmp_path, photos)
    _json(lambda coco: [image.update(width="64", height="48.0") for image in coco["images"]])(folder)
    assert sum(contents.images for contents in _open("coco", folder).contents.values()) == 12


def test_objects_without_pixels_are_left_out(photos, tmp_path):
    folder = _write("coco", tmp_path, photos)
    _box(9, 2, 4, 0, area=0)(folder)
    counts = [sum(part.objects) for part in _open("coco", folder).contents.values()]
    assert sum(counts) == sum(len(scene.labels) for scene in photos) - 1


def test_what_is_only_above_the_classes_is_none(photos, tmp_path):
    folder = _write("coco", tmp_path, photos)
    _json(_roboflow)(folder)
    assert _open("coco", folder).classes == CLASSES


def test_crowds_and_difficult_objects_are_marked(photos, tmp_path):
    for name, spoil in (
        ("coco", _json(lambda coco: coco["annotations"][0].update(iscrowd=1, area=7.5))),
        ("voc", _text("Annotations/000.xml", "<difficult>0", "<difficult>1")),
    ):
        folder = _write(name, tmp_path, photos)
        spoil(folder)
        data = _open(name, folder)
        found = [target for split in data.splits.values() for target in targets(split)]
        assert sum(target["ignored"].sum() for target in found) == 1
        assert (
            sum(sum(part.objects) for part in data.contents.values()) == sum(len(scene.labels) for scene in photos) - 1
        )
        areas = np.concatenate([target["areas"] for target in found])
        assert (7.5 in areas) == (name == "coco")
        config = make_config({"model": "MicroNetM0", "size": 32, "batch_size": 10, "crop_area": 1.0})
        ((_, truth),) = training_batches(data.splits["train"], "detect", config).take(1).as_numpy_iterator()
        assert (truth["labels"] == UNCLEAR).sum() == 1


def test_pixels_that_do_not_count_and_images_without_a_mask(photos, tmp_path):
    folder = _write("masks", tmp_path, photos)
    _mask(_set(255))(folder)
    (folder / "masks" / "003.png").unlink()
    with Image.open(folder / "masks" / "004.png") as mask:
        palette = Image.fromarray(np.array(mask))
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.save(folder / "masks" / "004.png")
    data = _open("masks", folder)
    assert data.left_out == {"images without a mask": 1}
    masks = [mask for split in data.splits.values() for mask in targets(split)]
    assert len(masks) == 11 and sum((mask == 255).sum() for mask in masks) == 1
    assert {int(number) for mask in masks for number in np.unique(mask)} == {0, 1, 2, 3, 255}
