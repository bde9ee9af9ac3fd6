"""The state of an interrupted run: everything that decides its further course, in one file."""

import contextlib
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

from keras_lightnets.errors import UserError
from keras_lightnets.files import METADATA, add_metadata, locked, read_json, reading, replacing, write_json

# What is there before `run.json` is.
_EARLY = ("checkpoint", "lock", ".partial.run.json")


def fingerprint(names):
    """Returns a hash of what tells data apart, an iterable of str such as the names of the files."""
    return hashlib.sha256("\n".join(names).encode(errors="surrogateescape")).hexdigest()


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
        fingerprint: str that tells the data apart, or None before `open` and if nothing does.
    """

    def __init__(self, output, settings, chief=True):
        self.settings, self._chief = settings, chief
        self._folder = Path(output) / "checkpoint"
        self._run, self._last, self._kept = (self._folder / name for name in ("run.json", "last.npz", "kept.npz"))
        self._way_out = f"Remove {self._folder} to start again."
        self._held = contextlib.ExitStack()
        self.step, self.phase, self.history, self._arrays = 0, None, [], None
        self.fingerprint = None

    @property
    def begun(self):
        """Whether the output folder holds an unfinished run."""
        return self._run.exists()

    def check(self, resume):
        """Refuses to overwrite anything, and to resume what does not match. Writes nothing."""
        output = self._folder.parent
        if not self.begun:
            killed_early = self._folder.is_dir() and all(path.name in _EARLY for path in output.rglob("*"))
            if resume and not killed_early:
                raise UserError(f"{output} holds no interrupted run to resume.")
            if output.exists() and not killed_early and (not output.is_dir() or any(output.iterdir())):
                raise UserError(f"The output {output} exists already: choose another or remove it.")
            return
        if not resume:
            raise UserError(f"The output {output} exists already: pass --resume to continue it.")
        for name, before in self._begun_with("settings", dict).items():
            if self.settings.get(name) != before:
                raise UserError(
                    f"{output} was begun with {name}={before!r:.80}, not {self.settings.get(name)!r}: resume with the "
                    "same, or choose another output."
                )

    def _begun_with(self, name, kind):
        """Returns what `run.json` says."""
        content = read_json(self._run, self._way_out)
        with reading(self._run, self._way_out):
            if not isinstance(content[name], kind):
                raise TypeError(f"{name} is {content[name]!r}")
        return content[name]

    def open(self, names):
        """Begins or continues the run, now that its images are known to be good.

        The folder is held against other processes until `close`.

        Args:
            names: iterable of str that tells the data apart, such as the files. None if nothing does: then a run
                continues with any data.

        Raises:
            UserError: if another process writes there, the data changed, the folder cannot be written, or the
                checkpoint cannot be read.
        """
        self.fingerprint = None if names is None else fingerprint(names)
        if self._chief:
            self._hold()
        if not self.begun:
            if self._chief:
                write_json(self._run, {"settings": self.settings, "fingerprint": self.fingerprint})
        elif (before := self._begun_with("fingerprint", str | None)) != self.fingerprint and before is not None:
            output = self._folder.parent
            if names is None:
                raise UserError(f"The run in {output} was begun by a command that knows its images: go on with that.")
            raise UserError(f"The images changed since the run in {output} began: begin a new one.")
        if self._last.exists():
            with reading(self._last, self._way_out):
                content = _read(self._last)
                about = json.loads(content[METADATA])
                self.step, self.phase, self.history = (about[name] for name in ("step", "phase", "history"))
                self._arrays = {name: _group(content, name, count) for name, count in about["groups"].items()}

    def _hold(self):
        output = self._folder.parent
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._held.enter_context(locked(self._folder / "lock", "Wait for it to end, or choose another output."))
        except OSError as error:
            raise UserError(f"Cannot write {output}: {error.strerror}. Choose another output.") from error
        try:
            # Another process may have been here since.
            self.check(resume=self.begun)
        except UserError:
            self.close()
            with contextlib.suppress(OSError):
                self._folder.rmdir()
            raise

    def close(self):
        """Lets other processes write to the folder again."""
        self._held.close()

    def save(self, model, step, phase):
        """Keeps everything that decides the further course of the run.

        On several workers each must call it, as metrics are summed over them. The chief writes.

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
        """Puts the state back. The optimizer has its state back only within the same phase."""
        if self._arrays is None:
            return
        groups = _variables(model)
        if self.phase != phase:
            groups = {"model": groups["model"]}
        for group, variables in groups.items():
            self._assign(variables, group)

    def restore_metrics(self, model):
        """Puts back the sums that the numbers of an unfinished epoch are made of."""
        self._assign(model.metrics_variables, "metrics")

    def _assign(self, variables, group):
        with reading(self._last, self._way_out):
            for variable, values in zip(variables, self._arrays[group], strict=True):
                variable.assign(values)

    def keep(self, model):
        """Keeps the weights of the epoch that just ended, for the finished model."""
        weights = [np.asarray(variable) for variable in model.weights]
        if self._chief:
            _write(self._kept, {"weights": weights}, {})

    def load_kept(self, model):
        """Loads the kept weights into a model of the same architecture."""
        with reading(self._kept, self._way_out):
            model.set_weights(_group(_read(self._kept), "weights", len(model.weights)))

    def remove(self):
        """Removes the checkpoints of a finished run."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self.close()


def _variables(model):
    # `variables` holds the states of random generators too, which `weights` and model files lack.
    return {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.metrics_variables,
    }


def _read(path):
    """Returns the arrays of a file by name, and its metadata as bytes."""
    # NumPy leaves open what it cannot read.
    with path.open("rb") as file, np.load(file) as content:
        if damaged := content.zip.testzip():
            raise ValueError(f"its member {damaged} is damaged")
        return dict(content)


def _group(content, name, count):
    return [content[f"{name}/{i}"] for i in range(count)]


def _write(path, arrays, about):
    with replacing(path) as temporary:
        with temporary.open("wb") as file:
            np.savez(file, **{f"{group}/{i}": v for group, values in arrays.items() for i, v in enumerate(values)})
        add_metadata(temporary, about)
