"""torchvision's detector and segmenter through `weights=PATH`: what they say, to rounding."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import keras_lightnets as kl
from keras_lightnets.errors import UserError
from tools import scenes
from tools.goldens.derive import TOLERANCE, relative_difference
from tools.goldens.torch_weights import checkpoint
from tools.scenes import CLASSES, SEGMENT, SEGMENT_CLASSES, SIZE
from tools.seeded import run, seed_weights

FOLDER = Path(__file__).parent / "goldens" / "torchvision"
STEP = 125
# The sizes of torchvision's own networks, and the number of tensors in its files without those that count batches.
PARAMETERS = {"SSDLite": 3_440_060, "LRASPP": 3_221_538}


def golden(name):
    return dict(np.load(FOLDER / f"{name}.npz"))


def saved(builder, folder):
    """Writes the seeded weights of a golden as torchvision names them."""
    name, build = {"SSDLite": ("ssdlite", scenes.detector), "LRASPP": ("lraspp", scenes.segmenter)}[builder]
    expected = golden(name)
    model = build()
    arrays = seed_weights(model, dict(zip(expected["scale_names"].tolist(), expected["scales"].tolist(), strict=True)))
    path = folder / f"{name}.safetensors"
    safetensors.numpy.save_file(checkpoint(model, arrays, builder, f"torchvision's {builder.lower()}"), path)
    return expected, path


def backbone(path, shape):
    return kl.MobileNetV3Large(weights=path, include_top=False, input_shape=shape)


@pytest.fixture(scope="module")
def ssdlite(tmp_path_factory):
    return saved("SSDLite", tmp_path_factory.mktemp("ssdlite"))


@pytest.fixture(scope="module")
def lraspp(tmp_path_factory):
    return saved("LRASPP", tmp_path_factory.mktemp("lraspp"))


@pytest.fixture(scope="module")
def network(lraspp):
    return backbone(lraspp[1], SEGMENT[1:])


def test_detector(ssdlite):
    expected, path = ssdlite
    detector = kl.SSDLite(backbone(path, (SIZE, SIZE, 3)), CLASSES, weights=path)
    cost = kl.complexity(detector)
    assert (cost.params, cost.madds) == (PARAMETERS["SSDLite"], 583_171_904)
    outputs = run(detector, scenes.seeded_pixels((2, SIZE, SIZE, 3)))
    assert relative_difference(outputs["boxes"][:, ::STEP], expected["codes"]) < TOLERANCE
    assert relative_difference(outputs["classes"][:, ::STEP], expected["logits"]) < TOLERANCE
    found = kl.decode_detections(outputs, detector.anchors, score=0.001, iou=0.55, most=300)
    for image in range(2):
        assert found["count"][image] == 300
        # Scores that are equal but for rounding may change places.
        missing = sum(not _is_found(box, expected, found, image) for box in range(300))
        assert missing <= 3


def _is_found(box, expected, found, image):
    close = np.abs(found["boxes"][image] - expected["boxes"][image, box]).max(axis=1) < TOLERANCE
    close &= np.abs(found["scores"][image] - expected["scores"][image, box]) < TOLERANCE
    return np.any(close & (found["labels"][image] == expected["labels"][image, box]))


def test_segmenter(lraspp, network):
    expected, path = lraspp
    segmenter = kl.LRASPP(network, SEGMENT_CLASSES, weights=path)
    assert kl.complexity(segmenter).params == PARAMETERS["LRASPP"]
    assert segmenter.get_layer("high").input.shape == (None, 4, 6, 960)
    logits = run(segmenter, scenes.seeded_pixels(SEGMENT)).reshape(2, -1, SEGMENT_CLASSES)[:, ::STEP]
    assert relative_difference(logits, expected["logits"]) < TOLERANCE
    # Two images differ by much more than that.
    assert relative_difference(logits[:1], logits[1:]) > 0.1


def test_other_classes(lraspp, network):
    with pytest.warns(UserWarning, match="the classifier for 3 classes is fresh.*low_classes and high_classes"):
        segmenter = kl.LRASPP(network, 3, weights=lraspp[1])
    assert segmenter.output_shape == (None, *SEGMENT[1:3], 3)


def test_backbones_of_another_form(ssdlite, lraspp, network):
    plain = kl.MobileNetV3Large(weights=None, include_top=False, input_shape=SEGMENT[1:])
    with pytest.raises(UserError, match="lraspp.safetensors is for a backbone of another form.*Build the backbone"):
        kl.LRASPP(plain, SEGMENT_CLASSES, weights=lraspp[1])
    with pytest.raises(UserError, match="ssdlite.safetensors is for a backbone of another form"):
        kl.SSDLite(network, CLASSES, weights=ssdlite[1])
    with pytest.raises(UserError, match="needs 3 input channels"):
        backbone(lraspp[1], (*SEGMENT[1:3], 1))
    with pytest.raises(UserError, match="no tensor 'classifier.0.weight'"):
        kl.MobileNetV3Large(weights=lraspp[1], input_shape=SEGMENT[1:])
