"""Opens exported files with clients that others wrote, and writes the tables of docs/clients.md.

python -m tools.clients            # `make clients`
python -m tools.clients segmenter  # the rows with that word in the name of the program or the file; the others stay

Each client has an environment of its own under `.clients`, made at first use.
"""

import re
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import rich.console

import keras_lightnets as kl
from keras_lightnets.evaluation.browser import open_server, write_page
from keras_lightnets.evaluation.opening import ModelFile
from keras_lightnets.preprocessing import IMAGENET_STATISTICS
from keras_lightnets.quiet import quiet
from tools import DOCS
from tools.clients import environments
from tools.clients.exported import FILES, LABELS, as_scores, as_taken, export, squares, write_photos
from tools.clients.heads import DETECTORS, SEGMENTERS, decodes, detects, export_heads, labels_pixels, segments

PAGE = DOCS / "clients.md"
*FLOAT, INT8, INT8_ENDS = FILES
# Photos that are as high as the network wants them, and others.
FITTING, LARGE = slice(2), slice(2, None)
# What float32 rounds differently from one program to the next.
ROUNDING = 1e-4


def tensors(script):
    """Returns a client that takes the tensors of a `.tflite` file; it returns its version, its scores and LiteRT's."""

    def run(environment, path, photos):
        file = ModelFile(path)
        images, expected = as_taken(file, photos)
        found = _run_on(environment, script, path, images)
        return found["version"], as_scores(file, found["outputs"]), expected

    return run


def _run_on(environment, script, path, images):
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, images)
        return environment.run(script, path, file.name)


def mediapipe(what, shown):
    """Returns a client that classifies or embeds some photos, a slice."""

    def run(environment, path, photos):
        found = environment.run("mediapipe", path, *photos[shown])
        scores = [[one[label] for label in LABELS] if isinstance(one, dict) else one for one in found[what]]
        return found["version"], np.array(scores), as_taken(ModelFile(path), photos[shown])[1]

    return run


