"""Files that take raw pixels: which models are known, what is folded, what the file says, and what readers find."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from keras import layers

import keras_lightnets as kl
from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.opening import ModelFile
from keras_lightnets.export import fuse, to_tflite, verify
from keras_lightnets.export.interpreter import TFLiteModel
from keras_lightnets.export.metadata import Metadata, metadata_of
from keras_lightnets.export.pixels import find_preprocessing, with_pixels
from keras_lightnets.export.tflite import Exporter
from keras_lightnets.graph import functional
from keras_lightnets.layers.inference import ColumnBias
from keras_lightnets.optimization import quantize_aware
from keras_lightnets.preprocessing import IMAGENET_STATISTICS, RAW, SYMMETRIC, Preprocessing
from tests.photos import small_network
from tools.seeded import calibrated_scales, seed_weights

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3)).repeat(4, 1).repeat(4, 2).astype("float32")
NAMES = [f"class {number}" for number in range(10)]
CHANNELS = Preprocessing((120.0, 110.0, 100.0), (50.0, 60.0, 70.0))


# Which models are known.


def _micronet(**arguments):
    return kl.MicroNetM0(weights=None, input_shape=(32, 32, 3), **arguments)


def _in_front(*scaling):
    return keras.Sequential([keras.Input((32, 32, 3)), *scaling, _micronet(include_top=False)])


def _of_another():
    """A network with the name of a layer of MobileNet, as ResNet has it."""
    return keras.Sequential([keras.Input((32, 32, 3)), layers.Conv2D(4, 3), layers.ReLU(name="conv1_relu")])


def _v3(**arguments):
    return kl.MobileNetV3Small(weights=None, input_shape=(32, 32, 3), **arguments)


KNOWN = {
    "MicroNet": (_micronet, IMAGENET_STATISTICS),
    "MobileNet": (lambda: kl.MobileNet(alpha=0.25, weights=None, input_shape=(32, 32, 3)), SYMMETRIC),
    "MobileNetV3": (_v3, RAW),
    "MobileNetV3 without its scaling": (lambda: _v3(include_preprocessing=False), None),
    "a backbone inside": (lambda: _in_front(keras.Sequential([layers.RandomFlip()])), IMAGENET_STATISTICS),
    "its own scaling": (lambda: _in_front(layers.Rescaling(1 / 255)), None),
    "one channel": (lambda: kl.MicroNetM0(weights=None, input_shape=(32, 32, 1)), None),
    "another network": (_of_another, None),
}


@pytest.mark.parametrize("name", KNOWN)
def test_models_are_known_by_their_network(name):
    make, preprocessing = KNOWN[name]
    assert find_preprocessing(functional(make())) == preprocessing


REFUSED = {
    "text": ("imagenet", "must be 'auto', None or a `Preprocessing`. Received: 'imagenet'"),
    "two numbers": (((0, 0), (1, 1)), r"`mean` is \(0, 0\), not three numbers"),
    "a deviation of zero": (((0, 0, 0), (1, 0, 1)), "`std` is .*, not positive"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_preprocessing_is_refused(name, tmp_path):
    preprocessing, message = REFUSED[name]
    with pytest.raises(UserError, match=message):
        to_tflite(_of_another(), tmp_path / "model.tflite", preprocessing=preprocessing)


# What is left of the normalisation in an inference graph.


def _first(*first):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((12, 10, 3)), *first, layers.GlobalAveragePooling2D(), layers.Dense(4)])


FOLDED = {
    "padding": ([layers.Conv2D(6, 3, padding="same", strides=2)], 1),
    "padding before": ([layers.ZeroPadding2D(1), layers.Conv2D(6, 3, strides=2)], 1),
    "no padding": ([layers.Conv2D(6, 3)], 0),
    "groups": ([layers.Conv2D(6, 3, groups=3)], 0),
    "depthwise": ([layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)], 1),
}


@pytest.mark.parametrize("name", FOLDED)
def test_the_normalisation_is_folded_exactly(name):
    first, operators = FOLDED[name]
    model = functional(_first(*first))
    fused = fuse(with_pixels(model, CHANNELS))
    kinds = [type(layer) for layer in fused.layers]
    assert kinds.count(ColumnBias) == operators and layers.BatchNormalization not in kinds
    images = PIXELS[:, :12, :10]
    expected = model.predict(CHANNELS(images), verbose=0)
    # The border counts: on images this small it is a third of the pixels.
    np.testing.assert_allclose(fused.predict(images, verbose=0), expected, atol=2e-5 * np.abs(expected).max())


# What the files are, and what they say.


@pytest.fixture(scope="module")
def model():
    model = kl.MobileNet(alpha=0.25, weights=None, input_shape=(32, 32, 3), classes=10)
    seed_weights(model, calibrated_scales(model, SYMMETRIC(PIXELS)))
    return model


@pytest.fixture(scope="module")
def files(model, tmp_path_factory):
    """Files of one model with labels, by quantization and the type of their ends, and their reports."""
    folder, written = tmp_path_factory.mktemp("files"), {}
    metadata = Metadata("MobileNet-alpha=0.25", NAMES, 32, 1.0, SYMMETRIC).to_dict()
    head = fuse(model).get_layer("conv_preds").name
    with Exporter(model, SYMMETRIC(PIXELS)) as exporter:
        for quantization, keep_float, io in (
            (None, (), None),
            ("dynamic", (), None),
            ("int8", (), None),
            ("int8", (), "int8"),
            ("int8", [head], None),
        ):
            name = "-".join([str(quantization), *keep_float, io or "usual"])
            path = folder / f"{name}.tflite"
            written[name] = path, exporter.write(path, quantization, metadata, keep_float, io)
    return written


def test_files_take_pixels_as_they_are(files, model):
    expected = model.predict(SYMMETRIC(PIXELS), verbose=0)
    ends = {
        "None-usual": ("float32", 1e-6),
        "dynamic-usual": ("float32", 0.01),
        "int8-usual": ("uint8", 0.03),
        "int8-int8": ("int8", 0.03),
        "int8-conv_preds-usual": ("uint8", 0.03),
    }
    assert set(files) == set(ends)
    for name, (kind, largest) in ends.items():
        path, report = files[name]
        runner = TFLiteModel(path)
        found = np.abs(runner.predict(PIXELS) - expected).max()
        assert found < largest and report.max_abs_diff == pytest.approx(found, abs=1e-6), name
        assert (report.io, report.pixels, report.partitions, runner.io) == (kind, "0..255", 1, kind)
        slow = report.reference_kernels_diff
        assert slow is None if kind == "float32" else 0 < slow < largest
        if kind != "float32":
            assert runner._input["quantization"] == (1.0, 0 if kind == "uint8" else -128)


def test_the_record_of_a_file(files, model):
    path, report = files["int8-usual"]
    about = json.loads(zipfile.ZipFile(path).read("keras_lightnets.json"))["input"]
    assert (about["pixels"], about["mean"], about["std"], about["size"]) == ("0..255", [0, 0, 0], [1, 1, 1], 32)
    assert about["inside"] == {"mean": [127.5] * 3, "std": [127.5] * 3}
    assert metadata_of(path).preprocessing == RAW
    assert zipfile.ZipFile(path).read("labels.txt").decode().split("\n")[:-1] == NAMES
    # Samples are images as the model takes them.
    assert verify(path, model, SYMMETRIC(PIXELS)).max_abs_diff == report.max_abs_diff
    np.testing.assert_array_equal(ModelFile(path).predict(PIXELS), TFLiteModel(path).predict(PIXELS))


def test_tensors_have_names_and_buffers_are_inside(files):
    for path, _ in files.values():
        content = path.read_bytes()
        graph = schema.Model.GetRootAs(content)
        tensors = graph.Subgraphs(0)
        ends = [tensors.Tensors(tensors.Inputs(0)).Name(), tensors.Tensors(tensors.Outputs(0)).Name()]
        assert ends == [b"image", b"scores"]
        (signature,) = TFLiteModel(path)._interpreter.get_signature_list().values()
        assert signature == {"inputs": ["image"], "outputs": ["scores"]}
        buffers = [graph.Buffers(number) for number in range(graph.BuffersLength())]
        assert {buffer.Offset() for buffer in buffers} == {0}
        starts = [each._tab.Vector(each._tab.Offset(4)) for each in buffers if each.DataLength()]
        assert {start % 16 for start in starts} == {0}
        described = [graph.Metadata(number) for number in range(graph.MetadataLength())]
        (about,) = (entry.Buffer() for entry in described if entry.Name() == b"TFLITE_METADATA")
        assert buffers[about].DataAsNumpy()[4:8].tobytes() == b"M001"


@pytest.mark.slow
def test_a_quantisation_aware_model_takes_pixels(tmp_path):
    images = SYMMETRIC(PIXELS[:, :16, :16])
    aware = quantize_aware(small_network(), images)
    report = to_tflite(aware, tmp_path / "aware.tflite", "int8", samples=images, preprocessing=SYMMETRIC)
    runner = TFLiteModel(report.path)
    assert (report.io, report.pixels, runner._input["quantization"]) == ("uint8", "0..255", (1.0, 0))
    expected = aware.predict(images, verbose=0)
    np.testing.assert_allclose(runner.predict(PIXELS[:, :16, :16]), expected, atol=0.01)
    assert "DEQUANTIZE" not in runner.operators and report.reference_kernels_diff < 0.01


def test_the_older_form_can_be_had_back(model, tmp_path):
    images, labels = SYMMETRIC(PIXELS), {"labels": NAMES}
    old = to_tflite(model, tmp_path / "old.tflite", samples=images, metadata=labels, preprocessing=None)
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(TFLiteModel(tmp_path / "old.tflite").predict(images), expected, atol=1e-6)
    record = json.loads(zipfile.ZipFile(old.path).read("keras_lightnets.json"))
    assert old.pixels is None and record == {"task": "classify", **labels}


def test_files_of_version_0_1_0_are_read_as_before():
    folder = Path(__file__).parent / "goldens" / "version_0_1_0"
    path = folder / "model_float16.tflite"
    model = kl.MicroNetM0(weights=folder / "model.weights.h5", input_shape=(48, 48, 3), classes=10)
    images = IMAGENET_STATISTICS(PIXELS.repeat(2, 1)[:4, :48].repeat(2, 2)[:, :, :48])
    report = verify(path, model, images)
    assert metadata_of(path).preprocessing == IMAGENET_STATISTICS
    assert report.pixels == "(0..255 - mean) / std" and report.max_abs_diff < 0.02


ENDS = {
    "a float file": ((None, "uint8"), "quantization=None is one of .*float32.* Received: io='uint8'"),
    "int16": (("int8", "int16"), "quantization='int8' is one of .*uint8.* Received: io='int16'"),
}


@pytest.mark.parametrize("name", ENDS)
def test_ends_that_a_file_cannot_have(name, model, tmp_path):
    (quantization, io), message = ENDS[name]
    with pytest.raises(UserError, match=message):
        to_tflite(model, tmp_path / "model.tflite", quantization, SYMMETRIC(PIXELS), io=io)
    with pytest.raises(UserError, match="`float_io=True` means io='float32'. Received: io='int8'"):
        to_tflite(model, tmp_path / "model.tflite", "int8", SYMMETRIC(PIXELS), float_io=True, io="int8")
    assert not list(tmp_path.iterdir())
