"""Training by tensorflow-model-optimization in a process of its own, which leaves the user's Keras 3 alone."""

import contextlib
import importlib.util
import itertools
import json
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import keras
import numpy as np

from keras_lightnets.errors import UserError


class Training:
    """A model ready for a method of tensorflow-model-optimization. `fit` trains it and returns a Keras 3 model.

    That library knows Keras 2 alone. A child process rebuilds the model under tf_keras layer by layer, and compares
    outputs with the Keras 3 model (1e-6 of the largest). It trains, removes what was wrapped around the layers, and
    hands the weights back. Batches travel through a pipe, so data of any kind and size can be used.

    Attributes:
        model: the `keras.Model` that training starts from. It is not changed.
        difference: float, what the rebuilt model differed by, relative to the largest output. None before `fit`.
    """

    def __init__(self, model, engine, **arguments):
        """Prepares `model` for an engine of `engines.ENGINES` with these arguments."""
        if importlib.util.find_spec("tensorflow_model_optimization") is None:
            raise UserError(
                "This needs tensorflow-model-optimization and tf_keras: pip install 'keras_lightnets[optimize]'."
            )
        self.model = model
        self.difference = None
        self._task = {"engine": engine, "arguments": arguments}

    def fit(self, batches, epochs=1, steps_per_epoch=None, learning_rate=1e-3, loss=None, on_step=None):
        """Trains the model.

        Args:
            batches: `tf.data.Dataset`, list or other iterable of pairs of float images
                `(batch, height, width, channels)`, as the model takes them, and labels. It starts again when it ends.
            epochs: int. Defaults to 1.
            steps_per_epoch: int, batches per epoch. Defaults to None: as many as `batches` has.
            learning_rate: float, peak rate of Adam, which falls to zero along a half cosine. Defaults to 1e-3.
            loss: str, name of a Keras loss. Defaults to None: the cross-entropy that suits the labels.
            on_step: function, called after each batch with a dict of the running "loss" and "accuracy". Defaults to
                None.

        Returns:
            A `keras.Model` like `model` with the trained weights.

        Raises:
            UserError: if `batches` is empty or of unknown length, or the child process fails, with its last words.
        """
        try:
            steps = len(batches) if steps_per_epoch is None else steps_per_epoch
        except TypeError:
            raise UserError("`batches` has no known length: pass `steps_per_epoch`.") from None
        stream = _endless(batches)
        first = next(stream)
        if loss is None:
            loss = (
                "categorical_crossentropy"
                if first[1].ndim > 1 and first[1].shape[-1] > 1
                else "sparse_categorical_crossentropy"
            )
        task = {
            **self._task,
            "epochs": epochs,
            "steps_per_epoch": steps,
            "learning_rate": learning_rate,
            "loss": loss,
            "batch": [((None, *part.shape[1:]), str(part.dtype)) for part in first],
        }
        with tempfile.TemporaryDirectory(prefix="keras-lightnets-") as folder:
            folder = Path(folder)
            self.model.save(folder / "model.keras")
            (folder / "task.json").write_text(json.dumps(task))
            self._run(folder, first, stream, epochs * steps, on_step)
            return keras.saving.load_model(folder / "trained.keras", compile=False)

    def _run(self, folder, first, stream, count, on_step):
        self._error = None
        command = [sys.executable, "-m", "keras_lightnets.optimization.tfmot.child", str(folder)]
        environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
        with (folder / "log").open("w+b") as log:
            streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
            # Ctrl-C on the terminal is for this process, which then ends the child.
            with subprocess.Popen(command, **streams, env=environment, start_new_session=True) as child:
                try:
                    reader = threading.Thread(target=self._listen, args=(child.stdout, on_step), daemon=True)
                    reader.start()
                    with contextlib.suppress(BrokenPipeError):
                        for batch in itertools.islice(itertools.chain([first], stream), count):
                            pickle.dump(batch, child.stdin)
                        child.stdin.close()
                    status = child.wait()
                    reader.join()
                finally:
                    # First of all, as closing the pipe waits until a child that lives has read it.
                    child.kill()
                    with contextlib.suppress(BrokenPipeError):
                        child.stdin.close()
            if status:
                log.seek(0)
                lines = log.read().decode(errors="replace").strip().splitlines() or [f"exit status {status}"]
                reason = self._error or lines[-1]
                raise UserError(f"tensorflow-model-optimization could not train {self.model.name}: {reason}")

    def _listen(self, lines, on_step):
        for line in lines:
            report = json.loads(line)
            if "difference" in report:
                self.difference = report["difference"]
            elif "error" in report:
                self._error = report["error"]
            elif on_step is not None:
                on_step(report["step"])


def _endless(batches):
    while True:
        batch = None
        for batch in batches:
            yield tuple(np.asarray(part) for part in batch[:2])
        if batch is None:
            raise UserError("`batches` is empty.")
