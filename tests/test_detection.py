"""SSDLite: its size, anchors, loss and detections, as the papers and torchvision have them."""

import doctest
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_lightnets as kl
from keras_lightnets.detection import Anchors, DetectionLoss, average_precision, decoding, ssdlite
from keras_lightnets.detection.anchors import anchor_sizes
from keras_lightnets.detection.boxes import encode, overlaps
from keras_lightnets.detection.loss import UNCLEAR, match
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.profiling import open_model
from tests import detection_run
from tools.scenes import CLASSES, GRIDS, OBJECTS, SIZE, seeded_outputs

ROOT = Path(__file__).parents[1]
GOLDEN = dict(np.load(ROOT / "tests/goldens/torchvision/detection.npz"))
IMAGE = (SIZE, SIZE, 3)
TOLERANCE = 1e-6

# Channels of the first two maps, of stride 16 and 32.
CHANNELS = {
    "MobileNet-alpha=1.0": (512, 1024),
    "MobileNetV2-alpha=1.0": (576, 1280),
    "MobileNetV3Large-alpha=1.0": (672, 960),
    "MobileNetV3Small-alpha=1.0": (288, 576),
    "ReXNet-alpha=0.9": (702, 1152),
    "ReXNet-alpha=1.0": (768, 1280),
    "ReXNet-alpha=1.3": (1002, 1664),
    "ReXNetLite-alpha=1.0": (768, 1280),
    "ShuffleNetV2-alpha=1.0": (232, 1024),
    "MicroNetM0": (32, 384),
}
QUICK = ("ssdlite:MobileNetV2-alpha=1.0", "ssdlite:MicroNetM0")


def backbone(side=64, name="MicroNetM0", **arguments):
    return getattr(kl, name)(**arguments, weights=None, include_top=False, input_shape=(side, side, 3))


def objects(boxes, labels):
    return {"boxes": np.array(boxes, "float32"), "labels": np.array(labels)}


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(record, id=record.name, marks=() if record.name in QUICK else pytest.mark.slow)
        for record in kl.list_models("detect")
    ],
)
def test_counts(record):
    """The listed ones, by the names that `keras-lightnets profile` takes."""
    detector = open_model(record.name)
    cost = kl.complexity(detector)
    assert (cost.params, cost.madds + cost.mix_madds, cost.unknown) == (record.params, record.madds, ())
    sides = [detector.get_layer(f"map{number}_boxes_depthwise").input.shape[1:] for number in (1, 2)]
    assert [side for side, _, _ in sides] == [record.input_size // 16, record.input_size // 32] == [20, 10]
    channels = tuple(channels for _, _, channels in sides)
    assert channels == CHANNELS.get(record.name.partition(":")[2], channels)
    assert detector.output["boxes"].shape == (None, 2034, 4) == (None, *detector.anchors.shape)
    assert detector.output["classes"].shape == (None, 2034, record.classes + 1)


def test_paper_anchors():
    anchors = Anchors(GRIDS, anchor_sizes("paper", 6)).anchors
    assert [len(sizes) for sizes in anchor_sizes("paper", 6)] == [3, 6, 6, 6, 6, 6]
    root = np.sqrt(2)
    np.testing.assert_allclose(anchors[0], [0.025, 0.025, 0.1, 0.1], rtol=1e-6)
    np.testing.assert_allclose(anchors[4], [0.025, 0.075, 0.2 / root, 0.2 * root], rtol=1e-6)
    np.testing.assert_allclose(anchors[-1], [0.5, 0.5, np.sqrt(0.95), np.sqrt(0.95)], rtol=1e-6)


@pytest.fixture(scope="module")
def torchvision():
    """torchvision's anchors, and seeded outputs for them."""
    anchors = Anchors(GRIDS, anchor_sizes("torchvision", 6)).anchors
    return anchors, seeded_outputs(len(anchors))


def test_torchvision_anchors(torchvision):
    centres, sizes = np.split(torchvision[0], 2, axis=1)
    np.testing.assert_allclose(
        np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1), GOLDEN["anchors"], atol=TOLERANCE
    )


def test_torchvision_matches(torchvision):
    boxes, classes = map(keras.ops.convert_to_numpy, match(*OBJECTS.values(), torchvision[0], IMAGE))
    wanted = GOLDEN["matched"].astype(int)
    labels = np.take_along_axis(OBJECTS["labels"] + 1, np.maximum(wanted, 0), axis=1)
    np.testing.assert_array_equal(classes, np.where(wanted >= 0, labels, 0))
    wanted_boxes = np.take_along_axis(OBJECTS["boxes"], wanted[..., None], axis=1)
    np.testing.assert_array_equal(boxes[wanted >= 0], wanted_boxes[wanted >= 0])


