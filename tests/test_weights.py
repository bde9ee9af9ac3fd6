"""Weights files of every format are loaded whole, adapted as documented, or not at all, with one clear line."""

import pickle
import sys
import warnings
import zipfile

import keras
import numpy as np
import pytest
import safetensors.numpy

import keras_lightnets as kl
from keras_lightnets.weights import load_safetensors, readers, save_safetensors
from tools.goldens.torch_weights import checkpoint
from tools.seeded import run, seed_weights, seeded_images

SHAPE = (32, 32, 3)


def shufflenet(**arguments):
    """A small network with everything that maps of names must know: groups, depthwise convolutions and stages."""
    return kl.ShuffleNet(alpha=0.25, variant="shallow", **{"input_shape": SHAPE, "weights": None, **arguments})


@pytest.fixture(scope="module")
def trained():
    """A network of ten classes with seeded weights."""
    model = shufflenet(classes=10)
    seed_weights(model, {})
    return model


@pytest.fixture(scope="module")
def state():
    """One of 1000 classes as pytorchcv has it."""
    model = shufflenet()
    return checkpoint(model, seed_weights(model, {}), "ShuffleNet", "pytorchcv")


@pytest.fixture
def stored(tmp_path):
    """Writes arrays as a `.safetensors` file of others."""

    def write(arrays):
        path = tmp_path / "theirs.safetensors"
        safetensors.numpy.save_file({n: np.ascontiguousarray(array) for n, array in arrays.items()}, path)
        return path

    return write


def assert_same(model, other, but=("seed",)):
    others = {variable.path: variable for variable in other.variables}
    for variable in model.variables:
        if not any(part in variable.path for part in but):
            np.testing.assert_array_equal(variable.numpy(), others[variable.path].numpy(), err_msg=variable.path)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_formats_of_our_own(trained, tmp_path):
    paths = [tmp_path / name for name in ("a.weights.h5", "a.keras", "a.h5", "a.safetensors")]
    trained.save_weights(paths[0])
    trained.save(paths[1])
    trained.save(paths[2], include_optimizer=False)
    save_safetensors(trained, paths[3])
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(paths[0], "folder/a.weights.h5")
    for path in (*paths, tmp_path / "a.zip"):
        assert_same(shufflenet(classes=10, weights=path), trained)
    # Content tells the format, not the name.
    (tmp_path / "anything").write_bytes(paths[2].read_bytes())
    assert_same(shufflenet(include_top=False, weights=str(tmp_path / "anything")), trained)


def test_other_classes_are_said_so(trained, tmp_path):
    trained.save_weights(tmp_path / "ten.weights.h5")
    message = "shufflenet_shallow_g3_0.25: the classifier for 7 classes is fresh, .* in logits: .*ten.* has 10 classes"
    with pytest.warns(UserWarning, match=message) as caught:
        model = shufflenet(classes=7, weights=tmp_path / "ten.weights.h5")
    # The line above all of the package and of Keras.
    assert [warning.filename for warning in caught] == [__file__]
    assert model.output_shape == (None, 7)
    assert_same(model, trained, but=("logits",))
    # A backbone has no classifier to go on with.
    shufflenet(include_top=False).save_weights(tmp_path / "backbone.weights.h5")
    with pytest.raises(ValueError, match="no tensor 'logits/0' for the variable logits/kernel of shape=.360, 10."):
        shufflenet(classes=10, weights=tmp_path / "backbone.weights.h5")


@pytest.mark.slow
def test_other_channels_mean_the_same(trained, tmp_path):
    """One channel says what three equal ones say, and further channels nothing yet."""
    trained.save_weights(tmp_path / "rgb.weights.h5")
    arguments = {"classes": 10, "weights": tmp_path / "rgb.weights.h5"}
    grey, five = seeded_images((2, 32, 32, 1)), seeded_images((2, 32, 32, 5))
    for images, rgb in ((grey, np.repeat(grey, 3, axis=-1)), (five, five[..., :3])):
        with warnings.catch_warnings(action="ignore"):
            model = shufflenet(input_shape=images.shape[1:], **arguments)
        expected = run(trained, rgb)
        np.testing.assert_allclose(run(model, images), expected, atol=1e-5)


