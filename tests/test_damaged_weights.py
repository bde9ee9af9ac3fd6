"""Weight files that are not what they say are refused with one line that names the file and the tensor."""

import io
import json
import struct
import zipfile
import zlib

import h5py
import keras
import numpy as np
import pytest
import safetensors.numpy

from keras_lightnets.errors import UserError
from keras_lightnets.weights import load_safetensors, readers, save_safetensors

ZEROS = zlib.compress(bytes(4 << 20))
ONES = np.ones((3, 4), "float32")


def hdf5(change, layers=("a", "b")):
    """The bytes of a Keras 3 file of layers with one kernel each, after a change."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for layer in layers:
            file[f"layers/{layer}/vars/0"] = ONES
            file[f"layers/{layer}/vars"].attrs["name"] = layer
        change(file)
    return content.getvalue()


def replaced(value, **arguments):
    """A change of the kernel of "a"."""

    def change(file):
        del file["layers/a/vars/0"]
        file["layers/a/vars"].create_dataset("0", data=value, **arguments)

    return change


def created(*arguments, **keywords):
    def change(file):
        del file["layers/a/vars/0"]
        file["layers/a/vars"].create_dataset("0", *arguments, **keywords)

    return change


def linked(link, name="layers/c"):
    return lambda file: file.__setitem__(name, link(file) if callable(link) else link)


def virtual(file):
    del file["layers/a/vars/0"]
    layout = h5py.VirtualLayout(ONES.shape, "f4")
    layout[...] = h5py.VirtualSource("gone.h5", "x", ONES.shape)
    file["layers/a/vars"].create_virtual_dataset("0", layout)


def half(file):
    created((4, 4), "f4", chunks=(2, 4))(file)
    file["layers/a/vars/0"][:2] = 1.0


def bomb(file):
    created((1 << 25,), "f4", chunks=(1 << 20,), compression="gzip")(file)
    for start in range(0, 1 << 25, 1 << 20):
        file["layers/a/vars/0"].id.write_direct_chunk((start,), ZEROS)


def topological(**names):
    """A change into a Keras 2 file with these weights by layer."""

    def change(file):
        del file["layers"]
        file.attrs["layer_names"] = list(names)
        for layer, weights in names.items():
            file.create_group(layer).attrs["weight_names"] = weights
            for weight in weights:
                file[layer][weight] = ONES

    return change


def with_value(value, dtype="float32"):
    array = ONES.astype(dtype)
    array[1, 2] = value
    return array


HDF5 = {
    "external": (
        created((3, 4), "f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]),
        "'/layers/a/vars/0'.*another",
    ),
    "virtual": (virtual, "'/layers/a/vars/0' are in another file"),
    "soft link": (linked(h5py.SoftLink("/layers/a")), "'/layers/c' is a link"),
    "soft link to itself": (linked(h5py.SoftLink("/layers/c")), "'/layers/c' is a link"),
    "external link": (linked(h5py.ExternalLink("gone.h5", "/a")), "'/layers/c' is a link"),
    "loop of groups": (linked(lambda file: file["layers"]), "under another name too"),
    "two names of a layer": (linked(lambda file: file["layers/a"]), "under another name too"),
    "two layers of a name": (lambda file: file.copy("layers/a", "layers/c"), "two layers of the name 'a'"),
    "two tensors of a name": (topological(a=["kernel:0", "kernel:1"]), "two tensors of the name 'kernel'"),
    "a tensor in two layers": (topological(a=["kernel:0"], b=["kernel:0"]), "two tensors of the name 'kernel'"),
    "never written": (
        created((1 << 20, 1 << 14), "f4", chunks=(1 << 10, 1 << 10)),
        r"'/layers/a/vars/0'.*never written",
    ),
    "giant": (created((1 << 38,), "f4"), "never written"),
    "bomb": (bomb, r"asks for [\d,]+ bytes of memory"),
    "no values": (replaced(h5py.Empty("f4")), "'/layers/a/vars/0' has no values"),
    "text": (replaced(np.full((3, 4), b"1.0")), "the tensor 'a/0' has values of type .S3"),
    "objects": (replaced(["1.0", "2.0"]), "the tensor 'a/0' has values of type object"),
    "compound": (replaced(np.zeros((3, 4), [("x", "f4")])), "the tensor 'a/0' has values of type .*x"),
    "integers": (replaced(ONES.astype("int32")), "the tensor 'a/0' has values of type int32"),
    "truth values": (replaced(ONES.astype("bool")), "the tensor 'a/0' has values of type bool"),
    "complex": (replaced(ONES.astype("complex64")), "the tensor 'a/0' has values of type complex64"),
    "not a number": (replaced(with_value(np.nan)), "the tensor 'a/0' has the value nan"),
    "infinite": (replaced(with_value(-np.inf)), "the tensor 'a/0' has the value -inf"),
    "too large for float32": (replaced(with_value(1e300, "float64")), r"the tensor 'a/0' has the value 1e\+300"),
    "infinite in float16": (replaced(with_value(np.inf, "float16")), "the tensor 'a/0' has the value inf"),
    "layers are a tensor": (lambda file: (file.pop("layers"), file.__setitem__("layers", 1)), "cannot be read"),
    "layer names are a number": (lambda file: file.attrs.__setitem__("layer_names", 5), "cannot be read"),
}


def refused(path, message):
    """Checks that reading ends in one line that names the file and says this."""
    with pytest.raises(UserError, match=message) as error:
        readers.read(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", HDF5)
def test_hdf5(name, tmp_path):
    change, message = HDF5[name]
    content = hdf5(change)
    (tmp_path / "a.weights.h5").write_bytes(content)
    refused(tmp_path / "a.weights.h5", message)
    for member in ("model.weights.h5", "folder/a.h5"):
        with zipfile.ZipFile(tmp_path / "packed", "w") as archive:
            archive.writestr(member, content)
        refused(tmp_path / "packed", message)


def test_a_text_that_never_ends(tmp_path):
    """The names of layers lie in a heap, whose free block has no bytes here: HDF5's library would go on for ever."""
    content = bytearray(hdf5(lambda file: None))
    block = content.index(b"GCOL") + 16
    content[block : block + 16] = bytes(16)
    (tmp_path / "a.weights.h5").write_bytes(content)
    refused(tmp_path / "a.weights.h5", "a heap that never ends")


