"""The report of a finished run, read back."""

import shutil
from pathlib import Path

from keras_lightnets.errors import UserError
from keras_lightnets.files import read_json, reading
from keras_lightnets.training.card import export_rows
from keras_lightnets.training.checkpoint import fingerprint

_KEYS = ("keras_lightnets", "model", "options", "history", "best_epoch", "classes", "images", "parameters", "test")


def read_report(folder):
    """Returns the report of the finished run in a folder.

    Raises:
        UserError: if `report.json` there is damaged, or another command wrote it.
    """
    path = Path(folder) / "report.json"
    way_out = "Train again, into another folder."
    report = read_json(path, way_out)
    with reading(path, way_out):
        for name in _KEYS:
            report[name]
        export_rows(report)
    return report


def finished_report(output, settings):
    """Returns the report of a run of these settings that has ended in the folder `output`, or None.

    Removes what is left of its checkpoints: a kill may have come between the report and their removal.
    """
    path = Path(output) / "report.json"
    if not path.is_file():
        return None
    report = read_json(path, f"Choose another output, or remove {output}.")
    if report.get("options") != settings:
        return None
    shutil.rmtree(path.with_name("checkpoint"), ignore_errors=True)
    return report


def check_same_data(report, names, output):
    """Raises a UserError if a finished run saw other data than those that `names` tell apart.

    Args:
        report: dict of the run. Reports of older versions do not say what data the run saw.
        names: as in `Checkpoint.open`.
        output: str or Path of its folder.
    """
    now = fingerprint(names)
    if report.get("fingerprint", now) != now:
        raise UserError(f"{output} holds a finished run on other images: choose another output.")
