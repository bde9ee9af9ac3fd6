"""The course of a run as CSV and JSON lines, always written whole from its history."""

import csv
import io
import json

from keras_lightnets.files import replacing


def write_logs(history, output):
    """Writes `log.csv` and `log.jsonl`.

    Args:
        history: list of dicts, one per epoch, of the same keys.
        output: Path of the folder.
    """
    table = io.StringIO()
    writer = csv.DictWriter(table, history[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    lines = "".join(json.dumps(epoch) + "\n" for epoch in history)
    for name, text in (("log.csv", table.getvalue()), ("log.jsonl", lines)):
        with replacing(output / name) as temporary:
            temporary.write_text(text)