@pytest.mark.parametrize("dtype", ("float16", "bfloat16", ">f4", "float64"))
def test_every_float_is_read(dtype, tmp_path):
    values = np.array([[0.5, -2.0], [1.0, 3.0]], dtype)
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["layers/a/vars/0"] = values
        file["layers/a/vars"].attrs["name"] = "a"
        if dtype == "bfloat16":
            file["layers/a/vars/0"].attrs["dtype"] = dtype
    (tmp_path / "a").write_bytes(content.getvalue())
    np.testing.assert_array_equal(readers.read(tmp_path / "a").arrays["a/0"], values.astype("float32"))


def test_states_of_generators_are_no_weights(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="d"), keras.layers.Dropout(0.5)])
    model.save_weights(tmp_path / "a.weights.h5")
    assert list(readers.read(tmp_path / "a.weights.h5").arrays) == ["d/0", "d/1"]


def header(*entries, data=bytes(4)):
    """The bytes of a `.safetensors` file with a header of these entries."""
    text = ("{" + ",".join(entries) + "}").encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(name, dtype="F32", shape=(1,), offsets=(0, 4)):
    return f'"{name}":' + json.dumps({"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)})


def ours(layers):
    return header('"__metadata__":' + json.dumps({"format": "keras_lightnets", "layers": layers}), entry("a/kernel"))


SAFETENSORS = {
    "one name twice": (header(entry("a"), entry("a")), "two tensors of the name 'a'"),
    "bytes left over": (header(entry("a"), data=bytes(8)), "no whole .safetensors"),
    "bytes twice": (header(entry("a"), entry("b")), "no whole .safetensors"),
    "bytes missing": (header(entry("a", shape=(1 << 40,), offsets=(0, 1 << 42))), "no whole .safetensors"),
    "a header of the size of the memory": (struct.pack("<Q", 1 << 40) + b"{", "no whole .safetensors"),
    "float8": (header(entry("a", "F8_E4M3", (4,))), "the tensor 'a' has values of type F8_E4M3"),
    "complex": (header(entry("a", "C64", offsets=(0, 8)), data=bytes(8)), "the tensor 'a' has values of type C64"),
    "not a number": (header(entry("a"), data=b"\xff" * 4), "the tensor 'a' has the value nan"),
    "infinite in bfloat16": (
        header(entry("a", "BF16", (2,)), data=b"\x80\x7f" * 2),
        "the tensor 'a' has the value inf",
    ),
    **{f"layers are {text[:5]}": (ours(text), "cannot be") for text in ("5", "null", "[[1]]", "[" * 100_000)},
}


@pytest.mark.parametrize("name", SAFETENSORS)
def test_safetensors(name, tmp_path):
    content, message = SAFETENSORS[name]
    (tmp_path / "a.safetensors").write_bytes(content)
    refused(tmp_path / "a.safetensors", message)


def test_safetensors_in_bfloat16(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(header(entry("a", "BF16", (2,)), data=b"\x80\x3f\x00\xc0"))
    np.testing.assert_array_equal(readers.read(tmp_path / "a.safetensors").arrays["a"], [1.0, -2.0])


def zipped(*members, compression=zipfile.ZIP_STORED):
    """The bytes of a zip archive of pairs of name and content."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return content.getvalue()


def patched(content, flag=0, method=0):
    """An archive of one member whose headers say that it is encrypted, or packed by an unknown method."""
    content, directory = bytearray(content), content.rindex(b"PK\x01\x02")
    for start in (6, directory + 8):
        content[start] |= flag
    for start in (8, directory + 10):
        content[start] |= method
    return bytes(content)


def flipped(content, where):
    content = bytearray(content)
    content[content.index(where)] ^= 0x40
    return bytes(content)


GOOD = hdf5(lambda file: None)
ARCHIVES = {
    "nested": (zipped(("a.zip", zipped(("b.zip", zipped(("c.h5", GOOD)))))), "a .zip inside a .zip"),
    "bomb": (zipped(("a.h5", bytes(1 << 27)), compression=zipfile.ZIP_DEFLATED), "asks for"),
    "encrypted": (patched(zipped(("a.h5", GOOD)), flag=1), "cannot be read"),
    "unknown method": (patched(zipped(("a.h5", GOOD)), method=99), "cannot be read"),
    "wrong checksum": (flipped(zipped(("a.h5", GOOD)), ONES.tobytes()), "checksum of its member 'a.h5' is wrong"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives(name, tmp_path):
    content, message = ARCHIVES[name]
    (tmp_path / "a.zip").write_bytes(content)
    refused(tmp_path / "a.zip", message)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_model_files(tmp_path):
    """What Keras would open without looking."""
    path = tmp_path / "a.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(path)
    readers.check_archive(path)
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist() if name != "model.weights.h5"]
    for weights, message in ((hdf5(HDF5["external"][0]), "another file"), (b"x", "neither a .keras nor an .h5")):
        path.write_bytes(zipped(*members, ("model.weights.h5", weights)))
        with pytest.raises(UserError, match=f"{path} .*{message}"):
            readers.check_archive(path)
    path.write_bytes(zipped(*members, ("model.weights.h5", GOOD), ("model.weights.h5", GOOD)))
    with pytest.raises(UserError, match="two members of the name 'model.weights.h5'"):
        readers.check_archive(path)
    path.write_bytes(zipped(*members))
    with pytest.raises(UserError, match="without model.weights.h5"):
        readers.check_archive(path)


def dense(dtype="float32"):
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(3, name="d", dtype=dtype)(inputs), name="model")


def saved(arrays, path):
    """Writes a file of ours with other arrays."""
    save_safetensors(dense(), path)
    arrays = {**safetensors.numpy.load_file(path), **arrays}
    safetensors.numpy.save_file(arrays, path, {"format": "keras_lightnets", "layers": "[]"})
    return path


@pytest.mark.parametrize(
    ("dtype", "value", "message"),
    [
        ("float32", np.ones((4, 3), "int32"), "the tensor 'd/kernel' has values of type I32"),
        ("float32", np.ones((4, 3), "bool"), "the tensor 'd/kernel' has values of type BOOL"),
        ("float16", np.full((4, 3), 7e4), "the value 70000.0 of the tensor 'd/kernel' is no float16"),
    ],
)
def test_nothing_is_cast_in_silence(dtype, value, message, tmp_path):
    model = dense(dtype)
    before = model.get_weights()
    path = saved({"d/kernel": value}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=f"{path} .*: {message}"):
        load_safetensors(model, path)
    for array, twin in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, twin)


def test_integers_of_other_models_stay_integers(tmp_path):
    def network():
        inputs = keras.Input((2,))
        return keras.Model(inputs, keras.layers.Normalization(name="n")(inputs))

    model, twin = network(), network()
    model.get_layer("n").adapt(np.random.default_rng(0).normal(size=(8, 2)).astype("float32"))
    save_safetensors(model, tmp_path / "a.safetensors")
    load_safetensors(twin, tmp_path / "a.safetensors")
    for array, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(array, other)
