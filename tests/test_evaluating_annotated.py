"""Detectors and segmenters measured: figures, pictures of the worst images, and model files of both kinds."""

import contextlib
import io
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import keras_lightnets as kl
from keras_lightnets.cli.main import app
from keras_lightnets.data.annotations import open_annotated, targets
from keras_lightnets.data.pipeline import Evaluation
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation import detections, masks
from keras_lightnets.evaluation.evaluating import evaluate
from keras_lightnets.evaluation.opening import ModelFile
from keras_lightnets.export import to_tflite
from keras_lightnets.export.metadata import Metadata
from keras_lightnets.files import add_metadata
from keras_lightnets.preprocessing import RAW
from tests.annotated import CLASSES, Scene, scenes, write_coco, write_masks, write_yolo
from tools.seeded import seed_weights

HOW = Evaluation(48, 1.0, RAW, 4)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root, parts = tmp_path_factory.mktemp("scenes"), {"train": scenes(12), "test": scenes(6, 100)}
    return {"detect": write_yolo(root / "boxes", parts), "segment": write_masks(root / "masks", parts)}


def _test_images(folders, task):
    data = open_annotated(folders[task], task, 0, 0.0)
    return data.splits["test"], data.classes


def _oracle(source, change=lambda number, found: found):
    """Returns a detector that knows every object, changed image by image."""
    truth = iter([change(number, dict(target)) for number, target in enumerate(targets(source))])

    def detect(images):
        known = [next(truth, {"boxes": np.zeros((0, 4)), "labels": np.zeros(0, int)}) for _ in images]
        padded = {"boxes": np.zeros((len(images), 9, 4)), "labels": np.full((len(images), 9), -1)}
        for row, target in enumerate(known):
            for name in padded:
                padded[name][row, : len(target["labels"])] = target[name]
        return {**padded, "scores": np.where(padded["labels"] >= 0, 0.9, 0.0)}

    return detect


def _spoil(number, target):
    if number == 3:
        target["labels"] = (target["labels"] + 1) % 3
    if number == 4:
        target = {name: target[name][:0] for name in ("boxes", "labels")}
    return target


def test_a_perfect_detector_and_one_that_errs(folders, tmp_path):
    source, classes = _test_images(folders, "detect")
    objects = [len(target["labels"]) for target in targets(source)]
    metric, images = detections.measure(_oracle(source), source, classes, HOW)
    result = detections.summarize(metric, images, classes)
    assert (result["AP"], result["AP50"], result["missed"], result["wrong"]) == (1.0, 1.0, 0, 0)
    detections.draw(metric, images, source, classes, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precision_recall.png"]
    metric, images = detections.measure(_oracle(source, _spoil), source, classes, HOW)
    assert [errors for errors, _ in images] == [(0, 0)] * 3 + [(objects[3], objects[3]), (objects[4], 0), (0, 0)]
    result = detections.summarize(metric, images, classes)
    assert result["AP50"] < 1 and [row["class"] for row in result["classes"]] == list(CLASSES)
    detections.draw(metric, images, source, classes, tmp_path)
    with Image.open(tmp_path / "worst.png") as picture:
        # Two images erred, each is shown twice.
        assert picture.size == (4 * 320, 320)


def test_figures_are_those_of_pycocotools(tmp_path):
    coco, cocoeval = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    random, height, width = np.random.default_rng(0), 240, 320
    folder = write_coco(
        tmp_path, {"train": scenes(12), "val": [Scene(number, (height, width)) for number in range(20)]}
    )
    path = folder / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    for one in content["annotations"]:
        x, y, *sides = one["bbox"]
        sides = np.minimum(random.choice([1, 3, 9]) * np.array(sides), (width - x, height - y))
        one |= {"bbox": [x, y, *map(float, sides)], "area": float(random.uniform(0.4, 1) * sides.prod())}
        one["iscrowd"] = int(random.uniform() < 0.2)
    path.write_text(json.dumps(content))
    source = open_annotated(folder, "detect", 0, 0.0).splits["test"]

    def found(number, target):
        moved = [target["boxes"] + random.normal(0, spread, target["boxes"].shape) for spread in (0.01, 0.05)]
        return {"boxes": np.clip(np.concatenate(moved), 0, 1), "labels": np.tile(target["labels"], 2)}

    detect, rows = _oracle(source, found), []

    def noted(images):
        detected = detect(images)
        rows.extend({name: part[i] for name, part in detected.items()} for i in range(len(images)))
        return detected

    summary = detections.measure(noted, source, CLASSES, HOW)[0].summary()
    results = []
    for image, row in enumerate(rows[: source.count]):
        boxes = row["boxes"] * np.array((height, width) * 2)
        for (top, left, bottom, right), label in zip(boxes, row["labels"], strict=True):
            if label >= 0:
                box = [left, top, right - left, bottom - top]
                results.append({"image_id": image, "category_id": int(3 * label + 1), "bbox": box, "score": 0.9})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO(str(path))
        theirs = cocoeval.COCOeval(truth, truth.loadRes(results), "bbox")
        theirs.evaluate()
        theirs.accumulate()
        theirs.summarize()
    names = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")
    np.testing.assert_allclose([summary[name] for name in names], theirs.stats[:6], atol=1e-6)
    assert 0.1 < summary["AP"] < 0.9


def test_crowds_are_no_mistakes():
    boxes = np.array([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]])
    objects = {"boxes": boxes, "labels": np.array([0, 0]), "ignored": np.array([True, False])}
    inside = np.array([[0.1, 0.1, 0.2, 0.2], [0.3, 0.3, 0.5, 0.5], [0.6, 0.1, 0.9, 0.3]])
    assert detections.mistakes(objects, {"boxes": inside, "labels": np.array([0, 0, 0])}) == (1, 1)
    assert detections.mistakes(objects, {"boxes": inside, "labels": np.array([1, 0, 0])}) == (1, 2)
    assert detections.mistakes(objects, {"boxes": boxes[[1, 1]], "labels": np.array([0, 0])}) == (0, 1)


