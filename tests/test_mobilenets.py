"""The MobileNets are those of `keras.applications`, which runs beside them here."""

import inspect
import math
import re
from urllib.error import URLError

import keras
import numpy as np
import pytest

import keras_lightnets as kl
from keras_lightnets.applications import mobilenet, mobilenet_v2, mobilenet_v3
from keras_lightnets.weights import download
from tools.seeded import run, seed_weights, seeded_images
from tools.zoo import ZOO

MOBILENETS = [case for case in ZOO if case.build.__name__.startswith("MobileNet")]
BUILDERS = (kl.MobileNet, kl.MobileNetV2, kl.MobileNetV3Large, kl.MobileNetV3Small)
# Names that Keras numbers anew for each model of a process; ours are fixed.
COUNTED = re.compile(r"(re_lu|activation|global_(average|max)_pooling2d|rescaling|dropout|flatten|input_layer)(_\d+)?")
# Odd sides, which the stem and the strided blocks pad each in their way.
IMAGES = (2, 97, 65, 3)

every_builder = pytest.mark.parametrize("builder", BUILDERS, ids=lambda builder: builder.__name__)


def reference(builder):
    """Returns the builder of `keras.applications` that `builder` stands in for."""
    return getattr(keras.applications, builder.__name__)


def randomise(model, images):
    """Gives `model` seeded weights, and batch normalisation the statistics that `images` have on them."""
    seed_weights(model, {})
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momentum = norms[0].momentum
    for norm in norms:
        norm.momentum = 0.0
    model(images, training=True)
    for norm in norms:
        norm.momentum = momentum
    return model


def assert_same_layers(ours, theirs):
    assert ours.name == theirs.name
    for layer, twin in zip(ours.layers, theirs.layers, strict=True):
        # Our batch normalisation is a faster kind of Keras' own.
        assert isinstance(layer, type(twin))
        assert layer.name == twin.name or COUNTED.fullmatch(twin.name)
        assert layer.output.shape == twin.output.shape
        assert layer.get_config() | {"name": ""} == twin.get_config() | {"name": ""}
    assert [(w.path, w.shape) for w in ours.weights] == [(w.path, w.shape) for w in theirs.weights]


def assert_same_weights(ours, theirs):
    for array, twin in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(array, twin)


def slow_unless(*fast):
    """Parametrises over the MobileNets of the zoo, all of them slow but those with an id in `fast`."""
    assert set(fast) <= {case.id for case in MOBILENETS}
    marks = {False: pytest.mark.slow, True: ()}
    return pytest.mark.parametrize(
        "case", [pytest.param(case, marks=marks[case.id in fast], id=case.id) for case in MOBILENETS]
    )


@every_builder
def test_signature(builder):
    assert inspect.signature(builder) == inspect.signature(reference(builder))


@slow_unless(
    "MobileNet-alpha=0.25",
    "MobileNetV2-alpha=0.35",
    "MobileNetV3Small-alpha=0.75",
)
def test_same_network(case, tmp_path):
    """Layers, weights read from Keras' files and written for Keras, and logits."""
    arguments = {"input_shape": IMAGES[1:], "classifier_activation": None, "classes": 11}
    theirs = reference(case.build)(**case.kwargs, **arguments, weights=None)
    images = seeded_images(IMAGES)
    randomise(theirs, images)
    expected = run(theirs, images)
    # Else equal logits would prove little.
    assert np.abs(expected[0] - expected[1]).max() > 0.1

    theirs.save(tmp_path / "theirs.h5", include_optimizer=False)
    ours = case.build(**case.kwargs, **arguments, weights=str(tmp_path / "theirs.h5"))
    assert_same_layers(ours, theirs)
    np.testing.assert_allclose(run(ours, images), expected, rtol=0, atol=1e-5)

    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.set_weights([array + 1.0 for array in ours.get_weights()])
    ours.load_weights(tmp_path / "theirs.weights.h5")
    assert_same_weights(ours, theirs)

    for name, save in (("ours.h5", ours.save), ("ours.weights.h5", ours.save_weights)):
        ours.set_weights([array + 1.0 for array in ours.get_weights()])
        save(tmp_path / name)
        theirs.load_weights(tmp_path / name)
        assert_same_weights(ours, theirs)


@slow_unless("MobileNetV2-alpha=1.4")
def test_numbers_are_those_of_keras(case):
    model = reference(case.build)(**case.kwargs, weights=None, input_shape=(224, 224, 3))
    assert model.count_params() == case.total
    assert sum(math.prod(w.shape) for w in model.trainable_weights) == case.params


