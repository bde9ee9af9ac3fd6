"""The records of the weights that are part of the package, from the manifest of its released models."""

import json
from pathlib import Path

from keras_lightnets.weights.records.record import WeightRecord

FOLDER = Path(__file__).parents[2] / "saved_models"
# The name of the weights in the folder of every released model.
WEIGHTS = "model.weights.h5"


def _record(folder, entry):
    return WeightRecord(
        name=entry["weights"],
        builder=entry["builder"],
        arguments=entry["arguments"],
        urls=(),
        file=f"{folder}/{WEIGHTS}",
        format="h5",
        size=None,
        digest=f"sha256:{entry['files'][WEIGHTS]}",
        licence="Apache-2.0 (the package's)",
        classes=len(entry["labels"]),
        input_size=entry["size"],
        preprocessing=entry["preprocessing"],
        top1=round(100 * entry["top1"], 2),
        top1_source=f"measured with this package on {entry['images']} test images",
        page=f"saved_models/{folder}/model_card.md",
        unverified=(),
        labels=tuple(entry["labels"]),
    )


# Of every released model.
RECORDS = tuple(_record(*item) for item in json.loads((FOLDER / "manifest.json").read_text("utf-8")).items())
