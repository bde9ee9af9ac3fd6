"""Downloads from a local server: every way in which one goes wrong ends in a whole, checked file or one clear error."""

import hashlib
import io
import os
import re
import subprocess
import sys
import urllib.parse
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import keras_lightnets as kl
from keras_lightnets.weights import download, list_weights
from tests.file_server import Answer, serve
from tools.goldens.torch_weights import checkpoint
from tools.seeded import seed_weights

CONTENT = np.random.RandomState(0).bytes(200_000)
RECORD = next(record for record in list_weights() if record.name == "timm/rexnet_100.nav_in1k")
READABLE = safetensors.numpy.save({"stem.conv.weight": np.arange(50_000, dtype="float32")})
HASHED = RECORD._replace(digest=f"sha256:{hashlib.sha256(CONTENT).hexdigest()}", size=len(CONTENT))


def path_of(record):
    """The path at which a mirror serves a record."""
    parts = urllib.parse.urlsplit(record.urls[0])
    return f"/{parts.netloc}{parts.path}"


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, and no waiting."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    monkeypatch.delenv("KERAS_LIGHTNETS_OFFLINE", raising=False)
    return tmp_path


@pytest.fixture
def mirror(cache, monkeypatch):
    """Serves answers at the path of a record on a mirror."""

    def fetched(record, *answers, more=()):
        answer = Answer(*answers)
        with serve({path_of(record): answer, **dict(more)}) as address:
            monkeypatch.setenv("KERAS_LIGHTNETS_MIRROR", address)
            try:
                return download.fetch(record), answer.requests
            finally:
                left = [path.name for path in cache.rglob(".partial-*")]
                assert left == []

    return fetched


@pytest.mark.parametrize(
    ("answers", "requests"),
    [
        ((CONTENT,), 1),
        ((("slow", CONTENT),), 1),
        ((500, CONTENT), 2),
        ((503, 429, CONTENT), 3),
        ((("cut", CONTENT), CONTENT), 2),
        ((("short", CONTENT), CONTENT), 2),
        ((("stall", CONTENT), CONTENT), 2),
        ((b"another file", CONTENT), 2),
    ],
    ids=("good", "slow", "500 once", "503 and 429", "cut", "truncated", "stalled", "wrong once"),
)
def test_a_whole_file_in_the_end(mirror, cache, answers, requests):
    path, count = mirror(HASHED, *answers)
    assert path == cache / "models" / "keras_lightnets" / HASHED.file
    assert path.read_bytes() == CONTENT and count == requests
    assert mirror(HASHED, 404) == (path, 0)