def test_torchvision_losses(torchvision):
    anchors, outputs = torchvision
    loss = float(DetectionLoss(anchors, IMAGE)(OBJECTS, outputs))
    assert loss == pytest.approx(GOLDEN["losses"].sum(), rel=1e-5)


def test_torchvision_detections(torchvision):
    anchors, outputs = torchvision
    found = kl.decode_detections(outputs, anchors, score=0.001, iou=0.55, most=300)
    assert found["count"].tolist() == [300, 300]
    np.testing.assert_array_equal(found["labels"], GOLDEN["labels"])
    np.testing.assert_allclose(found["scores"], GOLDEN["scores"], atol=TOLERANCE)
    np.testing.assert_allclose(found["boxes"], GOLDEN["boxes"], atol=TOLERANCE)


@pytest.mark.parametrize("boxes", (np.zeros((2, 0, 4)), np.full((2, 3, 4), -1.0)))
def test_nothing_to_find(torchvision, boxes):
    """Images without objects have no positive anchor, and thus no hard negatives."""
    anchors, outputs = torchvision
    labels = np.full(boxes.shape[:2], -1)
    assert float(DetectionLoss(anchors, IMAGE)({"boxes": boxes, "labels": labels}, outputs)) == 0.0
    # Beside an image with objects it changes the loss by nothing but the mean.
    half = {name: array.copy() for name, array in OBJECTS.items()}
    half["labels"][1] = -1
    first = {name: array[:1] for name, array in half.items()}
    alone = float(DetectionLoss(anchors, IMAGE)(first, {name: array[:1] for name, array in outputs.items()}))
    assert float(DetectionLoss(anchors, IMAGE)(half, outputs)) == pytest.approx(alone, rel=1e-5)


def test_crowds_are_neither_object_nor_background():
    anchors = np.array([[0.2, 0.2, 0.2, 0.2], [0.7, 0.7, 0.2, 0.2], [0.2, 0.7, 0.2, 0.2]], "float32")
    # The second anchor lies by more than half in the second box.
    boxes = [[[0.1, 0.1, 0.3, 0.3], [0.4, 0.69, 1.0, 1.0]]]

    def loss(label, hard):
        logits = np.zeros((1, 3, 3), "float32")
        logits[0, hard, 1] = 5.0
        outputs = {"boxes": np.zeros((1, 3, 4), "float32"), "classes": logits}
        return float(DetectionLoss(anchors, IMAGE)(objects(boxes, [[0, label]]), outputs))

    assert loss(-1, hard=1) - loss(UNCLEAR, hard=1) == pytest.approx(np.log(2 + np.exp(5)))
    assert loss(-1, hard=2) - loss(UNCLEAR, hard=2) == pytest.approx(np.log(3))


def test_perfect_outputs_are_the_objects(torchvision):
    anchors, _ = torchvision
    boxes, classes = match(*OBJECTS.values(), anchors, IMAGE)
    logits = 50.0 * keras.ops.one_hot(classes, CLASSES + 1)
    outputs = {"boxes": encode(boxes, anchors), "classes": logits}
    assert float(DetectionLoss(anchors, IMAGE)(OBJECTS, outputs)) < 1e-4
    found = kl.decode_detections(outputs, anchors, most=6)
    assert found["count"].tolist() == [4, 2]
    metric = kl.COCOMeanAP(CLASSES)
    metric.update_state(OBJECTS, found)
    assert metric.result() == 1.0
    # What a file returns instead of logits.
    scores = keras.ops.softmax(logits)[..., 1:]
    again = kl.decode_detections({"boxes": outputs["boxes"], "scores": scores}, anchors, most=6)
    np.testing.assert_array_equal(again["boxes"], found["boxes"])


def test_suppression_is_by_class():
    anchors = np.array([[0.5, 0.5, 0.4, 0.4], [0.5, 0.5, 0.4, 0.42], [0.5, 0.5, 0.4, 0.4]], "float32")
    outputs = {"boxes": np.zeros((1, 3, 4)), "scores": np.array([[[0.9, 0.0], [0.8, 0.0], [0.0, 0.7]]])}
    found = kl.decode_detections(outputs, anchors, most=4)
    assert found["labels"].tolist() == [[0, 1, -1, -1]]
    np.testing.assert_allclose(found["scores"][0], [0.9, 0.7, 0, 0])
    # One box, but that of the class with the higher score.
    assert kl.decode_detections(outputs, anchors, most=1)["labels"].tolist() == [[0]]