def test_a_perfect_segmenter_and_one_that_errs(folders, tmp_path):
    source, classes = _test_images(folders, "segment")
    number = iter(range(100))

    def segment(images):
        bright = (images > 150) & (images.sum(-1, keepdims=True) < 400)
        found = np.where(bright.any(-1), images.argmax(-1) + 1, 0)
        for mask in found:
            if next(number) == 3:
                mask[:] = 0
        return found

    matrix, worst = masks.measure(segment, source, classes, HOW)
    result = masks.summarize(matrix, classes)
    assert next(iter(worst)) == 3 and matrix.sum() == 6 * 48 * 48
    assert 0.9 < result["pixel_accuracy"] < 1 and 0.5 < result["mean_iou"] < 1
    right, union = np.diag(matrix), matrix.sum(0) + matrix.sum(1) - np.diag(matrix)
    np.testing.assert_allclose([row["IoU"] for row in result["classes"]], right / union)
    masks.draw(matrix, worst, source, classes, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"confusion.png", "worst.png"}


def test_classes_that_are_nowhere_have_no_figure():
    matrix = np.array([[9, 1, 0], [0, 0, 0], [0, 0, 0]])
    assert [row["IoU"] for row in masks.summarize(matrix, "abc")["classes"]] == [0.9, 0.0, None]
    assert masks.summarize(0 * matrix, "abc")["mean_iou"] is None


def _network(task):
    backbone = kl.MobileNet(alpha=0.25, weights=None, include_top=False, input_shape=(64, 64, 3))
    if task == "segment":
        model = kl.LRASPP(backbone, classes=4, filters=8)
    else:
        model = kl.SSDLite(backbone, classes=3, widths=(16,))
    seed_weights(model, {})
    return model


def _files(task, folder):
    model, labels = _network(task), list(CLASSES)
    labels = labels if task == "detect" else ["background", *labels]
    metadata = Metadata("MobileNet-alpha=0.25", labels, 64, 1.0, RAW, task).to_dict()
    model.save(folder / "model.keras")
    add_metadata(folder / "model.keras", metadata)
    return model, metadata


def test_the_command_measures_a_detector(folders, tmp_path):
    _files("detect", tmp_path)
    files = ("--model", str(tmp_path / "model.keras"), "--data", str(folders["detect"]), "--output", str(tmp_path))
    shown = CliRunner().invoke(app, ["evaluate", *files])
    assert shown.exit_code == 0 and "6 images: AP " in shown.output and "objects missed" in shown.output
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert written["task"] == "detect" and written["images"] == 6 and 0 <= written["AP_small"] <= 1
    with pytest.raises(UserError, match="model.keras is no image classifier"):
        ModelFile(tmp_path / "model.keras")


@pytest.mark.slow
@pytest.mark.parametrize("task", ["detect", "segment"])
def test_files_of_both_kinds_say_the_same(task, folders, tmp_path):
    model, metadata = _files(task, tmp_path)
    to_tflite(model, tmp_path / "model.tflite", metadata=metadata)
    figure = "AP" if task == "detect" else "mean_iou"
    results = [
        evaluate(tmp_path / name, str(folders[task]), tmp_path / "out")[figure]
        for name in ("model.keras", "model.tflite")
    ]
    assert results[0] == pytest.approx(results[1], abs=1e-3)


def test_classes_must_be_those_of_the_model(folders, tmp_path):
    _files("detect", tmp_path)
    (folders["detect"] / "classes.txt").write_text("red\ngreen\nviolet\n")
    with pytest.raises(UserError, match="knows 3 classes .red, green, blue, .* has 3 classes .red, green, violet"):
        evaluate(tmp_path / "model.keras", str(folders["detect"]), tmp_path / "out")
    (folders["detect"] / "classes.txt").write_text("red\ngreen\nblue\n")
    with pytest.raises(UserError, match="holds no annotations to detect: it needs COCO json .* or Pascal VOC"):
        evaluate(tmp_path / "model.keras", str(folders["segment"]), tmp_path / "out")