def page(environment, path, photos):
    """The page of `keras-lightnets try`, which shows the likeliest classes; the scores of the others are NaN."""
    with open_server(write_page(path)[0], 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            found = environment.run("browser", f"http://127.0.0.1:{server.server_port}/", path.name, "", *photos)
        finally:
            server.shutdown()
    scores = np.array([[dict(classes).get(label, np.nan) for label in LABELS] for classes in found["scores"]])
    return found["version"], scores, as_taken(ModelFile(path), photos)[1]


def from_keras(script):
    """Returns a client that takes what Keras itself exports: normalised images."""

    def run(environment, path, photos):
        found = _run_on(environment, script, path, IMAGENET_STATISTICS(squares(photos)))
        return found["version"], np.array(found["outputs"]), np.load(path.with_name("expected.npy"))

    return run


CLIENTS = (
    ("MediaPipe ImageClassifier", environments.MEDIAPIPE, mediapipe("square", FITTING), (*FLOAT, INT8)),
    ("MediaPipe ImageEmbedder", environments.MEDIAPIPE, mediapipe("embedded_square", FITTING), (*FLOAT, INT8)),
    ("MediaPipe ImageClassifier, 3:2 photo as it is", environments.MEDIAPIPE, mediapipe("whole", LARGE), FLOAT[:1]),
    ("LiteRT.js in Chromium", environments.BROWSER, page, (*FLOAT, INT8)),
    ("tflite-runtime", environments.TFLITE_RUNTIME, tensors("interpreter"), tuple(FILES)),
    ("TensorFlow Lite", environments.TENSORFLOW_2_15, tensors("interpreter"), tuple(FILES)),
    ("TensorFlow Lite", environments.KERAS, tensors("interpreter"), tuple(FILES)),
    ("OpenVINO", environments.OPENVINO, tensors("openvino"), tuple(FILES)),
    ("TensorFlow Lite Micro", environments.MICRO, tensors("micro"), (INT8_ENDS,)),
    ("tf.saved_model, without this package", environments.KERAS, from_keras("saved_model"), ("saved_model",)),
    ("ONNX Runtime, from Keras' own export", environments.KERAS, from_keras("onnx"), ("model.keras",)),
)


HEADS = (
    ("MediaPipe ObjectDetector", environments.MEDIAPIPE, detects, tuple(DETECTORS)),
    ("tflite-runtime", environments.TFLITE_RUNTIME, decodes, tuple(DETECTORS)),
    ("MediaPipe ImageSegmenter", environments.MEDIAPIPE, segments, tuple(SEGMENTERS)),
    ("tflite-runtime", environments.TFLITE_RUNTIME, labels_pixels, tuple(SEGMENTERS)),
)


def rows(clients, folder, given, describe, say):
    """Yields the rows of a table, tuples of text.

    Args:
        clients: tuple as `CLIENTS` or `HEADS`.
        folder: Path of the files.
        given: what the clients take beside the environment and the path.
        describe: function from what a client returns behind its version to the outcome and the difference in words.
        say: function that shows a line.
    """
    for name, environment, client, files in clients:
        for file in files:
            say(f"{name}: {file}")
            try:
                version, *found = client(environment, folder / file, given)
            except environments.NotInstalled as error:
                yield name, "", file, f"could not be installed: {error}", ""
                continue
            except RuntimeError as error:
                yield name, "", file, f"refuses it: {error}", ""
                continue
            yield name, version, file, *describe(*found)


def _scores(found, expected):
    largest = np.nanmax(np.abs(found - expected))
    same = (np.nanargmax(found, -1) == expected.argmax(-1)).all()
    outcome = "same scores" if largest < ROUNDING else "same classes" if same else "**other classes**"
    return outcome, f"{largest:.1e}"


def _share(share, difference):
    return f"{share:.1%} the same", "" if difference is None else f"{difference:.1e}"


def _chosen(clients, words):
    meant = (
        (name, environment, client, [file for file in files if _is_meant(name, file, words)])
        for name, environment, client, files in clients
    )
    return [each for each in meant if each[-1]]


def _is_meant(name, file, words):
    return not words or any(word in text for word in words for text in (name, file))


def _write_table(mark, header, lines, words):
    """Puts rows into a table of the page; with some programs chosen, in the place of their rows."""
    text = PAGE.read_text("utf-8")
    table = re.compile(rf"(?<=<!-- table: {mark} -->\n).*?(?=<!-- end of the table -->\n)", re.DOTALL)
    if words:
        there = [[cell.strip() for cell in row[1:-1].split("|")] for row in table.search(text)[0].splitlines()[3:-1]]
        renewed = iter(lines)
        placed = [next(renewed, None) if _is_meant(row[0], row[2], words) else row for row in there]
        lines = [*filter(None, placed), *renewed]
    every = "\n".join(f"| {' | '.join(row)} |" for row in (header, ("---",) * len(header), *lines))
    PAGE.write_text(table.sub(lambda _: f"\n{every}\n\n", text), encoding="utf-8")


def main(*words):
    """Writes the files, opens them with every client, and puts the tables into the page."""
    console = rich.console.Console()
    head = ("program", "version", "file", "outcome")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        console.print("exporting")
        if chosen := _chosen(CLIENTS, words):
            photos = write_photos(folder)
            model = export(folder)
            kl.export.to_saved_model(model, folder / "saved_model")
            model.save(folder / "model.keras")
            with quiet():
                np.save(folder / "expected.npy", model.predict(IMAGENET_STATISTICS(squares(photos)), verbose=0))
            lines = [*rows(chosen, folder, photos, _scores, console.print)]
            _write_table("make clients", (*head, "largest difference"), lines, words)
        if chosen := _chosen(HEADS, words):
            lines = [*rows(chosen, folder, export_heads(folder), _share, console.print)]
            _write_table("make clients, heads", (*head, "largest difference of scores"), lines, words)
    console.print(f"{PAGE} has the tables.")


if __name__ == "__main__":
    main(*sys.argv[1:])
