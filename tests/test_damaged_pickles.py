"""Pickles of PyTorch and PaddlePaddle that are no plain tensors are refused with one line; nothing in them is run."""

import collections
import pickle
import struct

import numpy as np
import pytest

from keras_lightnets.weights import readers
from tests.test_damaged_weights import ONES, flipped, refused, with_value


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def _loop(torch):
    loop = {}
    loop["state_dict"] = loop
    return loop


WEIGHT = "conv.weight"
CHECKPOINTS = {
    "itself": (_loop, "holds no state_dict"),
    "integer keys": (lambda torch: {0: torch.ones(2)}, "holds no state_dict"),
    "a list": (lambda torch: [torch.ones(2)], "holds no state_dict"),
    "last and average of timm": (
        lambda torch: {"epoch": 3, "state_dict": {WEIGHT: torch.ones(2)}, "state_dict_ema": {WEIGHT: torch.ones(2)}},
        r"2 networks, \['state_dict'\] and \['state_dict_ema'\].*torch.load\(path\)\['state_dict_ema'\]",
    ),
    "last and average of torchvision": (
        lambda torch: {
            "model": {WEIGHT: torch.ones(2)},
            "model_ema": {"n_averaged": torch.tensor(3), f"module.{WEIGHT}": torch.ones(2)},
        },
        r"2 networks, \['model'\] and \['model_ema'\]",
    ),
    "integers": (lambda torch: {WEIGHT: torch.ones(2, dtype=torch.int8)}, f"{WEIGHT}' has values of type int8"),
    "sparse": (lambda torch: {WEIGHT: torch.ones(2, 2).to_sparse()}, f"{WEIGHT}' is sparse"),
    "no values": (lambda torch: {WEIGHT: torch.ones(2, device="meta")}, f"{WEIGHT}' is sparse"),
    "complex": (
        lambda torch: {WEIGHT: torch.ones(2, dtype=torch.complex64)},
        f"{WEIGHT}' has values of type complex64",
    ),
    "float8": (lambda torch: {WEIGHT: torch.ones(2).to(torch.float8_e4m3fn)}, "float8|cannot read it"),
    "one value a billion times": (lambda torch: {WEIGHT: torch.ones(1).expand(1 << 30)}, "asks for"),
    "not a number": (lambda torch: {WEIGHT: torch.full((2,), torch.nan)}, f"{WEIGHT}' has the value nan"),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_pytorch(name, torch, tmp_path):
    make, message = CHECKPOINTS[name]
    for legacy in (False, True):
        torch.save(make(torch), tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
        refused(tmp_path / "a.pth", message)


def test_pytorch_files_of_odd_tensors(torch, tmp_path):
    """Views, shared memory, bfloat16, other dicts of tensors, and an average that was saved alone."""
    base = torch.arange(12.0)
    state = {
        "module.a.weight": base.view(3, 4).t(),
        "module.b.weight": base[2:4],
        "module.c.weight": base[2:4].bfloat16(),
        "n_averaged": torch.tensor(3),
    }
    optimizer = {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": []}
    for legacy in (False, True):
        content = {"model": state, "optimizer": optimizer, "rng": {"cpu": torch.zeros(3)}}
        torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
        arrays = readers.read(tmp_path / "a.pth").arrays
        assert list(arrays) == ["a.weight", "b.weight", "c.weight"]
        np.testing.assert_array_equal(arrays["a.weight"], np.arange(12.0).reshape(3, 4).T)
        np.testing.assert_array_equal(arrays["b.weight"], [2.0, 3.0])
        np.testing.assert_array_equal(arrays["c.weight"], [2.0, 3.0])


def test_a_checksum_of_pytorch(torch, tmp_path):
    torch.save({"w": torch.full((100,), 0.5)}, tmp_path / "a.pth")
    (tmp_path / "a.pth").write_bytes(flipped((tmp_path / "a.pth").read_bytes(), bytes((0, 0, 0, 0x3F)) * 20))
    refused(tmp_path / "a.pth", "checksum")


def pickled(*reduced, protocol=4):
    """A state whose weight is what a pickle calls: a function, its arguments, and perhaps a state."""

    class Weight:
        def __reduce__(self):
            return reduced

    return pickle.dumps({WEIGHT: Weight(), "bias": ONES}, protocol)


# The array as pickles have it: `numpy._reconstruct`, its arguments, and the state with shape, type and bytes.
_MAKE, _EMPTY, (_, _, FLOAT, _, BYTES) = ONES.__reduce__()
PADDLE = {
    "code": (pickled(exec, ("import pathlib; pathlib.Path('executed').write_text('')",)), "is not run .builtins.exec"),
    "a class": (pickled(collections.Counter, ()), "is not run .collections.Counter"),
    "a state of a function": (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n}b.", "it holds more than arrays"),
    "too few bytes": (
        pickled(_MAKE, _EMPTY, (1, (1 << 40,), FLOAT, False, BYTES)),
        f"{WEIGHT}' of shape=.* has 48 bytes",
    ),
    "no bytes at all": (pickled(_MAKE, (np.ndarray, (1 << 40,), b"b")), "cannot be read"),
    "integers": (pickle.dumps({WEIGHT: ONES.astype("int32")}), f"{WEIGHT}' has values of type int32"),
    "objects": (pickle.dumps({WEIGHT: np.array([None])}), "cannot be"),
    "infinite": (pickle.dumps({WEIGHT: with_value(np.inf)}), f"{WEIGHT}' has the value inf"),
    "nested": (pickle.dumps({"model": {WEIGHT: ONES}}), "'model' is no array"),
    "a list": (pickle.dumps([ONES]), "no dict of arrays"),
    "an integer for a name": (pickle.dumps({0: ONES}), "its entry 0 is no array"),
    "half": (pickle.dumps({WEIGHT: ONES})[:-40], "cannot be read"),
    "a length of the size of the memory": (
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 36) + b"numpy.",
        "cannot be read|no dict",
    ),
    "a place of the size of the memory": (
        b"\x80\x04}r" + struct.pack("<I", 1 << 31) + b"C\x05numpy0.",
        "holds no arrays",
    ),
}


@pytest.mark.parametrize("name", PADDLE)
def test_paddle(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, message = PADDLE[name]
    (tmp_path / "a.pdparams").write_bytes(content)
    refused(tmp_path / "a.pdparams", message)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("protocol", (2, 3, 4, 5))
def test_every_protocol_of_paddle(protocol, tmp_path):
    """With the names that parameters have in a program, and tensors that have their name with them."""
    half, turned = ONES.astype("float16"), np.asfortranarray(np.arange(6.0).reshape(2, 3))
    state = {"a": half, "b": turned, "c": ("c", ONES), "StructuredToParameterName@@": {"a": "conv_0.w_0"}}
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps(state, protocol))
    found = readers.read(tmp_path / "a.pdparams")
    assert found.layout == "paddle" and list(found.arrays) == ["a", "b", "c"]
    for name, array in (("a", half), ("b", turned), ("c", ONES)):
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)
