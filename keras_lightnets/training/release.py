"""Finished runs among the released models."""

import hashlib
import json
import shutil
from pathlib import Path

from keras_lightnets.errors import UserError
from keras_lightnets.export.files import replacing, write_json

_FILES = ("model.keras", "backbone.weights.h5", "labels.txt", "model_card.md", "report.json", "training_curve.png")


def released_path(run, folder):
    """Returns the Path that a run has in a folder of released models."""
    return Path(folder) / Path(run).resolve().name


def check_name(run, folder):
    """Raises a UserError if a model of the name of `run` is in the folder of released models already."""
    if (target := released_path(run, folder)).exists():
        raise UserError(f"{target} is released already. Remove it, or choose another name for the output.")


def release(run, folder):
    """Adds a finished run to a folder of released models.

    The exports, their verification, the weights and the card are copied to a folder of the run's name, and an entry
    with the sha256 of every file joins `manifest.json`.

    Args:
        run: str or Path of the output folder of a finished run.
        folder: str or Path.

    Returns:
        The Path of the released model.

    Raises:
        UserError: if the run is not finished, or a model of that name is released already.
    """
    run, folder = Path(run), Path(folder)
    if not (run / "report.json").is_file():
        raise UserError(f"{run} holds no finished run: report.json is missing.")
    report = json.loads((run / "report.json").read_text())
    check_name(run, folder)
    target = released_path(run, folder)
    folder.mkdir(parents=True, exist_ok=True)
    exports = [export["path"] for export in report["exports"]]
    with replacing(target) as temporary:
        temporary.mkdir()
        for file in (*_FILES, *exports, *(f"{path}.json" for path in exports)):
            source = run / file
            if source.is_dir():
                shutil.copytree(source, temporary / file)
            elif source.exists():
                shutil.copy(source, temporary / file)
    manifest = folder / "manifest.json"
    entries = json.loads(manifest.read_text()) if manifest.exists() else {}
    entries[target.name] = {
        "model": report["model"],
        "size": report["options"]["size"],
        "classes": len(report["classes"]),
        "parameters": report["parameters"],
        "madds": report["madds"],
        "top1": report["test"]["top1"],
        "keras_lightnets": report["keras_lightnets"],
        "files": {
            str(path.relative_to(target)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(target.rglob("*"))
            if path.is_file()
        },
    }
    write_json(manifest, entries)
    return target