@pytest.mark.parametrize(
    "arguments",
    [
        {"include_top": False},
        pytest.param({"include_top": False, "input_shape": (123, 123, 3), "pooling": "max"}, marks=pytest.mark.slow),
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"alpha": 1.25, "input_shape": (96, 160, 3)}, marks=pytest.mark.slow),
        pytest.param({"include_top": False, "input_shape": (123, 123, 3)}, marks=pytest.mark.slow),
    ],
    ids=str,
)
@every_builder
def test_same_layers(builder, arguments):
    assert_same_layers(builder(weights=None, **arguments), reference(builder)(weights=None, **arguments))


@pytest.mark.parametrize(
    ("builder", "arguments"),
    [
        (kl.MobileNet, {"depth_multiplier": 2, "dropout": 0.5}),
        (kl.MobileNetV3Small, {"minimalistic": True, "include_preprocessing": False, "dropout_rate": 0.0}),
        pytest.param(kl.MobileNetV3Large, {"include_preprocessing": False}, marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_own_arguments(builder, arguments):
    arguments = {"weights": None, "input_shape": (64, 64, 3), "name": "own", **arguments}
    assert_same_layers(builder(**arguments), reference(builder)(**arguments))


@every_builder
def test_channels_first(builder):
    keras.config.set_image_data_format("channels_first")
    try:
        arguments = {"weights": None, "include_top": False, "input_shape": (3, 123, 96)}
        assert_same_layers(builder(**arguments), reference(builder)(**arguments))
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.slow
def test_preprocessing_is_in_mobilenet_v3():
    pixels = seeded_images((1, 64, 64, 3)) * 60 + 128
    with_it = randomise(kl.MobileNetV3Small(weights=None, input_shape=(64, 64, 3)), pixels)
    without = kl.MobileNetV3Small(weights=None, input_shape=(64, 64, 3), include_preprocessing=False)
    without.set_weights(with_it.get_weights())
    scaled = mobilenet_v2.preprocess_input(pixels)
    np.testing.assert_allclose(run(without, scaled), run(with_it, pixels), atol=1e-6)


@pytest.mark.parametrize("module", (mobilenet, mobilenet_v2, mobilenet_v3), ids=lambda module: module.__name__)
@pytest.mark.parametrize("dtype", ("uint8", "float32"))
def test_preprocess_input(module, dtype):
    twin = getattr(keras.applications, module.__name__.rsplit(".", 1)[-1])
    pixels = np.arange(2 * 4 * 3 * 3, dtype=dtype).reshape(2, 4, 3, 3)
    before = pixels.copy()
    np.testing.assert_allclose(module.preprocess_input(pixels), twin.preprocess_input(pixels.copy()), atol=1e-6)
    np.testing.assert_array_equal(pixels, before)
    tensor = keras.ops.convert_to_tensor(pixels.astype("float32"))
    np.testing.assert_allclose(module.preprocess_input(tensor), twin.preprocess_input(tensor), atol=1e-6)


def _refuse_download(*_):
    raise URLError("offline")


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """An empty cache of Keras and no network; Keras offers no public way to redirect its downloads."""
    # Private: `get_file` looks the download up here, and no public name reaches it.
    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", _refuse_download)
    # Private: the public KERAS_HOME is read once, when Keras is imported, which is over by now.
    monkeypatch.setattr("keras.src.utils.file_utils.config.keras_home", lambda: str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("builder", "arguments"),
    [
        (kl.MobileNet, {"weights": "imagenet-21k"}),
        (kl.MobileNet, {"classes": 10}),
        (kl.MobileNet, {"alpha": 0.9}),
        (kl.MobileNet, {"depth_multiplier": 2}),
        (kl.MobileNet, {"input_shape": (200, 200, 3)}),
        (kl.MobileNet, {"input_shape": (64, 64, 1), "include_top": False}),
        (kl.MobileNet, {"classifier_activation": "relu"}),
        (kl.MobileNet, {"weights": None, "input_shape": (31, 64, 3)}),
        (kl.MobileNet, {"weights": None, "input_shape": (64, 64)}),
        (kl.MobileNet, {"weights": None, "input_shape": (None, None, 3)}),
        (kl.MobileNetV2, {"weights": "imagenet-21k"}),
        (kl.MobileNetV2, {"classes": 10}),
        (kl.MobileNetV2, {"alpha": 1.1}),
        (kl.MobileNetV2, {"input_shape": (200, 200, 3)}),
        (kl.MobileNetV2, {"weights": None, "input_shape": (31, 64, 3)}),
        (kl.MobileNetV2, {"weights": None, "input_tensor": keras.Input((64, 64, 3)), "input_shape": (96, 96, 3)}),
        (kl.MobileNetV3Small, {"weights": "imagenet-21k"}),
        (kl.MobileNetV3Small, {"classes": 10}),
        (kl.MobileNetV3Small, {"alpha": 0.5, "input_shape": (224, 224, 3)}),
        (kl.MobileNetV3Large, {"alpha": 0.75, "minimalistic": True, "input_shape": (224, 224, 3)}),
        (kl.MobileNetV3Large, {"weights": None, "input_shape": (31, 31, 3)}),
        (kl.MobileNetV3Large, {"weights": None, "input_tensor": keras.Input((64, 64, 3)), "input_shape": (96, 96, 3)}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_refused_with_keras(builder, arguments, offline):
    with pytest.raises(ValueError) as theirs:
        reference(builder)(**arguments)
    with pytest.raises(ValueError) as ours:
        builder(**arguments)
    # The argument that the messages blame, where they name one.
    blamed = re.search(r"`(\w+)`", str(theirs.value))
    assert blamed is None or blamed.group(1) in str(ours.value)


@pytest.mark.parametrize("builder", (*BUILDERS, mobilenet.ConvMobileNet, mobilenet.ShallowMobileNet))
@pytest.mark.parametrize("alpha", (0, -1.0, "1.0"))
def test_alpha_is_refused(builder, alpha):
    with pytest.raises(ValueError, match="`alpha` must be a positive number. Received: alpha="):
        builder(alpha=alpha, weights=None)


def test_a_tensor_overrules_the_shape():
    """In V1 alone, as Keras documents it."""
    arguments = {"weights": None, "include_top": False, "input_shape": (64, 64, 3)}
    model = kl.MobileNet(**arguments, input_tensor=keras.Input((96, 128, 3)))
    twin = keras.applications.MobileNet(**arguments, input_tensor=keras.Input((96, 128, 3)))
    assert model.output_shape == twin.output_shape == (None, 3, 4, 1024)


@pytest.mark.parametrize("builder", (kl.MobileNet, kl.MobileNetV2), ids=lambda builder: builder.__name__)
def test_unusual_channels_warn(builder):
    with pytest.warns(UserWarning, match="usually expects 1 or 3 input channels"):
        model = builder(weights=None, include_top=False, input_shape=(None, None, 4))
    assert model.input_shape == (None, None, None, 4)


@pytest.mark.parametrize(
    ("builder", "arguments", "file"),
    [
        (kl.MobileNet, {"alpha": 0.25, "input_shape": (128, 128, 3)}, "mobilenet_2_5_128_tf.h5"),
        pytest.param(
            kl.MobileNetV2,
            {"alpha": 0.35, "include_top": False, "input_shape": (96, 96, 3)},
            "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_96_no_top.h5",
            marks=pytest.mark.slow,
        ),
        (
            kl.MobileNetV3Small,
            {"minimalistic": True, "input_shape": (224, 224, 3)},
            "weights_mobilenet_v3_small_minimalistic_224_1.0_float.h5",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_imagenet_weights_are_those_of_keras(builder, arguments, file, monkeypatch, tmp_path):
    released = reference(builder)(**arguments, weights=None)
    seed_weights(released, {})
    released.save(tmp_path / file, include_optimizer=False)
    # Private, in place of the download, its cache and the check of the MD5 sum: the public `keras.utils.get_file` is
    # another name of this function, which keras.applications does not look up.
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda name, *_, **__: str(tmp_path / name))
    monkeypatch.setattr(download, "fetch", lambda record: tmp_path / record.file)
    model = builder(**arguments)
    assert_same_layers(model, released)
    assert_same_weights(model, released)


def test_imagenet_weights_above_another_network(monkeypatch, tmp_path):
    """They go to the layers of MobileNet, and leave those before it alone."""
    file = "mobilenet_2_5_128_tf_no_top.h5"
    released = keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None)
    released.save(tmp_path / file, include_optimizer=False)
    # Private: keras.applications looks its downloads up here, not at the public `keras.utils.get_file`.
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda name, *_, **__: str(tmp_path / name))
    monkeypatch.setattr(download, "fetch", lambda record: tmp_path / record.file)
    inputs = keras.Input((256, 256, 1))
    first = keras.layers.Conv2D(3, 2, strides=2, name="first")
    tensor = first(inputs)
    before = first.get_weights()
    model = kl.MobileNet(input_shape=(128, 128, 3), input_tensor=tensor, alpha=0.25, include_top=False)
    assert model.inputs == [inputs] and model.name == "mobilenet_0.25_128"
    for array, twin in zip(model.get_weights(), [*before, *released.get_weights()], strict=True):
        np.testing.assert_array_equal(array, twin)


@every_builder
def test_a_failed_download_is_an_error(builder, offline):
    with pytest.raises(Exception, match="URL fetch failure on https://storage.googleapis.com/.*mobilenet"):
        builder(input_shape=(224, 224, 3))


def test_a_file_of_another_network_is_refused(tmp_path):
    path = tmp_path / "narrow.h5"
    kl.MobileNet(alpha=0.25, include_top=False, weights=None).save(path, include_optimizer=False)
    with pytest.raises(ValueError, match=r"narrow\.h5 does not fit mobilenet_0\.50_None: .*shape"):
        kl.MobileNet(alpha=0.5, include_top=False, weights=str(path))
