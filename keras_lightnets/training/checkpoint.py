"""The state of an interrupted run: everything that decides its further course, in one file."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

from keras_lightnets.errors import UserError
from keras_lightnets.files import add_metadata, read_metadata, replacing, write_json


class Checkpoint:
    """Checkpoints below the output folder of a run, with its settings beside them.

    Args:
        output: str or Path of the output folder.
        settings: dict of JSON values that a resumed run must share.
        chief: bool, whether this process writes files. Defaults to True.

    Attributes:
        settings: as given.
        step: int, number of steps done.
        phase: str or None, what they ended in.
        history: list of dicts, one per finished epoch.
    """

    def __init__(self, output, settings, chief=True):
        self.settings, self._chief = settings, chief
        self._folder = Path(output) / "checkpoint"
        self._run, self._last, self._kept = (self._folder / name for name in ("run.json", "last.npz", "kept.npz"))
        self.step, self.phase, self.history, self._arrays = 0, None, [], None

    @property
    def begun(self):
        """Whether the output folder holds an unfinished run."""
        return self._run.exists()

    def check(self, resume):
        """Refuses to overwrite anything, and to resume what does not match; writes nothing."""
        output = self._folder.parent
        if not resume:
            if output.exists() and (not output.is_dir() or any(output.iterdir())):
                way_out = "pass --resume to go on with it" if self.begun else "choose another or remove it"
                raise UserError(f"The output {output} exists already: {way_out}.")
            return
        if not self.begun:
            raise UserError(f"{output} holds no interrupted run to resume.")
        for name, before in json.loads(self._run.read_text())["settings"].items():
            if self.settings.get(name) != before:
                raise UserError(
                    f"{output} was begun with {name}={before!r}, not {self.settings.get(name)!r}: resume with the "
                    "same, or choose another output."
                )

    def open(self, names):
        """Begins the run, or goes on with it, now that its images are known to be good.

        Args:
            names: iterable of str that tells the data apart, such as the files.

        Raises:
            UserError: if the data changed, the folder cannot be written, or the checkpoint cannot be read.
        """
        fingerprint = hashlib.sha256("\n".join(names).encode()).hexdigest()
        if not self.begun:
            if self._chief:
                try:
                    self._folder.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise UserError(
                        f"Cannot write {self._folder.parent}: {error.strerror}. Choose another output."
                    ) from error
                write_json(self._run, {"settings": self.settings, "fingerprint": fingerprint})
        elif json.loads(self._run.read_text())["fingerprint"] != fingerprint:
            raise UserError("The images changed since the run began: begin a new one.")
        if self._last.exists():
            about = read_metadata(self._last)
            if about is None:
                raise UserError(f"{self._last} is damaged. Remove {self._folder} to begin anew.")
            self.step, self.phase, self.history = about["step"], about["phase"], about["history"]
            with np.load(self._last) as file:
                self._arrays = {group: [file[f"{group}/{i}"] for i in range(n)] for group, n in about["groups"].items()}

    def save(self, model, step, phase):
        """Keeps everything that decides the further course of the run.

        On several workers each must call it, as metrics are summed over them; the chief writes.

        Raises:
            FloatingPointError: if a weight is not finite.
            UserError: if the file cannot be written.
        """
        arrays = {
            group: [np.asarray(variable) for variable in variables] for group, variables in _variables(model).items()
        }
        for values in arrays["model"]:
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise FloatingPointError("a weight is not finite")
        self.step, self.phase, self._arrays = step, phase, arrays
        if self._chief:
            about = {
                "step": step,
                "phase": phase,
                "history": self.history,
                "groups": {group: len(values) for group, values in arrays.items()},
            }
            _write(self._last, arrays, about)

    def restore(self, model, phase):
        """Puts the state back; the optimizer's only within the phase it belongs to."""
        if self._arrays is None:
            return
        groups = _variables(model)
        if self.phase != phase:
            groups = {"model": groups["model"]}
        for group, variables in groups.items():
            for variable, values in zip(variables, self._arrays[group], strict=True):
                variable.assign(values)

    def restore_metrics(self, model):
        """Puts back the sums that the numbers of an unfinished epoch are made of."""
        for variable, values in zip(model.metrics_variables, self._arrays["metrics"], strict=True):
            variable.assign(values)

    def keep(self, model):
        """Keeps the weights of the epoch just ended as those of the finished model."""
        weights = [np.asarray(variable) for variable in model.weights]
        if self._chief:
            _write(self._kept, {"weights": weights}, {})

    def load_kept(self, model):
        """Loads the kept weights into a model of the same architecture."""
        with np.load(self._kept) as file:
            model.set_weights([file[f"weights/{i}"] for i in range(len(model.weights))])

    def remove(self):
        """Removes the checkpoints of a finished run."""
        shutil.rmtree(self._folder)


def _variables(model):
    # `variables` holds the states of random generators too, which `weights` and model files lack.
    return {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }


def _write(path, arrays, about):
    with replacing(path) as temporary:
        with temporary.open("wb") as file:
            np.savez(file, **{f"{group}/{i}": v for group, values in arrays.items() for i, v in enumerate(values)})
        add_metadata(temporary, about)