def test_overlaps():
    whole, half = np.array([[0, 0, 1, 1.0]]), np.array([[0, 0, 1, 0.5], [2, 2, 2, 2]])
    np.testing.assert_allclose(overlaps(whole, half), [[0.5, 0]])
    np.testing.assert_allclose(overlaps(half, whole, np.array([True])), [[1.0], [0]])


def scene(random):
    """Objects and detections of 30 images, with crowds, equal scores and more detections than count."""
    shape = (30, 8)
    corners = random.uniform(0, 0.7, (*shape, 2))
    there = {
        "boxes": np.concatenate([corners, corners + random.uniform(0.02, 0.3, (*shape, 2))], axis=-1),
        "labels": random.randint(-1, 4, shape),
        "crowd": random.rand(*shape) < 0.15,
        "sizes": random.randint(60, 500, (30, 2)),
    }
    boxes = np.tile(there["boxes"], (1, 15, 1))
    found = {
        "boxes": np.clip(boxes + random.normal(0, 0.02, boxes.shape), 0, 1),
        "labels": np.where(random.rand(30, 120) < 0.8, np.tile(there["labels"], (1, 15)), random.randint(-1, 5)),
        "scores": random.rand(30, 120).round(1),
    }
    # One class has no object.
    return there, found


def test_average_precision_is_that_of_pycocotools():
    pycocotools = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval

    there, found = scene(np.random.RandomState(0))
    metric = kl.COCOMeanAP(5)
    for begin in (0, 10):
        batch = slice(begin, begin + 10 if begin == 0 else None)
        metric.update_state(*({name: part[batch] for name, part in side.items()} for side in (there, found)))
    coco = pycocotools.COCO()
    annotations = list(_annotations(there, there["sizes"]))
    coco.dataset = {
        "images": [{"id": number} for number in range(30)],
        "categories": [{"id": number} for number in range(5)],
        "annotations": [{**annotation, "id": number} for number, annotation in enumerate(annotations, 1)],
    }
    coco.createIndex()
    evaluation = COCOeval(coco, coco.loadRes(list(_annotations(found, there["sizes"]))), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    names = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")
    figures = metric.summary()
    np.testing.assert_allclose([figures[name] for name in names], evaluation.stats[:6], rtol=1e-12)
    assert 0.05 < figures["AP"] < 0.9 and len({figures[name] for name in names}) == 6
    by_class = evaluation.eval["precision"][..., 0, 2].mean(axis=(0, 1))
    np.testing.assert_allclose(figures["per_class"], np.where(by_class < 0, np.nan, by_class), rtol=1e-12)
    assert np.isnan(figures["per_class"][4])


def _annotations(side, sizes):
    for image, label in zip(*np.nonzero(side["labels"] >= 0), strict=True):
        top, left, bottom, right = side["boxes"][image, label] * np.tile(sizes[image], 2)
        box = [left, top, right - left, bottom - top]
        annotation = {"image_id": image, "category_id": side["labels"][image, label], "bbox": box}
        if "scores" in side:
            yield {**annotation, "score": side["scores"][image, label]}
        else:
            yield {**annotation, "area": box[2] * box[3], "iscrowd": int(side["crowd"][image, label])}


def test_average_precision_without_objects_and_sizes():
    metric = kl.COCOMeanAP(2)
    assert np.isnan(metric.result())
    metric.update_state(objects([[[0, 0, 1, 1.0]]], [[0]]), {**objects([[[0, 0, 1, 0.8]]], [[0]]), "scores": [[0.5]]})
    figures = metric.summary()
    assert list(figures) == ["AP", "AP50", "AP75", "per_class"]
    assert (figures["AP"], figures["AP50"], figures["AP75"]) == (pytest.approx(0.7), 1.0, 1.0)
    metric.reset_state()
    assert np.isnan(metric.result())
    with pytest.raises(UserError, match="label 2, classes=2"):
        metric.update_state(objects([[[0, 0, 1, 1.0]]], [[2]]), {**objects([[[0, 0, 1, 1]]], [[0]]), "scores": [[1]]})


def test_saved_with_its_anchors(tmp_path):
    own = [[(0.2, 0.3)], [(0.4, 0.4), (0.5, 0.3)], [(0.9, 0.9)]]
    detector = kl.SSDLite(backbone(), 2, widths=(16,), anchors=own, name="small")
    path = tmp_path / "detector.keras"
    detector.save(path)
    again = keras.saving.load_model(path)
    assert again.name == "small" and again.anchors.shape == (4 * 4 + 2 * 4 + 1, 4)
    np.testing.assert_array_equal(again.anchors, detector.anchors)
    for name, outputs in again(np.ones((1, 64, 64, 3))).items():
        np.testing.assert_array_equal(outputs, detector(np.ones((1, 64, 64, 3)))[name])


@pytest.mark.parametrize("ending", ("weights.h5", "keras"))
def test_weights_of_a_file(tmp_path, ending):
    first = kl.SSDLite(backbone(32), 2, widths=())
    path = tmp_path / f"detector.{ending}"
    (first.save if ending == "keras" else first.save_weights)(path)
    again = kl.SSDLite(backbone(32), 2, widths=(), weights=path)
    for old, new in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(UserError, match=f"detector.{ending} does not fit mine"):
        kl.SSDLite(backbone(32), 2, widths=(8,), weights=path, name="mine")
    with pytest.warns(UserWarning, match="fresh.* in map1_classes and map2_classes.*has other classes"):
        kl.SSDLite(backbone(32), 3, widths=(), weights=path)


def test_weights_are_shared_with_the_backbone():
    network = backbone()
    detector = kl.SSDLite(network, 2, widths=())
    assert len(detector.anchors) == 16 * 3 + 4 * 6
    assert all(any(weight is other for other in detector.weights) for weight in network.weights)


def small_detector(classes=1):
    keras.utils.set_random_seed(0)
    anchors = [[(0.4, 0.4)], [(0.6, 0.6)]]
    return kl.SSDLite(backbone(32, "ShuffleNetV2", alpha=0.5), classes, widths=(), anchors=anchors)


def test_weight_of_samples_and_regularisation():
    detector, truth = small_detector(), objects([[[0.1, 0.1, 0.5, 0.5]]] * 2, [[0], [0]])
    detector.compile("sgd")
    outputs = detector(np.random.RandomState(0).rand(2, 32, 32, 3))
    loss = float(detector.compute_loss(y=truth, y_pred=outputs))
    # Keras repeats the weights for each entry of `y`.
    weights = dict.fromkeys(truth, np.array([2.0, 2.0]))
    assert float(detector.compute_loss(y=truth, y_pred=outputs, sample_weight=weights)) == pytest.approx(2 * loss)
    kernel = detector.get_layer("map1_boxes").kernel
    kernel.regularizer = keras.regularizers.L2(1.0)
    added = float(np.sum(kernel.numpy() ** 2))
    assert added > 0.001
    assert float(detector.compute_loss(y=truth, y_pred=outputs)) == pytest.approx(loss + added, rel=1e-4)


WRONG = [
    (lambda: kl.SSDLite(kl.MicroNetM0(weights=None, include_top=False), 2), "build .* with `input_shape`"),
    (lambda: kl.SSDLite(backbone(), 0), "`classes` must be positive. Received: classes="),
    (lambda: kl.SSDLite(backbone(), 2, widths=(8, 0)), "`widths` must be positive. Received: widths="),
    (lambda: kl.SSDLite(backbone(), 2, anchors="mine"), "'torchvision' or 6 lists"),
    (lambda: kl.SSDLite(backbone(), 2, widths=(8,), anchors=[[(0.1, 0.1)]]), "3 lists of"),
    (lambda: kl.SSDLite(backbone(), 2, widths=(), anchors=[[(0.1, 0.1)], [(0.2, -1)]]), "positive"),
    (lambda: kl.SSDLite(keras.Sequential([keras.Input((64, 64, 3))]), 2), "builder of keras_lightnets"),
    (lambda: small_detector().compute_loss(y=np.zeros(3)), "dict of 'boxes' and 'labels'. Received: y=ndarray"),
    (lambda: kl.decode_detections({"boxes": np.zeros((1, 5, 4))}, np.zeros((5, 4))), "the codes of 5 anchors, and 'cl"),
    # What a file with the suppression inside returns.
    (
        lambda: kl.decode_detections({"boxes": np.zeros((1, 9, 4)), "scores": np.zeros((1, 9))}, np.zeros((6, 4))),
        "Pass the outputs and the anchors of one detector",
    ),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_bad_arguments(wrong, message):
    with pytest.raises(ValueError, match=message) as error:
        wrong()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("module", (ssdlite, decoding, average_precision), ids=lambda module: module.__name__)
def test_examples(module):
    results = doctest.testmod(module, extraglobs={"keras_lightnets": kl, "np": np})
    assert results.attempted and not results.failed


@pytest.mark.slow
@pytest.mark.chosen
def test_learns(capsys):
    """Two images, each with a square, are found after some steps."""
    detection_run.main()
    assert capsys.readouterr().out == "tensorflow 1.0\n"


@pytest.mark.slow
@pytest.mark.parametrize("backend", ("jax", "torch"))
def test_learns_on_every_backend(backend):
    pytest.importorskip(backend)
    command = [sys.executable, "-m", "tests.detection_run"]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1] == f"{backend} 1.0"