def test_other_channels(trained, tmp_path):
    path = tmp_path / "rgb.weights.h5"
    trained.save_weights(path)
    kernel = trained.get_layer("stem_conv").kernel.numpy()
    grey = shufflenet(classes=10, weights=path, input_shape=(32, 32, 1))
    np.testing.assert_allclose(grey.get_layer("stem_conv").kernel, kernel.sum(axis=2, keepdims=True), rtol=1e-6)
    with pytest.warns(UserWarning, match="usually expects 1 or 3 input channels") as caught:
        five = shufflenet(classes=10, weights=path, input_shape=(32, 32, 5)).get_layer("stem_conv").kernel.numpy()
    assert [warning.filename for warning in caught] == [__file__]
    np.testing.assert_array_equal(five[:, :, :3], kernel)
    assert not five[:, :, 3:].any()
    with (
        pytest.warns(UserWarning, match="usually expects"),
        pytest.raises(ValueError, match=r"stem_conv/kernel has shape=\(3, 3, 2, 6\).*shape=\(3, 3, 3, 6\)"),
    ):
        shufflenet(classes=10, weights=path, input_shape=(32, 32, 2))


def test_weights_above_another_network(trained, tmp_path):
    path = tmp_path / "ten.weights.h5"
    trained.save_weights(path)
    inputs = keras.Input((64, 64, 1))
    first = keras.layers.Conv2D(3, 2, strides=2, name="first")
    tensor = first(inputs)
    before = first.get_weights()
    model = shufflenet(weights=path, classes=10, input_tensor=tensor, input_shape=None)
    assert model.inputs == [inputs]
    for array, twin in zip(first.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, twin)
    assert_same(trained, model)


def test_any_other_model_as_safetensors(tmp_path):
    def network(units):
        inputs = keras.Input((4,))
        x = keras.layers.Dense(units, name="hidden", dtype="bfloat16")(inputs)
        return keras.Model(inputs, keras.layers.BatchNormalization(name="norm")(x), name="other")

    model, twin, wider = network(3), network(3), network(5)
    seed_weights(model, {})
    path = tmp_path / "any.safetensors"
    save_safetensors(model, path)
    load_safetensors(twin, path)
    assert_same(twin, model)
    before = wider.get_weights()
    with pytest.raises(ValueError, match=r"hidden/kernel has shape=\(4, 5\), and the tensor .* has shape=\(4, 3\)"):
        load_safetensors(wider, path)
    for array, old in zip(wider.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, old)


def _changed(state, tensor, change):
    return {name: change(array) if name == tensor else array for name, array in state.items()}