def test_a_redirect_is_followed(mirror):
    path, _ = mirror(HASHED, "/elsewhere", more={"/elsewhere": Answer(CONTENT)}.items())
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("answers", "message", "requests"),
    [
        ((404,), "404.*attempt 1 of 3", 1),
        ((500,), "500.*attempt 3 of 3", 3),
        ((("cut", CONTENT),), r"attempt 3 of 3", 3),
        ((("stall", CONTENT),), "timed out.*attempt 3 of 3", 3),
        ((("short", CONTENT),), "has 100000 bytes where the publisher has 200000.*attempt 3 of 3", 3),
        ((CONTENT[::-1],), r"has sha256 \w{64} where the publisher has \w{64}.*attempt 3 of 3", 3),
    ],
    ids=("404", "500", "cut", "stalled", "truncated", "wrong"),
)
def test_no_file_otherwise(mirror, cache, answers, message, requests):
    answer = Answer(*answers)
    with pytest.raises(ValueError, match=message) as error:
        mirror(HASHED, None, more={path_of(HASHED): answer}.items())
    text = str(error.value)
    assert "timm/rexnet_100.nav_in1k" in text and path_of(HASHED) in text and "\n" not in text
    assert "KERAS_LIGHTNETS_MIRROR" in text and HASHED.page in text
    assert answer.requests == requests
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_no_server_at_all(cache, monkeypatch):
    monkeypatch.setenv("KERAS_LIGHTNETS_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match="URL fetch failure on http://127.0.0.1:9/huggingface.co/.*attempt 1 of 3"):
        download.fetch(HASHED)


def test_a_damaged_file_in_the_cache_is_fetched_again(mirror, monkeypatch):
    path, _ = mirror(HASHED, CONTENT)
    path.write_bytes(CONTENT[:1000])
    monkeypatch.setenv("KERAS_LIGHTNETS_OFFLINE", "1")
    with pytest.raises(ValueError, match="has 1000 bytes where the publisher has 200000.*download it again"):
        download.fetch(HASHED)
    monkeypatch.delenv("KERAS_LIGHTNETS_OFFLINE")
    assert mirror(HASHED, CONTENT) == (path, 1)
    assert path.read_bytes() == CONTENT


PAGE = b"<html>Please log in</html>"


def test_a_login_page_is_no_file(mirror, cache, monkeypatch):
    """Of a set without a published hash, what was downloaded or lies in the cache is at least a weights file."""
    with pytest.raises(ValueError, match="at http://.*it is a web page.*attempt 3 of 3"):
        mirror(RECORD, PAGE)
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    path, requests = mirror(RECORD, PAGE, READABLE)
    assert path.read_bytes() == READABLE and requests == 2
    path.write_bytes(PAGE)
    monkeypatch.setenv("KERAS_LIGHTNETS_OFFLINE", "1")
    with pytest.raises(ValueError, match=f"{path} .* is a web page .*Delete this file"):
        download.fetch(RECORD)
    monkeypatch.delenv("KERAS_LIGHTNETS_OFFLINE")
    assert mirror(RECORD, READABLE) == (path, 1)
    assert path.read_bytes() == READABLE


def test_the_file_of_another_network_is_refused(mirror, cache):
    """What the address was seen to serve instead, whether downloaded or in the cache."""
    record = RECORD._replace(wrong_digest=f"md5:{hashlib.md5(READABLE).hexdigest()}")
    for _ in range(2):
        with pytest.raises(ValueError, match=f"is that of another network .{record.wrong_digest}"):
            mirror(record, READABLE)
        download.cached(record).write_bytes(READABLE)


def test_a_home_that_cannot_be_written(cache, monkeypatch):
    """Then files go where Keras puts them; what the home has is still found."""
    (cache / "file").write_text("")
    monkeypatch.setenv("KERAS_HOME", str(cache / "file"))
    assert download.cached(RECORD) == Path("/tmp/.keras/models/keras_lightnets", RECORD.file)
    monkeypatch.setenv("KERAS_HOME", str(cache))
    path = download.cached(RECORD)
    path.parent.mkdir(parents=True)
    path.write_bytes(READABLE)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert download.cached(RECORD) == path
    assert download.cached(HASHED._replace(file="other")).parts[:3] == ("/", "tmp", ".keras")


def test_the_hash_of_a_zip_is_of_what_is_inside(mirror):
    record = next(record for record in list_weights("ShuffleNet") if record.format == "h5 in zip")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inside.tf2.h5", CONTENT)
    sha1 = hashlib.sha1(CONTENT).hexdigest()
    path, _ = mirror(record._replace(digest=f"sha1:{sha1}"), packed.getvalue())
    assert path.read_bytes() == packed.getvalue()
    path.unlink()
    # The registry has that of the true file.
    with pytest.raises(ValueError, match=f"has sha1 {sha1} where the publisher has {record.digest[5:]}"):
        mirror(record, packed.getvalue())


def test_two_processes_at_once(cache):
    """Both get the whole file, whoever is first."""
    script = (
        "import sys; from keras_lightnets.weights import download, registry\n"
        f"record = next(r for r in registry.RECORDS if r.name == {RECORD.name!r})\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(download.fetch(record))"
    )
    with serve({path_of(RECORD): Answer(("slow", READABLE))}) as address:
        # TensorFlow would take its time.
        environment = {
            **os.environ,
            "KERAS_BACKEND": "jax",
            "KERAS_HOME": str(cache),
            "KERAS_LIGHTNETS_MIRROR": address,
        }
        command = [sys.executable, "-c", script]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes = [
            subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[1], **pipes) for _ in range(2)
        ]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], results
    # Progress goes to standard error.
    paths = {output.strip() for output, _ in results}
    assert len(paths) == 1 and Path(paths.pop()).read_bytes() == READABLE


