"""Annotated images: their formats, batches decided by seed and step whose boxes and masks stay on the objects."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_lightnets.data.annotations import evaluation_batches, open_annotated, targets, training_batches
from keras_lightnets.data.decoding import decode_annotated
from keras_lightnets.data.pipeline import Evaluation
from keras_lightnets.errors import UserError
from keras_lightnets.training.config import make_config
from tests.annotated import CLASSES, scenes, write_coco, write_masks, write_voc, write_yolo

WRITERS = {
    "coco": ("detect", write_coco),
    "voc": ("detect", write_voc),
    "yolo": ("detect", write_yolo),
    "masks": ("segment", write_masks),
}
DETECT = [name for name, (task, _) in WRITERS.items() if task == "detect"]
# The networks of this family take pixels from -1 to 1.
SETTINGS = {"model": "MobileNet-alpha=0.25", "size": 48, "batch_size": 8, "crop_area": 0.3}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder of each format with the same photos."""
    root = tmp_path_factory.mktemp("annotated")
    parts = {"train": scenes(24), "val": scenes(6, 100), "test": scenes(7, 200)}
    return {name: write(root / name, parts) for name, (_, write) in WRITERS.items()}


def _batches(folder, task, count, split="train", settings=(), **kwargs):
    config = make_config({**SETTINGS, **dict(settings)})
    source = open_annotated(folder, task, 0, 0.0).splits[split]
    return list(training_batches(source, task, config, **kwargs).take(count).as_numpy_iterator())


def _colours(images):
    """Returns the class of every pixel that has the colour of an object, else -1."""
    bright = (images > 0.2) & (images.sum(-1, keepdims=True) < 0.5)
    return np.where(bright.any(-1), images.argmax(-1), -1)


@pytest.mark.parametrize("name", DETECT)
def test_every_format_gives_the_same_boxes(name, folders):
    data = open_annotated(folders[name], "detect", 0, 0.0)
    assert set(data.classes) == set(CLASSES)
    assert {part: split.count for part, split in data.splits.items()} == {"train": 24, "validation": 6, "test": 7}
    for found, scene in zip(targets(data.splits["test"]), scenes(7, 200), strict=True):
        assert [data.classes[label] for label in found["labels"]] == [CLASSES[label] for label in scene.labels]
        np.testing.assert_allclose(found["boxes"], np.array(scene.boxes) / (48, 64, 48, 64), atol=1e-6)
        assert found["size"].tolist() == [48, 64] and not found["ignored"].any()
    counts = data.contents["test"]
    assert counts.images == 7 and sum(counts.objects) == sum(len(scene.labels) for scene in scenes(7, 200))


@pytest.mark.parametrize("name", ["yolo", "masks"])
def test_batches_are_decided_by_seed_and_step(name, folders):
    task = WRITERS[name][0]
    first, again = (_batches(folders[name], task, 6 - step, first_step=step) for step in (0, 5))
    tf.nest.map_structure(np.testing.assert_array_equal, first[5], again[0])
    other = _batches(folders[name], task, 1, settings={"seed": 1})
    assert np.abs(first[0][0] - other[0][0]).max() > 0.5
    parts = [_batches(folders[name], task, 1, pipelines=2, pipeline=worker, batch_size=4) for worker in (0, 1)]
    for worker, part in enumerate(parts):
        np.testing.assert_array_equal(first[0][0][worker::2], part[0][0])


def test_boxes_stay_on_their_objects(folders):
    seen = 0
    for images, truth in _batches(folders["yolo"], "detect", 9):
        assert truth["boxes"].shape == (8, 16, 4) and truth["labels"].shape == (8, 16)
        padding = truth["labels"] < 0
        assert (truth["boxes"][padding] == 0).all()
        for colours, boxes, labels in zip(_colours(images), truth["boxes"], truth["labels"], strict=True):
            for box, label in zip(boxes[labels >= 0], labels[labels >= 0], strict=True):
                assert (box >= 0).all() and (box <= 1).all() and (box[2:] > box[:2]).all()
                top, left, bottom, right = np.round(box * 48).astype(int)
                inside = colours[top + 1 : bottom - 1, left + 1 : right - 1]
                assert (inside == label).mean() > 0.95 or not inside.size
                # Just beyond the edges there is another colour.
                around = colours[max(top - 2, 0) : bottom + 2, max(left - 2, 0) : right + 2]
                assert (around == label).sum() <= (bottom - top + 1.5) * (right - left + 1.5)
                seen += 1
    assert seen > 60


