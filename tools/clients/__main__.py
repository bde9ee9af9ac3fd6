"""Opens exported files with clients that others wrote, and writes the table of docs/clients.md: python -m tools.clients

`make clients` runs it. Each client has an environment of its own under `.clients`, made at first use.
"""

import re
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

PAGE = DOCS / "clients.md"
TABLE = re.compile(r"(?<=<!-- table: make clients -->\n).*(?=<!-- end of the table -->\n)", re.DOTALL)
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


def rows(folder, photos, say):
    """Yields the rows of the table, tuples of text."""
    for name, environment, client, files in CLIENTS:
        for file in files:
            say(f"{name}: {file}")
            try:
                version, found, expected = client(environment, folder / file, photos)
            except environments.NotInstalled as error:
                yield name, "", file, f"could not be installed: {error}", ""
                continue
            except RuntimeError as error:
                yield name, "", file, f"refuses it: {error}", ""
                continue
            largest = np.nanmax(np.abs(found - expected))
            same = (np.nanargmax(found, -1) == expected.argmax(-1)).all()
            outcome = "same scores" if largest < ROUNDING else "same classes" if same else "**other classes**"
            yield name, version, file, outcome, f"{largest:.1e}"


def main():
    """Writes the files, opens them with every client, and puts the table into the page."""
    console = rich.console.Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = write_photos(folder)
        console.print("exporting")
        model = export(folder)
        kl.export.to_saved_model(model, folder / "saved_model")
        model.save(folder / "model.keras")
        with quiet():
            np.save(folder / "expected.npy", model.predict(IMAGENET_STATISTICS(squares(photos)), verbose=0))
        lines = [*rows(folder, photos, console.print)]
    header = ("program", "version", "file", "outcome", "largest difference")
    table = "\n".join(f"| {' | '.join(row)} |" for row in (header, ("---",) * len(header), *lines))
    PAGE.write_text(TABLE.sub(lambda _: f"\n{table}\n\n", PAGE.read_text("utf-8")), encoding="utf-8")
    console.print(f"{PAGE} has the table.")


if __name__ == "__main__":
    main()
