"""Every public builder keeps the contract of `keras.applications`."""

import doctest
import importlib
import inspect
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_lightnets as kl
from keras_lightnets.applications import mobilenet
from keras_lightnets.preprocessing import IMAGENET_STATISTICS, RAW, SYMMETRIC
from keras_lightnets.weights import list_weights
from tools.seeded import seed_weights, seeded_images
from tools.zoo import ZOO, by_cost

# One variant of every builder, the cheapest.
CASES = [
    min((case for case in ZOO if case.build is build), key=by_cost)
    for build in dict.fromkeys(case.build for case in ZOO)
]
KERAS_BORN = [case for case in CASES if hasattr(keras.applications, case.build.__name__)]
OURS = [case for case in CASES if case not in KERAS_BORN]
SMALLEST = min(CASES, key=lambda case: case.params)
MODULES = sorted({case.build.__module__ for case in CASES})
ROOT = Path(__file__).parents[1]

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.build.__name__)
# Builders that share every block with a sibling above run what takes long in `make test-all` only.
SIBLINGS = ("MicroNetM1", "MicroNetM2", "MobileNetV3Large", "ReXNetLite", "ReXNetR")
each_kind = pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.build.__name__, marks=pytest.mark.slow if case.build.__name__ in SIBLINGS else ())
        for case in CASES
    ],
)
each_of_ours = pytest.mark.parametrize("case", OURS, ids=lambda case: case.build.__name__)
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda name: name.rsplit(".", 1)[-1])


def build(case, **arguments):
    """The variant of `case` without weights."""
    return case.build(**{**case.kwargs, "weights": None, **arguments})


# The logic of applications_test.py of Keras.


@pytest.mark.slow
@each_kind
def test_unknown_size_and_any_channels(case):
    shape = (None, None, 4)
    if "MobileNetV3" in case.build.__name__:  # silent, as in keras.applications
        model = build(case, include_top=False, input_shape=shape)
    else:
        with pytest.warns(UserWarning, match="usually expects 1 or 3 input channels.*4"):
            model = build(case, include_top=False, input_shape=shape)
    assert model.output_shape == (None, None, None, case.features)


@each_kind
def test_odd_size(case):
    model = build(case, include_top=False, input_shape=(123, 123, 3), name="mine")
    side = 3 if case.build.__name__ == "MobileNet" else 4
    assert model.output_shape == (None, side, side, case.features)
    assert model.name == "mine"


@each_kind
def test_intermediate_tensor_as_input(case):
    inputs = keras.Input((200, 200, 4))
    x = keras.layers.Conv2D(3, 2, strides=2)(inputs)
    model = build(case, include_top=False, input_tensor=x)
    assert model.inputs[0] is inputs
    assert model.output_shape[-1] == case.features


@pytest.mark.slow
@each_kind
def test_default_shape(case):
    model = build(case)
    assert model.input_shape == ((None, None, None, 3) if "V3" in model.name else (None, 224, 224, 3))
    assert model.output_shape == (None, 1000)


@pytest.mark.parametrize("pooling", (pytest.param("avg", marks=pytest.mark.slow), "max"))
@each_kind
def test_pooling_of_grey_images(case, pooling):
    model = build(case, include_top=False, pooling=pooling, input_shape=(None, None, 1))
    assert model.input_shape == (None, None, None, 1)
    assert model.output_shape == (None, case.features)
    kind = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}[pooling]
    assert isinstance(model.layers[-1], kind)


@each_kind
def test_classifier_activation(case):
    model = build(case, input_shape=(32, 32, 3), classes=7)
    assert model.layers[-1].activation is keras.activations.softmax
    assert model.output_shape == (None, 7)
    np.testing.assert_allclose(np.sum(model(seeded_images((2, 32, 32, 3))), axis=-1), 1, atol=1e-5)


# The beginnings of three networks, in which every layer of ours occurs.
BEGINNINGS = {"MicroNetM0": "block4_last_shuffle", "ReXNet": "block3_add", "ShuffleNetV2": "stage2_unit2_shuffle"}


