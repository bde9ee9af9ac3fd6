"""The publishers' checkpoints: their names and shapes, and through `weights=PATH` the logits of their networks."""

import json
import zipfile

import h5py
import numpy as np
import pytest
import safetensors.numpy

import keras_lightnets as kl
from tools.goldens.derive import IMAGES, STEP, TOLERANCE, relative_difference
from tools.goldens.derive_checkpoints import FILE, ROWS, images_for, inventory, save_paddle, save_torch, seeded
from tools.goldens.torch_weights import checkpoint, layout_of
from tools.seeded import run, seed_weights

GOLDENS = json.loads(FILE.read_text())
# tf2cv's groups, PyTorch's names with BGR pixels and another order of channels, and PaddlePaddle's names.
FAST = (
    "ShuffleNet-groups=3-alpha=0.25: tf2cv",
    "megvii_shufflenet_v2-alpha=0.5: megvii",
    "MicroNetM0: paddleclas",
)


def _row(row):
    return pytest.param(row, id=row.id, marks=() if row.id in FAST else pytest.mark.slow)


def test_every_row_was_derived():
    assert [row.id for row in ROWS] == list(GOLDENS)
    assert all(golden["difference"] < TOLERANCE for golden in GOLDENS.values())


def save(state, path, row):
    """Saves arrays as the publisher does; PyTorch's tensors without PyTorch in the fast tests."""
    if row.publisher == "tf2cv":
        with h5py.File(path.with_suffix(""), "w") as file:
            file.attrs["layer_names"] = ["features", "output1"]
            for layer in ("features", "output1"):
                names = [f"shuffle_net/{name}:0" for name in state if name.startswith(layer)]
                file.create_group(layer).attrs["weight_names"] = names
                for name in names:
                    file[layer][name] = state[name.removeprefix("shuffle_net/").removesuffix(":0")]
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(path.with_suffix(""), path.stem)
    elif row.publisher == "paddleclas":
        save_paddle(state, path)
    elif row.id in FAST:
        safetensors.numpy.save_file({name: np.ascontiguousarray(array) for name, array in state.items()}, path)
    else:
        torch = pytest.importorskip("torch")
        save_torch({name: torch.tensor(array) for name, array in state.items()}, path, row.ending)


@pytest.mark.parametrize("row", [_row(row) for row in ROWS])
def test_logits(row, tmp_path):
    golden = GOLDENS[row.id]
    model, arrays = seeded(row)
    state = checkpoint(model, arrays, row.builder.__name__, row.publisher)
    # What the reference network itself saved.
    assert inventory(state) == {key: golden[key] for key in ("tensors", "sha256")}
    path = tmp_path / f"theirs.{row.ending}"
    save(state, path, row)
    images, _ = images_for(row.publisher)
    assert images.shape == IMAGES or row.publisher == "tf2cv"
    arguments = {**row.arguments, "input_shape": images.shape[1:], "classifier_activation": None}
    network = row.builder(**arguments, weights=path)
    logits = run(network, images)
    assert relative_difference(logits[:, ::STEP], np.array(golden["logits"])) < TOLERANCE
    if layout_of(row.builder.__name__, row.publisher).order:
        # What Keras writes of another order of the channels is read in that order again.
        network.save_weights(tmp_path / "ours.weights.h5")
        again = row.builder(**arguments, weights=tmp_path / "ours.weights.h5")
        assert [layer.name for layer in again.layers][1:] == [layer.name for layer in network.layers][1:]
        for array, twin in zip(again.get_weights(), network.get_weights(), strict=True):
            np.testing.assert_array_equal(array, twin)


def test_another_order_is_visible(tmp_path):
    """A backbone with megvii's order of the channels, and the mean that no kernel can hold, for RGB only."""
    row = next(row for row in ROWS if row.id == FAST[1])
    model, arrays = seeded(row)
    path = tmp_path / "theirs.safetensors"
    save(checkpoint(model, arrays, row.builder.__name__, row.publisher), path, row)
    with pytest.raises(ValueError, match="theirs.safetensors needs 3 input channels.*Received: 1 channels"):
        row.builder(**row.arguments, weights=path, input_shape=(32, 32, 1))
    network = row.builder(**row.arguments, weights=path, include_top=False, input_shape=(32, 32, 3))
    assert network.get_layer("megvii_stem_pad") and network.get_layer("add_mean")


@pytest.mark.slow
def test_mmpretrain(tmp_path):
    """Its network could not be run: that the map is one to one, and the order of the channels its own, is all here."""
    model = kl.ShuffleNet(weights=None, include_top=False)
    arrays = seed_weights(model, {})
    state = checkpoint(model, arrays, "ShuffleNet", "mmpretrain")
    assert len(state) == len(arrays) and all(name.startswith("backbone.") for name in state)
    path = tmp_path / "theirs.safetensors"
    safetensors.numpy.save_file(state, path)
    network = kl.ShuffleNet(weights=path, include_top=False)
    assert network.get_layer("mmpretrain_stem_pad")
    strided = [layer.name for layer in network.layers if layer.name.startswith("stage3_unit1")]
    assert strided.index("stage3_unit1_depthwise_bn") < strided.index("stage3_unit1_shuffle")
    for variable in network.variables:
        np.testing.assert_array_equal(variable.numpy(), arrays[variable.path])
