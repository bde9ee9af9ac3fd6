"""The process in which tensorflow-model-optimization trains, away from the user's Keras 3.

Usage: python -m keras_lightnets.optimization.tfmot.child FOLDER. The folder holds `model.keras` and `task.json`.
Batches come from standard input, lines of JSON about the progress go to standard output, and the trained model to
`trained.keras`.
"""

import json
import os
import pickle
import sys
from pathlib import Path

# Libraries print to standard output too, which belongs to the protocol.
_REPORTS = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

# Registers the layers that a model may have.
from keras_lightnets.layers import inference, quantized  # noqa: E402, F401
from keras_lightnets.optimization.tfmot.engines import ENGINES  # noqa: E402
from keras_lightnets.optimization.tfmot.hosting import host  # noqa: E402

# Of the largest output.
_TOLERANCE = 1e-6


def _report(**content):
    print(json.dumps(content), file=_REPORTS, flush=True)


def _batches(stream, count):
    for _ in range(count):
        yield pickle.load(stream)


class _Progress(tf_keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        _report(step={name: float(value) for name, value in logs.items()})


def _check_equal(model, twin):
    """Compares the outputs of the two models, and their weights by name."""
    images = np.random.default_rng(0).standard_normal((4, *model.input_shape[1:])).astype("float32")
    expected, found = model.predict(images, verbose=0), twin.predict(images, verbose=0)
    difference = np.max(np.abs(found - expected)) / max(np.max(np.abs(expected)), 1.0)
    if not difference <= _TOLERANCE:
        raise ValueError(f"the model rebuilt under tf_keras differs from the Keras 3 model by {difference:.1e}")
    return float(difference)


def main(folder):
    """Does the task in `folder`."""
    folder = Path(folder)
    task = json.loads((folder / "task.json").read_text())
    steps, epochs = task["steps_per_epoch"], task["epochs"]
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    twin, _ = host(model)
    _report(difference=_check_equal(model, twin))
    engine = ENGINES[task["engine"]](steps * epochs, **task["arguments"])
    twin, hosted = host(model, engine.lay)
    engine.begin()
    rate = tf_keras.optimizers.schedules.CosineDecay(task["learning_rate"], steps * epochs)
    twin.compile(tf_keras.optimizers.Adam(rate), task["loss"], metrics=["accuracy"])
    stream = os.fdopen(0, "rb")
    batch = [tf.TensorSpec(shape, dtype) for shape, dtype in task["batch"]]
    data = tf.data.Dataset.from_generator(lambda: _batches(stream, steps * epochs), output_signature=tuple(batch))
    twin.fit(data, epochs=epochs, steps_per_epoch=steps, verbose=0, callbacks=[*engine.callbacks, _Progress()])
    engine.end()
    for layer in hosted:
        layer.hand_back()
    model.save(folder / "trained.keras")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Exception as error:
        _report(error=f"{type(error).__name__}: {' '.join(str(error).split())}")
        raise