@pytest.mark.slow
@pytest.mark.chosen
def test_saved_models_load_in_a_fresh_process(tmp_path):
    images = seeded_images((2, 32, 48, 3))
    np.save(tmp_path / "images.npy", images)
    kinds = set()
    for name, end in BEGINNINGS.items():
        whole = getattr(kl, name)(weights=None, include_top=False, input_shape=images.shape[1:])
        model = keras.Model(whole.input, whole.get_layer(end).output)
        kinds |= {type(layer).__name__ for layer in model.layers}
        seed_weights(model, {})
        np.save(tmp_path / f"{name}.npy", model(images))
        model.save(tmp_path / f"{name}.keras")
    # The networks lay out the factors of these.
    assert kinds >= {name for name in vars(kl.layers) if name[0].isupper() and "MicroFactorized" not in name}
    script = (
        "import sys, pathlib, numpy as np, keras, keras_lightnets\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "images = np.load(folder / 'images.npy')\n"
        "for path in sorted(folder.glob('*.keras')):\n"
        "    outputs = keras.saving.load_model(path)(images)\n"
        "    np.testing.assert_allclose(outputs, np.load(path.with_suffix('.npy')), 1e-5, 1e-6, err_msg=path.name)\n"
        "    print(path.stem)\n"
    )
    result = subprocess.run([sys.executable, "-c", script, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == sorted(BEGINNINGS)


def test_channels_first_is_supported_or_refused():
    keras.config.set_image_data_format("channels_first")
    try:
        for case in OURS:
            with pytest.raises(ValueError, match="is channels_last only.*image_data_format='channels_first'"):
                build(case)
        for case in KERAS_BORN:
            model = build(case, include_top=False, input_shape=(3, None, None))
            assert model.output_shape == (None, case.features, None, None)
    finally:
        keras.config.set_image_data_format("channels_last")


# The errors.


@each
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": "imagenot"}, "`weights` argument should be either `None`.*Received: weights='imagenot'"),
        ({"input_shape": (31, 64, 3)}, r"at least 32x32.*input_shape=\(31, 64, 3\)"),
        ({"input_shape": (64, 64)}, r"tuple of three integers. Received: input_shape=\(64, 64\)"),
        ({"input_shape": 64}, r"tuple of three integers. Received: input_shape=64"),
        ({"input_shape": (64, 64.5, 3)}, r"tuple of three integers. Received: input_shape=\(64, 64.5, 3\)"),
        ({"input_shape": (64, 64, 0)}, r"tuple of three integers. Received: input_shape=\(64, 64, 0\)"),
        ({"classes": 0}, "`classes` must be a positive integer. Received: classes=0"),
        ({"classes": True}, "`classes` must be a positive integer. Received: classes=True"),
        ({"include_top": False, "pooling": "mean"}, "`pooling` must be None, 'avg' or 'max'.*'mean'"),
        ({"include_top": False, "input_shape": (64, 64, None)}, "must state the number of channels"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_refusals(case, arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        build(case, **arguments)
    assert "\n" not in str(error.value)


@each
def test_input_tensor_and_input_shape_agree(case):
    arguments = {"include_top": False, "input_tensor": keras.Input((96, 64, 3)), "input_shape": (64, 64, 3)}
    if case.build.__name__ == "MobileNet":  # the tensor wins, as in keras.applications
        assert build(case, **arguments).input_shape == (None, 96, 64, 3)
    else:
        with pytest.raises(ValueError, match="(?s)`?input_shape`? .*`?input_tensor`?.*(64, 64, 3)"):
            build(case, **arguments)


@pytest.mark.parametrize(
    "build",
    [
        kl.ShuffleNet,
        kl.applications.ShuffleNet,
        importlib.import_module("keras_lightnets.applications.shufflenet").ShuffleNet,
        lambda groups, **arguments: keras.tree.map_structure(partial(kl.ShuffleNet, **arguments), groups),
    ],
    ids=("root", "applications", "module", "keras"),
)
def test_warnings_name_the_line_of_the_user(build):
    arguments = {"alpha": 0.25, "weights": None, "include_top": False, "input_shape": (32, 32, 4)}
    with pytest.warns(UserWarning, match="usually expects 1 or 3 input channels") as caught:
        build(3, **arguments)
    (warning,) = caught
    line = Path(__file__).read_text("utf-8").splitlines()[warning.lineno - 1]
    assert warning.filename == __file__ and ("build(3, " in line or "keras.tree.map_structure" in line)


@each_of_ours
def test_the_classifier_wants_a_known_size(case):
    with pytest.raises(ValueError, match="`include_top` is True, you should specify a static `input_shape`"):
        build(case, input_shape=(None, None, 3))


@each_of_ours
def test_no_released_weights_is_an_error(case, monkeypatch, tmp_path):
    """Nothing random in their place: neither where there are none, nor where they cannot be had."""
    monkeypatch.setenv("KERAS_LIGHTNETS_OFFLINE", "1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    released = any(record.imagenet for record in list_weights(case.build.__name__, **case.kwargs))
    message = "not in the cache.*: unset it, or get https?://" if released else "none are released for this network yet"
    with pytest.raises(ValueError, match=f"{message}.*{'' if released else 'imagenet'}"):
        case.build(**case.kwargs)


# The builders share what reads the weights; two of them are of another origin.
@pytest.mark.parametrize(
    "case",
    [pytest.param(c, marks=() if c.build in (kl.MicroNetM0, kl.MobileNetV2) else pytest.mark.slow) for c in CASES],
    ids=lambda case: case.build.__name__,
)
def test_weights_by_path(case, tmp_path):
    path = tmp_path / "ten.weights.h5"
    model = build(case, input_shape=(32, 32, 3), classes=10)
    model.save_weights(path)
    with pytest.warns(UserWarning, match=r"the classifier for 11 classes is fresh.*ten\.weights\.h5 has 10 classes"):
        loaded = build(case, input_shape=(32, 32, 3), classes=11, weights=path)
    assert loaded.output_shape == (None, 11)
    for new, old in zip(loaded.get_weights(), model.get_weights(), strict=True):
        if new.shape == old.shape:
            np.testing.assert_array_equal(new, old)
    with pytest.raises(ValueError, match="Only `None` and `softmax` activations are allowed.*'sigmoid'"):
        build(case, input_shape=(32, 32, 3), classes=10, weights=path, classifier_activation="sigmoid")


def test_weights_that_do_not_fit(tmp_path):
    """One line, with the file, the variable and both shapes."""
    path = tmp_path / "ten.weights.h5"
    model = build(SMALLEST, input_shape=(32, 32, 3), classes=10)
    model.save_weights(path)
    layer = next(layer for layer in model.layers if layer.weights and "conv" in type(layer).__name__.lower())
    with h5py.File(path, "a") as file:
        (group,) = (group for group in file["layers"].values() if group["vars"].attrs["name"] == layer.name)
        kernel = group["vars/0"][()]
        del group["vars/0"]
        group["vars/0"] = kernel.swapaxes(1, 3)
    message = rf"ten\.weights\.h5 does not fit {model.name}: .*{layer.name}/kernel has shape=\(.*\), .* has shape=\("
    with pytest.raises(ValueError, match=message) as error:
        build(SMALLEST, input_shape=(32, 32, 3), classes=10, weights=path)
    assert str(kernel.shape) in str(error.value) and "\n" not in str(error.value)


def test_a_cut_weights_file(tmp_path):
    path = tmp_path / "cut.weights.h5"
    model = build(SMALLEST, input_shape=(32, 32, 3), classes=10)
    model.save_weights(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"cut\.weights\.h5 cannot be read.*truncated"):
        build(SMALLEST, input_shape=(32, 32, 3), classes=10, weights=path)


# What the builders share.


@each_of_ours
def test_signature(case):
    common = {
        "include_top": True,
        "weights": "imagenet",
        "input_tensor": None,
        "input_shape": None,
        "pooling": None,
        "classes": 1000,
        "classifier_activation": "softmax",
    }
    parameters = inspect.signature(case.build).parameters
    names = list(parameters)
    # Own arguments may stand before and behind.
    assert names[names.index("include_top") :][: len(common) + 1] == [*common, "name"]
    assert {name: parameters[name].default for name in common} == common


@pytest.mark.parametrize("case", KERAS_BORN, ids=lambda case: case.build.__name__)
def test_signature_of_keras(case):
    ours = inspect.signature(case.build).parameters
    theirs = inspect.signature(getattr(keras.applications, case.build.__name__)).parameters
    # Own arguments may follow.
    assert [(p.name, p.default) for p in ours.values()][: len(theirs)] == [(p.name, p.default) for p in theirs.values()]


@pytest.mark.parametrize(
    "build",
    [*(case.build for case in CASES), mobilenet.ConvMobileNet, mobilenet.ShallowMobileNet],
    ids=lambda build: build.__name__,
)
def test_docstring(build):
    """The arguments in the order of the signature, with their defaults, and an example that runs."""
    parameters = inspect.signature(build).parameters
    sections = re.split(r"\n\n(\w+):\n", inspect.getdoc(build))
    assert sections[1::2] == ["Args", "Returns", "Raises", "Reference", "Example"]
    arguments = re.split(r"(?m)^    (\w+): ", sections[2])[1:]
    assert arguments[::2] == list(parameters)
    for name, text in zip(arguments[::2], arguments[1::2], strict=True):
        default = parameters[name].default
        shown = f'"{default}"' if isinstance(default, str) else f"{default}"
        assert f"Defaults to {shown}" in " ".join(text.split()), name
    (example,) = doctest.DocTestFinder().find(build, build.__name__, globs={"keras_lightnets": kl})
    assert doctest.DocTestRunner().run(example).failed == 0 and example.examples


@pytest.mark.parametrize("policy", ("mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)))
@each_kind
def test_half_precision(case, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = build(case, include_top=False, pooling="avg", input_shape=(32, 32, 3))
        seed_weights(model, {})
        # Training mode normalises with the batch: random weights alone may leave the range of float16.
        outputs = model(seeded_images((2, 32, 32, 3)), training=True)
    finally:
        keras.config.set_dtype_policy(before)
    assert model.layers[-1].compute_dtype == policy.removeprefix("mixed_")
    assert np.isfinite(np.array(keras.ops.cast(outputs, "float32"))).all()


@pytest.mark.slow
@pytest.mark.chosen
@each_kind
def test_gradients_reach_every_variable(case):
    model = build(case, input_shape=(32, 32, 3), classes=10, classifier_activation=None)
    seed_weights(model, {})
    with tf.GradientTape() as tape:
        # Training mode normalises with the batch, whatever the random weights do.
        logits = model(seeded_images((4, 32, 32, 3)), training=True)
        loss = tf.reduce_mean(tf.range(40.0) * tf.reshape(logits, (-1,)))
    assert model.layers[-1].activation is keras.activations.linear
    assert np.isfinite(logits).all()
    found = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    for weight, gradient in zip(model.trainable_weights, found, strict=True):
        assert gradient is not None, weight.path
        assert np.isfinite(np.array(gradient)).all(), weight.path
        assert np.abs(np.array(gradient)).max() > 0, weight.path


# What stands beside the builders.


@each_module
def test_preprocess_input(module):
    module = importlib.import_module(module)
    images = np.random.RandomState(0).uniform(0, 255, (2, 4, 5, 3)).astype("float32")
    before = images.copy()
    outputs = module.preprocess_input(images)
    np.testing.assert_array_equal(images, before)
    expected = {
        IMAGENET_STATISTICS: (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        SYMMETRIC: images / 127.5 - 1,
        RAW: images,
    }[module.preprocess_input]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    whole = images.astype("uint8")
    np.testing.assert_allclose(
        module.preprocess_input(whole), module.preprocess_input(whole.astype("float32")), atol=1e-6
    )
    first = module.preprocess_input(images.transpose(0, 3, 1, 2), data_format="channels_first")
    np.testing.assert_allclose(first.transpose(0, 2, 3, 1), outputs, atol=1e-6)
    tensors = module.preprocess_input(keras.ops.convert_to_tensor(images))
    np.testing.assert_allclose(tensors, outputs, atol=1e-5)
    with pytest.raises(ValueError, match="data_format to be 'channels_first' or 'channels_last'.*'channels_middle'"):
        module.preprocess_input(images, data_format="channels_middle")


@each_module
def test_decode_predictions(module):
    module = importlib.import_module(module)
    scores = np.zeros((2, 1000), "float32")
    scores[0, [386, 101]] = 0.7, 0.2
    scores[1, 0] = 1.0
    first, second = module.decode_predictions(scores, top=2)
    assert [(wnid, name) for wnid, name, _ in first] == [("n02504458", "African_elephant"), ("n01871265", "tusker")]
    assert [score for *_, score in first] == pytest.approx([0.7, 0.2])
    assert second[0] == ("n01440764", "tench", 1.0) and len(second) == 2
    with pytest.raises(ValueError, match=r"array of shape \(samples, 1000\).*\(2, 999\)"):
        module.decode_predictions(scores[:, :-1])
