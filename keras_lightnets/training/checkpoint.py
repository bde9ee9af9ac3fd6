"""The state of an interrupted run: its last and its best epoch, each one whole file."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import keras

from keras_lightnets.errors import UserError
from keras_lightnets.export.files import add_metadata, read_metadata, replacing, write_json


class Checkpoint:
    """Checkpoints below the output folder of a run, with the options of the run beside them.

    Attributes:
        last: Path of the last epoch, with the state of the optimizer.
        best: Path of the epoch of the best validation accuracy.
        history: list of dicts, one per finished epoch.
    """

    def __init__(self, options):
        self._options = asdict(options)
        self._folder = Path(options.output) / "checkpoint"
        self._run = self._folder / "run.json"
        self.last = self._folder / "last.keras"
        self.best = self._folder / "best.keras"
        self.history = []

    def check(self, resume):
        """Refuses to overwrite anything, and to resume what does not match; writes nothing."""
        output = self._folder.parent
        if not resume:
            if output.exists() and (not output.is_dir() or any(output.iterdir())):
                way_out = "pass --resume to go on with it" if self._run.exists() else "choose another or remove it"
                raise UserError(f"The output {output} exists already: {way_out}.")
            return
        if not self._run.exists():
            raise UserError(f"{output} holds no interrupted run to resume.")
        for name, before in json.loads(self._run.read_text())["options"].items():
            if name not in ("output", "data") and self._options[name] != before:
                raise UserError(
                    f"{output} was begun with {name}={before!r}, not {self._options[name]!r}: resume with the same."
                )

    def open(self, folder):
        """Begins the run, or goes on with it, now that its images are known to be good."""
        files = [
            f"{part} {label} {path.name}"
            for part in folder.splits
            for path, label in zip(*folder.splits[part], strict=True)
        ]
        fingerprint = hashlib.sha256("\n".join(files).encode()).hexdigest()
        if not self._run.exists():
            try:
                self._folder.mkdir(parents=True)
            except OSError as error:
                raise UserError(
                    f"Cannot write {self._folder.parent}: {error.strerror}. Choose another output."
                ) from error
            write_json(self._run, {"options": self._options, "fingerprint": fingerprint})
        elif json.loads(self._run.read_text())["fingerprint"] != fingerprint:
            raise UserError(f"The images in {self._options['data']} changed since the run began: begin a new one.")
        if self.last.exists():
            self.history = read_metadata(self.last)["history"]

    def save(self, model, epoch):
        """Keeps the epoch just ended, and keeps it as the best one too if it is; `epoch` joins the history."""
        self.history.append(epoch)
        files = [self.last]
        if best_epoch(self.history) is epoch:
            # The best goes first: a run killed between the two repeats the epoch and comes to the same files.
            files.insert(0, self.best)
        for file in files:
            with replacing(file) as temporary:
                model.save(temporary)
                add_metadata(temporary, {"history": self.history})

    def remove(self):
        """Removes the checkpoints of a finished run."""
        shutil.rmtree(self._folder)


def best_epoch(history):
    """Returns the epoch of the best validation accuracy, the one of the lowest validation loss among equals."""
    return max(history, key=lambda epoch: (epoch["val_accuracy"], -epoch["val_loss"]))


class KeepEpochs(keras.callbacks.Callback):
    """Saves a checkpoint after each epoch of a phase."""

    def __init__(self, checkpoint, phase):
        super().__init__()
        self._checkpoint, self._phase = checkpoint, phase

    def on_epoch_end(self, epoch, logs=None):
        """Keeps the epoch with its numbers."""
        numbers = {name: float(logs[name]) for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
        self._checkpoint.save(self.model, {"epoch": epoch + 1, "phase": self._phase, **numbers})
