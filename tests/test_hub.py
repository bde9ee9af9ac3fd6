"""Models go to a Hugging Face hub and come back: the hub's own client against a small server with its protocol."""

import base64
import hashlib
import http.server
import json
import threading

import numpy as np
import pytest

import keras_lightnets as kl
from tools.seeded import run, seed_weights, seeded_images

REPOSITORY = "someone/tiny-photos"
COMMIT = "a" * 40


class Hub(http.server.BaseHTTPRequestHandler):
    """Creates repositories, takes commits with the files inside, and serves the files."""

    files = {}
    created = []

    def answer(self, content, status=200, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.removeprefix("/huggingface.co/api/")
        if path == "repos/create":
            self.created.append(json.loads(content))
            self.answer({"url": f"https://huggingface.co/{REPOSITORY}"})
        elif path == "validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            files = [{"path": file["path"], "uploadMode": "regular"} for file in json.loads(content)["files"]]
            self.answer({"files": [{**file, "shouldIgnore": False} for file in files]})
        elif "/commit/" in path:
            for line in map(json.loads, content.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            url = f"https://huggingface.co/{REPOSITORY}/commit/{COMMIT}"
            self.answer({"commitUrl": url, "commitOid": COMMIT, "success": True})
        else:
            self.answer({"error": f"no such call: {path}"}, 404)

    def do_GET(self):
        prefix, _, name = self.path.partition("/resolve/main/")
        if prefix == f"/huggingface.co/{REPOSITORY}" and name in self.files:
            content = self.files[name]
            etag = hashlib.sha256(content).hexdigest()
            self.answer(content, ETag=f'"{etag}"', X_Repo_Commit=COMMIT)
        else:
            self.answer({"error": "not here"}, 404, X_Error_Code="RepoNotFound")

    do_HEAD = do_GET

    def log_message(self, *arguments):
        pass


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub at the address of a mirror, and an empty cache."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("KERAS_LIGHTNETS_MIRROR", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    yield Hub
    server.shutdown()
    server.server_close()


def test_there_and_back(hub, monkeypatch, tmp_path):
    model = kl.MobileNet(alpha=0.25, weights=None, input_shape=(32, 32, 3), classes=3)
    seed_weights(model, {})
    url = kl.weights.push_to_hub(
        model,
        REPOSITORY,
        "MobileNet-alpha=0.25",
        licence="apache-2.0",
        source="Trained from random weights on photos of the office.",
        datasets=("someone/photos",),
        metrics={"accuracy": 0.875},
        labels=("cup", "plant", "chair"),
        token="hf_test",
    )
    assert url == f"https://huggingface.co/{REPOSITORY}/commit/{COMMIT}"
    assert [repository["name"] for repository in hub.created] == ["tiny-photos"]
    assert set(hub.files) == {"README.md", "model.keras", "model.safetensors"}
    card = hub.files["README.md"].decode()
    for part in (
        "---\nlibrary_name: keras\nlicense: apache-2.0\npipeline_tag: image-classification\n",
        "datasets:\n- someone/photos\nmetrics:\n- accuracy\n",
        f"{kl.complexity(model).params:,} parameters",
        f"{kl.complexity(model).madds:,} multiply-adds at\n32x32 pixels",
        "mean (127.5, 127.5, 127.5)",
        "Trained from random weights on photos of the office.",
        "| accuracy | 0.875 |",
        "cup, plant, chair",
        "Howard et al.",
        f'from_hub("{REPOSITORY}")',
    ):
        assert part in card, part

    images = seeded_images((2, 32, 32, 3))
    expected = run(model, images)
    np.testing.assert_array_equal(run(kl.weights.from_hub(REPOSITORY), images), expected)
    assert list((tmp_path / "models" / "hub").rglob("model.keras"))
    # From the cache alone.
    monkeypatch.setenv("KERAS_LIGHTNETS_OFFLINE", "1")
    monkeypatch.setenv("KERAS_LIGHTNETS_MIRROR", "http://127.0.0.1:9")
    np.testing.assert_array_equal(run(kl.weights.from_hub(REPOSITORY), images), expected)
    with pytest.raises(ValueError, match="KERAS_LIGHTNETS_OFFLINE is set: unset it to upload"):
        kl.weights.push_to_hub(model, REPOSITORY, "MobileNet", "mit", "nowhere")
    with pytest.raises(ValueError, match="Cannot load someone/else from the hub: "):
        kl.weights.from_hub("someone/else")


def test_what_is_not_there(hub):
    with pytest.raises(ValueError, match="Cannot load someone/nothing from the hub: .*404") as error:
        kl.weights.from_hub("someone/nothing")
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="Cannot load no/such/name from the hub: "):
        kl.weights.from_hub("no/such/name")