UNIT = "features.stage1.unit2.expand_conv3.weight"
MISFITS = {
    "one missing": (
        lambda s: {name: array for name, array in s.items() if name != UNIT},
        rf"no tensor '{UNIT}' for the variable stage2_unit2_expand/kernel of shape=\(1, 1, 8, 96\)",
    ),
    "one extra": (
        lambda s: {**s, "teacher.weight": np.zeros((2, 3), "float32")},
        r"no variable takes the tensor 'teacher.weight' of shape=\(2, 3\)",
    ),
    "one transposed": (
        lambda s: _changed(s, UNIT, lambda array: array.swapaxes(0, 1)),
        rf"stage2_unit2_expand/kernel has shape=\(1, 1, 8, 96\), and the tensor '{UNIT}' has shape=\(8, 96, 1, 1\)",
    ),
    "classifier transposed": (
        lambda s: _changed(s, "output.weight", lambda array: array.T),
        r"logits/kernel has shape=\(360, 1000\), and the tensor 'output.weight' has shape=\(360, 1000\), in Keras' "
        r"axes \(1000, 360\)",
    ),
    "another architecture": (
        lambda s: {f"backbone.{name}": array for name, array in s.items()},
        r"its first tensor is 'backbone\.features\S+' of shape=.*, and there is no 'features.init_block.conv.weight' "
        r"\(pytorchcv\) or 'first_conv.0.weight' \(megvii\).* for the variable stem_conv/kernel of "
        r"shape=\(3, 3, 3, 6\)",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_files_that_do_not_fit(name, state, stored):
    change, message = MISFITS[name]
    path = stored(change(state))
    with pytest.raises(ValueError, match=f"{path} does not fit shufflenet_shallow_g3_0.25: .*{message}") as error:
        shufflenet(weights=path)
    assert "\n" not in str(error.value)


def test_files_of_other_networks(state, stored, trained, tmp_path):
    message = r"stem_conv/kernel has shape=\(3, 3, 3, 12\), and the tensor '\S+' has shape=\(6, 3, 3, 3\)"
    with pytest.raises(ValueError, match=message):
        kl.ShuffleNet(groups=3, alpha=0.5, input_shape=SHAPE, weights=stored(state))
    with pytest.raises(ValueError, match="does not fit mobilenet_0.25_32: MobileNet takes Keras files only.*conv1/ker"):
        kl.MobileNet(alpha=0.25, input_shape=SHAPE, weights=stored(state))
    trained.save_weights(tmp_path / "ten.weights.h5")
    with pytest.raises(ValueError, match=r"no tensor 'conv1/0' for the variable conv1/kernel of shape=\(3, 3, 3, 8\)"):
        kl.MobileNet(alpha=0.25, input_shape=SHAPE, weights=tmp_path / "ten.weights.h5")


BROKEN = {
    "empty": (b"", "neither of .weights.h5"),
    "a web page": (b"<!DOCTYPE html><html>", "it is a web page"),
    "text": (b"version https://git-lfs.github.com/spec/v1", "neither of .weights.h5"),
    "half of an .h5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "truncated"),
    "half of a .zip": (b"PK\x03\x04" + bytes(100), "truncated"),
    "half of a .safetensors": (safetensors.numpy.save({"a": np.zeros(9)})[:-9], "no whole .safetensors"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_that_cannot_be_read(name, tmp_path):
    content, message = BROKEN[name]
    path = tmp_path / "broken.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"The weights file {path} cannot be .*({message})") as error:
        shufflenet(weights=path)
    assert "\n" not in str(error.value)


def test_zip_archives_of_more(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a", "a")
        archive.writestr("b", "b")
    with pytest.raises(ValueError, match="must hold one weights file, and this has 2"):
        shufflenet(weights=tmp_path / "two.zip")


class Malicious:
    """Runs code where a pickle is trusted."""

    def __reduce__(self):
        return exec, ("import pathlib; pathlib.Path('executed').write_text('')",)


@pytest.mark.slow
@pytest.mark.parametrize("packed", (False, True), ids=("pickle", "zip of PyTorch"))
def test_a_malicious_pickle_is_not_run(packed, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    if packed:
        torch.save({"state_dict": Malicious()}, "bad.pth")
        torch.load("bad.pth", weights_only=False)
    else:
        (tmp_path / "bad.pth").write_bytes(pickle.dumps({"state_dict": Malicious()}, protocol=2))
        pickle.loads((tmp_path / "bad.pth").read_bytes())
    # It does harm where it is trusted.
    (tmp_path / "executed").unlink()
    with pytest.raises(ValueError, match="bad.pth cannot be used: it holds more than tensors, which is not run"):
        shufflenet(weights="bad.pth")
    assert not (tmp_path / "executed").exists()


@pytest.mark.slow
def test_pytorch_files(state, tmp_path):
    torch = pytest.importorskip("torch")
    tensors = {f"module.{name}": torch.tensor(array).half() for name, array in state.items()}
    tensors["module.features.init_block.bn.num_batches_tracked"] = torch.tensor(7)
    path = tmp_path / "a.pth.tar"
    for content in ({"epoch": 3, "state_dict": tensors}, {"model": {"state_dict": tensors}}, tensors):
        torch.save(content, path)
        found = readers.read(path)
        assert found.layout == "torch" and list(found.arrays) == list(state)
        for name, array in state.items():
            np.testing.assert_array_equal(found.arrays[name], array.astype("float16").astype("float32"))
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(ValueError, match="a.pth.tar cannot be read, it may be truncated"):
        readers.read(path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="a.pth.tar cannot be used: it holds no state_dict"):
        readers.read(path)


def test_extras_are_named(monkeypatch, tmp_path):
    (tmp_path / "a.pth").write_bytes(pickle.dumps({}, protocol=2))
    (tmp_path / "a.safetensors").write_bytes(safetensors.numpy.save({}))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ValueError, match=r"a.pth cannot be used: .* needs the extra \[torch\]: pip install"):
        readers.read(tmp_path / "a.pth")
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ValueError, match=r"a.safetensors cannot be used: .* needs the extra \[hub\]: pip install"):
        readers.read(tmp_path / "a.safetensors")
