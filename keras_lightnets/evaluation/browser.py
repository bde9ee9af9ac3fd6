"""A page that runs exported files in the browser with LiteRT.js: written into the output folder, served from there."""

import http.server
import re
import shutil
import subprocess
from pathlib import Path

from keras_lightnets.errors import UserError
from keras_lightnets.evaluation.opening import NETWORKS, ModelFile
from keras_lightnets.files import replacing, write_json
from keras_lightnets.weights.download import home, offline

# The page, and what npm checks LiteRT.js against.
_PAGE = Path(__file__).with_name("page")
_VERSION = "2.5.3"
# Browsers without relaxed SIMD take the compatible one. The others are for threads and WebNN.
_RUNTIME = (
    "core/dist/index.js",
    "core/wasm/litert_wasm_internal.*",
    "core/wasm/litert_wasm_compat_internal.*",
    "wasm-utils/dist/index.js",
)


def write_page(source):
    """Writes a page that classifies photos with exported files: a folder `try` that any web server can serve.

    npm installs LiteRT.js at the first call, in the version whose hash this package knows, into Keras' cache. The page
    itself needs no network.

    Args:
        source: str or Path of a folder that `finetune` or `train` wrote, or of one `.tflite` file.

    Returns:
        The Path of the folder, and a list of lines about the files that were left out.

    Raises:
        UserError: if there is no file that a browser can run, or LiteRT.js cannot be had.

    Example:

    >>> folder, left_out = write_page("out")  # doctest: +SKIP
    """
    source = Path(source)
    if not source.exists():
        raise UserError(f"{source} does not exist. Name a folder that keras-lightnets wrote, or a .tflite file.")
    paths = sorted(source.glob("*.tflite")) if source.is_dir() else [source]
    if not paths:
        raise UserError(f"{source} holds no .tflite file. Name a folder that finetune or train finished.")
    records, left_out = _records(paths)
    runtime, folder = _runtime(), paths[0].parent / "try"
    shutil.copytree(_PAGE, folder, ignore=shutil.ignore_patterns("package*.json"), dirs_exist_ok=True)
    for path in (path for pattern in _RUNTIME for path in runtime.glob(pattern)):
        target = folder / "litertjs" / path.relative_to(runtime)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for record in records:
        shutil.copyfile(paths[0].with_name(record["name"]), folder / record["name"])
    write_json(folder / "files.json", records)
    return folder, left_out


def _records(paths):
    """Returns what the page knows of each file that a browser can run, and lines about the others."""
    records, left_out = [], []
    for path in paths:
        file = ModelFile(path, tuple(NETWORKS))
        if file.path.suffix != ".tflite":
            raise UserError(f"{path} is no .tflite file. Browsers run no others.")
        if file.task != "classify":
            raise UserError(
                f"{path} is a {NETWORKS[file.task]}, and the page is for classifiers. Draw boxes and masks on photos "
                "with keras-lightnets predict."
            )
        about, ends = file.metadata, file.network.ends
        if "int8" in (end["dtype"] for end in ends):
            left_out.append(f"{path} takes int8 pixels, which LiteRT.js does not. Export it with uint8 ends.")
            continue
        mean, std = about.preprocessing
        looks = {"size": about.size, "crop": about.crop, "mean": mean, "std": std}
        records.append({"name": path.name, "labels": about.labels, **looks, "ends": ends})
    if not records:
        raise UserError(left_out[0])
    return records, left_out


def _runtime():
    """Returns the folder of LiteRT.js, installed into the cache unless it is there."""
    folder = home() / "keras_lightnets" / f"litertjs-{_VERSION}"
    if not folder.is_dir():
        npm = shutil.which("npm")
        if npm is None:
            raise UserError(
                f"npm is not installed, which fetches LiteRT.js {_VERSION} once. Install Node.js, or copy {folder} "
                "from a machine that has it."
            )
        if offline():
            raise UserError(f"LiteRT.js {_VERSION} is not in {folder} and KERAS_LIGHTNETS_OFFLINE is set: unset it.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replacing(folder) as temporary:
            temporary.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(_PAGE / name, temporary)
            # It compares the hashes of what it fetches with those in package-lock.json.
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
            run = subprocess.run(command, cwd=temporary, capture_output=True, text=True, errors="replace")
            if run.returncode:
                code = re.search(r"code (\w+)", run.stderr)
                raise UserError(
                    f"npm cannot fetch LiteRT.js {_VERSION} ({code[1] if code else f'status {run.returncode}'}). "
                    "Connect to the network once, or set npm's registry."
                )
    return folder / "node_modules" / "@litertjs"


def open_server(folder, port=8000):
    """Returns a server of a folder, for this machine only. `serve_forever` runs it.

    Args:
        folder: str or Path.
        port: int, 0 for any that is free. Defaults to 8000.

    Raises:
        UserError: if the port cannot be used.
    """

    def handler(*args):
        return _Handler(*args, directory=folder)

    try:
        return http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise UserError(f"Port {port} cannot be used ({error.strerror}). Choose another with --port.") from error


class _Handler(http.server.SimpleHTTPRequestHandler):
    # Some systems call scripts plain text, which browsers refuse.
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}

    def end_headers(self):
        # A file that was exported again is shown at once.
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *_):
        """Says nothing about requests."""
