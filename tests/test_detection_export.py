"""Files of detectors and segmenters: what they return, and that it is what Keras says."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import keras_lightnets as kl
from keras_lightnets.detection.boxes import overlaps
from keras_lightnets.export.interpreter import TFLiteModel
from tools.seeded import calibrated_scales, run, seed_weights, seeded_images

IMAGES = seeded_images((3, 64, 64, 3))


def seeded(model):
    """Returns a network that tells the images apart."""
    seed_weights(model, calibrated_scales(model, IMAGES))
    return model


@pytest.fixture(scope="module")
def backbone():
    return kl.MicroNetM0(weights=None, include_top=False, input_shape=IMAGES.shape[1:])


def test_detector(backbone, tmp_path):
    detector = seeded(kl.SSDLite(backbone, 3, widths=(64, 32, 32, 16)))
    path = tmp_path / "detector.tflite"
    report = kl.export.to_tflite(detector, path, samples=IMAGES)
    assert report.partitions == 1 and report.max_abs_diff < 1e-4
    interpreter = Interpreter(str(path))
    ((_, signature),) = interpreter.get_signature_list().items()
    assert sorted(signature["outputs"]) == ["boxes", "classes"]
    boxes, scores = TFLiteModel(path).predict(IMAGES)
    assert boxes.shape == (3, 96, 4) and scores.shape == (3, 96, 3)
    # One delegate that gives every output: no operator is left behind it.
    interpreter.allocate_tensors()
    interpreter.invoke()
    assert interpreter._get_ops_details()[-1]["op_name"] == "DELEGATE"
    # Ten, because scores that are equal but for rounding may change places.
    ours, theirs = (
        kl.decode_detections(outputs, detector.anchors, most=10)
        for outputs in (run(detector, IMAGES), {"boxes": boxes, "scores": scores})
    )
    assert ours["count"].min() > 1
    np.testing.assert_array_equal(theirs["labels"], ours["labels"])
    np.testing.assert_allclose(theirs["scores"], ours["scores"], atol=1e-4)
    for image, count in enumerate(ours["count"]):
        pairs = overlaps(theirs["boxes"][image, :count], ours["boxes"][image, :count]).diagonal()
        assert (pairs > 0.95).all()
    assert kl.export.verify(path, detector, IMAGES).max_abs_diff == pytest.approx(report.max_abs_diff)


def test_segmenter(backbone, tmp_path):
    segmenter = seeded(kl.LRASPP(backbone, 4, filters=16, output_stride=16))
    report = kl.export.to_tflite(segmenter, tmp_path / "segmenter.tflite", samples=IMAGES)
    assert report.partitions == 1 and report.top1_agreement > 0.999
    logits = run(segmenter, IMAGES)
    assert report.max_abs_diff < 1e-4 * np.abs(logits).max()


def test_fused_detector(backbone):
    detector = seeded(kl.SSDLite(backbone, 3, widths=(64, 32, 32, 16)))
    fused = kl.export.fuse(detector)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in fused.layers)
    for name, outputs in run(detector, IMAGES).items():
        np.testing.assert_allclose(run(fused, IMAGES)[name], outputs, atol=2e-5 * np.abs(outputs).max())