_connections = []
_armed = []


def _listen(event, arguments):
    if _armed and event.startswith("socket."):
        _connections.append((event, arguments))


sys.addaudithook(_listen)


@pytest.mark.parametrize(
    ("builder", "arguments"),
    [(kl.MicroNetM0, {}), (kl.MobileNetV2, {"input_shape": (96, 96, 3)}), (kl.MobileNetV3Small, {})],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_offline_opens_no_socket(cache, monkeypatch, builder, arguments):
    monkeypatch.setenv("KERAS_LIGHTNETS_OFFLINE", "1")
    _connections.clear()
    _armed.append(True)
    try:
        with pytest.raises(ValueError, match=r"not in the cache and KERAS_LIGHTNETS_OFFLINE is set.* get http.*store"):
            builder(**arguments, weights="imagenet")
    finally:
        _armed.clear()
    assert _connections == []


def test_imagenet_end_to_end(cache, monkeypatch):
    """A checkpoint with the names of timm's, at its true path on a mirror; then offline from the cache."""
    donor = kl.ReXNet(weights=None)
    arrays = seed_weights(donor, {})
    state = checkpoint(donor, arrays, "ReXNet", "timm")
    content = safetensors.numpy.save({name: np.ascontiguousarray(array) for name, array in state.items()})
    with serve({path_of(RECORD): Answer(500, ("cut", content), content)}) as address:
        monkeypatch.setenv("KERAS_LIGHTNETS_MIRROR", address)
        model = kl.ReXNet(weights="imagenet", include_top=False, input_shape=(None, None, 3))
    assert (cache / "models/keras_lightnets" / RECORD.file).exists()
    monkeypatch.setenv("KERAS_LIGHTNETS_OFFLINE", "1")
    with pytest.warns(UserWarning, match="rexnet_1.0: the classifier for 7 classes is fresh.*has 1000 classes"):
        named = kl.ReXNet(weights=RECORD.name, classes=7, input_shape=(64, 96, 3))
    for network in (model, named):
        for variable in network.variables:
            if "predictions" not in variable.path and "seed" not in variable.path:
                np.testing.assert_array_equal(variable.numpy(), arrays[variable.path])


def test_mobilenets_come_from_the_mirror_too(cache, monkeypatch):
    donor = kl.MobileNet(alpha=0.25, weights=None, include_top=False)
    seed_weights(donor, {})
    name = "mobilenet_2_5_224_tf_no_top.h5"
    donor.save(cache / name, include_optimizer=False)
    (record,) = [record for record in list_weights("MobileNet", alpha=0.25) if record.file == name]
    with serve({path_of(record): Answer((cache / name).read_bytes())}) as address:
        monkeypatch.setenv("KERAS_LIGHTNETS_MIRROR", address)
        path = download.fetch(record)
    assert path == cache / "models" / name
    monkeypatch.setenv("KERAS_LIGHTNETS_OFFLINE", "1")
    # By its own name also with what keras.applications refuses.
    model = kl.MobileNet(alpha=0.25, weights=record.name, include_top=False, input_shape=(32, 32, 1))
    first, *others = donor.get_weights()
    np.testing.assert_allclose(model.get_weights()[0], first.sum(axis=2, keepdims=True), rtol=1e-6)
    for array, twin in zip(model.get_weights()[1:], others, strict=True):
        np.testing.assert_array_equal(array, twin)


@pytest.mark.parametrize("name", ("clovaai/rexnetv1_1.0", "megvii/shufflenet_g3_1.0x"))
def test_no_direct_link(name):
    builder = kl.ReXNet if "rexnet" in name else kl.ShuffleNet
    with pytest.raises(ValueError, match=f"{re.escape(name)}.* no direct link: get the file from https://.* its path"):
        builder(weights=name)