def test_masks_stay_on_their_objects(folders):
    for images, masks in _batches(folders["masks"], "segment", 9):
        assert masks.dtype == np.int32 and masks.shape == (8, 48, 48)
        # But for the pixels at the edges, which are mixed.
        assert (_colours(images) + 1 == masks).mean() > 0.95
        assert set(np.unique(masks)) <= {0, 1, 2, 3}


@pytest.mark.parametrize("name", ["yolo", "masks"])
def test_evaluation_sees_every_image_once_and_whole(name, folders):
    task = WRITERS[name][0]
    source = open_annotated(folders[name], task, 0, 0.0).splits["test"]
    how = Evaluation(48, 0.5, make_config(SETTINGS).record.preprocessing, 4)
    (first, second) = evaluation_batches(source, task, how).as_numpy_iterator()
    if task == "segment":
        assert (second[1][3] == 255).all() and (second[1][:3] != 255).all()
        assert (_colours(first[0]) + 1 == first[1]).mean() > 0.95
    else:
        assert (second[1]["labels"][3] == -1).all()
        real = first[1]["labels"][0] >= 0
        np.testing.assert_array_equal(first[1]["boxes"][0][real], next(targets(source))["boxes"])


@pytest.mark.parametrize("name", ["yolo", "masks"])
def test_photos_that_are_decoded_once_are_the_same(name, folders):
    task, config = WRITERS[name][0], make_config(SETTINGS)
    files = open_annotated(folders[name], task, 0, 0.0).splits
    pixels = decode_annotated(files, 48, lambda: None)
    own, others = (
        next(evaluation_batches(splits["test"], task, config.evaluation).as_numpy_iterator())
        for splits in (files, pixels)
    )
    tf.nest.map_structure(np.testing.assert_array_equal, own, others)
    (images, own), (others, same) = (
        next(training_batches(splits["train"], task, config).as_numpy_iterator()) for splits in (files, pixels)
    )
    tf.nest.map_structure(np.testing.assert_array_equal, own, same)
    # Pixels go from -1 to 1.
    assert 0 < np.abs(images - others).mean() < 0.1


def test_settings_of_classifiers_are_refused(folders):
    with pytest.raises(UserError, match="mixup=0.2 is for classifiers: set it to 0 to detect"):
        _batches(folders["yolo"], "detect", 1, settings={"mixup": 0.2})


def test_the_split_leaves_every_class_to_learn(tmp_path):
    folder = write_yolo(tmp_path / "photos", {"": scenes(20)})
    (folder / "classes.txt").write_text("red\ngreen\nblue\nrare\n")
    with open(folder / "labels" / "003.txt", "a") as file:
        file.write("3 0.5 0.9 0.1 0.1\n")
    for seed in range(20):
        data = open_annotated(folder, "detect", seed, 0.1)
        assert [data.splits[part].count for part in ("train", "validation", "test")] == [16, 2, 2]
        assert data.contents["train"].objects[3] == 1
    first, again, other = (open_annotated(folder, "detect", seed, 0.1).identity for seed in (0, 0, 1))
    assert first == again != other


def test_photos_are_upright(tmp_path):
    folder = write_yolo(tmp_path / "photos", {"": scenes(12)})
    for path in (folder / "images").iterdir():
        with Image.open(path) as image:
            turned, exif = image.rotate(90, expand=True), Image.Exif()
        exif[0x0112] = 6
        turned.save(path, exif=exif, quality=95, subsampling=0)
    source = open_annotated(folder, "detect", 0, 0.0).splits["train"]
    assert {tuple(target["size"]) for target in targets(source)} == {(48, 64)}
