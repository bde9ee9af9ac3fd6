"""Files of detectors and segmenters: what they return, and that it is what Keras says."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import keras_lightnets as kl
from keras_lightnets.detection.boxes import overlaps
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.micro import measure_arena
from keras_lightnets.evaluation.opening import ModelFile
from keras_lightnets.export.agreement import agreement, detections_of
from keras_lightnets.export.interpreter import TFLiteModel
from keras_lightnets.export.judging import check_detections
from keras_lightnets.export.tflite import Exporter
from keras_lightnets.export.verification import Reference, Report
from keras_lightnets.preprocessing import IMAGENET_STATISTICS, SYMMETRIC
from tools.clients import environments
from tools.seeded import calibrated_scales, run, seed_weights, seeded_images
from tools.trained import LABELS
from tools.trained import trained as train

# As MobileNet takes them; the files take the pixels that they are made of.
IMAGES = np.clip(seeded_images((3, 64, 64, 3)), -1.0, 1.0)
# Sides of what MediaPipe is shown, by the sides of the images.
LARGER = 16
# Few, because scores that are equal but for rounding may change places.
FEW = {"score": 0.3, "iou": 0.55, "most": 10}


def seeded(model):
    """Returns a network that tells the images apart."""
    seed_weights(model, calibrated_scales(model, IMAGES))
    return model


@pytest.fixture(scope="module")
def backbone():
    return kl.MobileNet(alpha=0.25, weights=None, include_top=False, input_shape=IMAGES.shape[1:])


@pytest.fixture(scope="module")
def detector(backbone):
    return seeded(kl.SSDLite(backbone, 3, widths=(32, 16)))


@pytest.fixture(scope="module")
def expected(detector):
    found = kl.decode_detections(run(detector, IMAGES), detector.anchors, **FEW)
    assert found["count"].min() > 1
    return found


def outputs_of(path):
    """Runs a file as its users do, by its signature, and returns the outputs of all images by name."""
    interpreter = Interpreter(str(path))
    runner = interpreter.get_signature_runner()
    (name,) = runner.get_input_details()
    rows = [runner(**{name: image[None]}) for image in SYMMETRIC.pixels(IMAGES)]
    assert {row.dtype for outputs in rows for row in outputs.values()} == {np.dtype("float32")}
    return {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}


def as_decoded(outputs):
    """Returns the outputs of a file with the suppression inside under the names of `decode_detections`."""
    whole = {"labels": outputs["classes"].astype(int), "count": outputs["count"].astype(int)}
    return {"boxes": outputs["boxes"], "scores": outputs["scores"], **whole}


def test_detector(detector, expected, tmp_path):
    path = tmp_path / "detector.tflite"
    truth = {"boxes": expected["boxes"], "labels": expected["labels"]}
    report = kl.export.to_tflite(detector, path, samples=IMAGES, labels=truth, metadata={"labels": list("abc")})
    assert report.partitions == 1 and report.max_abs_diff < 1e-4
    assert report.detections_agreement > 0.9 and report.max_score_diff < 1e-4
    # Its own detections are the truth; some of what it detects beside them is likelier.
    assert report.average_precision > 0.9
    outputs = outputs_of(path)
    assert {name: output.shape for name, output in outputs.items()} == {"boxes": (3, 84, 4), "scores": (3, 84, 3)}
    assert agreement(kl.decode_detections(outputs, detector.anchors, **FEW), expected)[0] == 1.0
    # Labels are all that `predict` and `evaluate` must be told.
    found = ModelFile(path, ("detect",)).detect(SYMMETRIC.pixels(IMAGES), **FEW)
    assert agreement(found, expected)[0] == 1.0 and ModelFile(path, ("detect",)).metadata.size == 64
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    # One delegate that gives every output: no operator is left behind it.
    assert interpreter._get_ops_details()[-1]["op_name"] == "DELEGATE"
    assert kl.export.verify(path, detector, IMAGES).max_abs_diff == pytest.approx(report.max_abs_diff)


@pytest.mark.slow
@pytest.mark.chosen
@pytest.mark.parametrize("quantization", [None, pytest.param("int8", marks=pytest.mark.slow)])
def test_detections_inside(detector, expected, tmp_path, quantization):
    path = tmp_path / "detector.tflite"
    report = kl.export.to_tflite(
        detector, path, quantization, representative_data=IMAGES, float_io=True, detections=FEW
    )
    outputs = outputs_of(path)
    shapes = {"boxes": (3, 10, 4), "classes": (3, 10), "scores": (3, 10), "count": (3,)}
    assert {name: output.shape for name, output in outputs.items()} == shapes
    for image, count in enumerate(outputs["count"].astype(int)):
        assert (outputs["classes"][image, count:] == -1).all() and not outputs["boxes"][image, count:].any()
    same, difference = agreement(as_decoded(outputs), expected)
    assert (report.detections_agreement, report.max_score_diff) == pytest.approx((same, difference))
    assert kl.export.verify(path, detector, IMAGES, detections=FEW).detections_agreement == pytest.approx(same)
    if quantization is None:
        assert same == 1.0 and difference < 1e-4
    else:
        assert outputs["count"].min() > 0 and difference < 0.1


@pytest.mark.slow
def test_saved_detections(detector, expected, tmp_path):
    report = kl.export.to_saved_model(detector, tmp_path / "detector", IMAGES, detections=FEW)
    assert report.detections_agreement == 1.0 and report.max_score_diff < 1e-4
    loaded = tf.saved_model.load(str(tmp_path / "detector"))
    found = as_decoded({name: output.numpy() for name, output in loaded.serve(IMAGES).items()})
    assert agreement(found, expected)[0] == 1.0


def test_other_detections_are_refused(detector):
    reference = Reference(detector, IMAGES)
    for share in (None, 0.9):
        check_detections(reference, Report("", None, 0, 3, 0.0, detections_agreement=share))
    with pytest.raises(UserError, match="Nothing was written: the file shares 89% of its detections with mobilenet"):
        check_detections(reference, Report("", None, 0, 3, 0.0, detections_agreement=0.89))


def test_segmenter(backbone, tmp_path):
    segmenter = seeded(kl.LRASPP(backbone, 4, filters=16, output_stride=16))
    logits = run(segmenter, IMAGES)
    masks = logits.argmax(-1)
    masks[:, :8] = 255
    report = kl.export.to_tflite(segmenter, tmp_path / "segmenter.tflite", samples=IMAGES, labels=masks)
    assert report.partitions == 1 and report.top1_agreement > 0.999
    assert report.max_abs_diff < 1e-4 * np.abs(logits).max()
    assert report.mean_iou > 0.999 and report.accuracy > 0.999


@pytest.mark.slow
def test_quantize_aware(detector, tmp_path):
    aware = kl.optimization.quantize_aware(detector, IMAGES)
    truth = {"boxes": np.array([[[0.1, 0.1, 0.6, 0.6]]] * 3, "float32"), "labels": np.zeros((3, 1), int)}
    aware.compile("sgd", jit_compile=False)
    assert np.isfinite(aware.fit(IMAGES, truth, verbose=0).history["loss"]).all()
    assert np.array_equal(aware.anchors, detector.anchors)
    for inside, outputs in ((False, ["boxes", "scores"]), (FEW, ["boxes", "classes", "count", "scores"])):
        path = tmp_path / "aware.tflite"
        report = kl.export.to_tflite(aware, path, "int8", samples=IMAGES, float_io=True, detections=inside)
        assert sorted(outputs_of(path)) == outputs and report.size_bytes < 900_000


def test_fused_detector(detector):
    fused = kl.export.fuse(detector)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in fused.layers)
    for name, outputs in run(detector, IMAGES).items():
        np.testing.assert_allclose(run(fused, IMAGES)[name], outputs, atol=2e-5 * np.abs(outputs).max())


BOXES = {"boxes": np.zeros((3, 1, 4)), "labels": np.zeros((3, 1), int)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"detections": {"scores": 0.1}}, "`detections` must be True, or a dict of score, iou, most"),
        ({"detections": {"score": 1.5}}, "`detections` needs 0 <= score < 1"),
        ({"detections": {"most": 2.5}}, "whole number most >= 1"),
        ({"detections": True, "quantization": "int16x8", "representative_data": IMAGES}, "int16x8 file has no"),
        ({"metadata": {"labels": ["a", "b"]}}, "`metadata` has 2 labels, and .* 3 outputs"),
        ({"samples": IMAGES, "labels": np.zeros(3, int)}, "must be a dict of 'boxes' and 'labels'"),
        ({"samples": IMAGES[:2], "labels": BOXES}, "`labels` are of 3 images, and there are 2"),
        (
            {"samples": IMAGES, "labels": BOXES | {"labels": np.full((3, 1), 7)}},
            "`labels` of .* must be below 3. Received: 7",
        ),
    ],
)
def test_what_cannot_be_exported(detector, tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        kl.export.to_tflite(detector, tmp_path / "detector.tflite", **arguments)


def test_detections_are_for_detectors(tmp_path):
    classifier = kl.MicroNetM0(weights=None, input_shape=(32, 32, 3), classes=2)
    for export in (kl.export.to_tflite, kl.export.to_saved_model):
        with pytest.raises(UserError, match="is for detectors such as SSDLite; micronet_m0 is none"):
            export(classifier, tmp_path / "m0.tflite", detections=True)


@pytest.fixture(scope="module")
def trained():
    detector, images, _ = train(kl.MobileNet, 0.25)
    pixels = np.clip(np.round(SYMMETRIC.pixels(images)), 0, 255).astype("uint8")
    return detector, pixels, SYMMETRIC(pixels)


def say(environment, script, path, pixels):
    """Returns what a client says of images that are larger, pixel by pixel: it gives boxes in whole pixels."""
    images = path.with_suffix(".npy")
    np.save(images, np.kron(pixels, np.ones((1, LARGER, LARGER, 1), "uint8")))
    try:
        return environment.run(script, path, images)
    except environments.NotInstalled as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.parametrize("detections", [False, True])
@pytest.mark.parametrize("quantization", [None, "float16", "int8"])
def test_mediapipe_detects(trained, tmp_path, quantization, detections):
    detector, pixels, images = trained
    path, about = tmp_path / "detector.tflite", {"labels": LABELS}
    report = kl.export.to_tflite(detector, path, quantization, images, metadata=about, detections=detections)
    assert quantization or (report.detections_agreement == 1.0 and report.max_score_diff < 1e-4)
    expected = detections_of(TFLiteModel(path).predict(pixels), detector.anchors)
    assert expected["count"].min() > 0
    for image, found in enumerate(say(environments.MEDIAPIPE, "detector", path, pixels)["found"]):
        count = expected["count"][image]
        assert [label for label, _, _ in found] == [LABELS[label] for label in expected["labels"][image, :count]]
        scores, boxes = (np.array([each[part] for each in found]) for part in (1, 2))
        np.testing.assert_allclose(scores, expected["scores"][image, :count], atol=1e-4)
        side = LARGER * pixels.shape[1]
        assert overlaps(boxes / side, expected["boxes"][image, :count]).diagonal().min() > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("quantization", [None, "int8"])
def test_mediapipe_segments(backbone, tmp_path, quantization):
    segmenter, path = seeded(kl.LRASPP(backbone, 4, filters=16)), tmp_path / "segmenter.tflite"
    pixels = np.clip(np.round(SYMMETRIC.pixels(IMAGES)), 0, 255).astype("uint8")
    names = ["sky", "road", "tree", "car"]
    kl.export.to_tflite(segmenter, path, quantization, SYMMETRIC(pixels), metadata={"labels": names})
    found = say(environments.MEDIAPIPE, "segmenter", path, pixels)
    assert found["labels"] == names
    masks = np.array(found["masks"])[:, LARGER // 2 :: LARGER, LARGER // 2 :: LARGER]
    right = masks == run(segmenter, SYMMETRIC(pixels)).argmax(-1)
    assert right.mean() > (0.9 if quantization else 0.99)


@pytest.mark.slow
def test_a_detector_for_microcontrollers(tmp_path):
    """MicroNet-M0 and a quarter of the widths, as in the guide."""
    images = seeded_images((4, 160, 160, 3))
    backbone = kl.MicroNetM0(weights=None, include_top=False, input_shape=images.shape[1:])
    detector = kl.SSDLite(backbone, 1, widths=(128, 64, 64, 32))
    seed_weights(detector, calibrated_scales(detector, images))
    assert kl.complexity(detector).params == 216_356
    with Exporter(detector, images, images) as exporter:
        exporter.write(tmp_path / "float32.tflite")
        exporter.write(tmp_path / "int8.tflite", "int8", io="int8")
    pixels = IMAGENET_STATISTICS.pixels(images)
    np.save(tmp_path / "images.npy", pixels)
    try:
        found = environments.MICRO.run("micro", tmp_path / "float32.tflite", tmp_path / "images.npy")["outputs"]
    except environments.NotInstalled as error:
        pytest.skip(str(error))
    outputs = {output.shape: output for output in TFLiteModel(tmp_path / "float32.tflite").predict(pixels)}
    np.testing.assert_allclose(found, outputs[np.shape(found)], atol=1e-4)
    pytest.importorskip("tflite_micro")
    # The pointers have 8 bytes here.
    assert measure_arena(tmp_path / "int8.tflite").total < 300_000
