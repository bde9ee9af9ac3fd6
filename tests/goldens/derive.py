"""Derives the golden outputs from the reference implementations, where PyTorch is installed.

    python -m tests.goldens.derive micronet --source CLONE_OF_THE_AUTHORS_REPOSITORY

runs the reference network and ours with the same seeded weights on the same seeded images, stops unless all logits agree
within 1e-4 of their range, and writes every 25th reference logit to `tests/goldens/<family>.json`. The module
`tests/goldens/<family>_reference.py` says what to clone or install.
"""

import argparse
import importlib
import json
from pathlib import Path

import numpy as np

from tests.seeded import seed_weights, seeded_array, seeded_images
from tests.zoo import ZOO

FOLDER = Path(__file__).parent
# Rectangular, so that a swap of height and width shows, and small, so that every border does.
IMAGES = (2, 64, 96, 3)
STEP = 25
TOLERANCE = 1e-4


def build(case):
    """Returns the network of a zoo row with seeded weights, ending in logits."""
    model = case.build(**case.kwargs, weights=None, input_shape=IMAGES[1:], classifier_activation=None)
    seed_weights(model)
    return model


def relative_difference(logits, reference):
    """Largest difference as a share of the range of the reference."""
    return float(np.max(np.abs(logits - reference)) / np.ptp(reference))


def main():
    """Runs the reference of one family and writes its goldens."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family")
    parser.add_argument("--source", type=Path, help="clone of the reference repository, if it is not a package")
    arguments = parser.parse_args()
    reference = importlib.import_module(f"tests.goldens.{arguments.family}_reference")
    images = seeded_images(IMAGES)
    goldens = {}
    for case in ZOO:
        if case.build.__module__ not in reference.MODULES:
            continue
        model = build(case)
        arrays = {v.path: seeded_array(v.path, v.shape) for v in model.weights}
        expected = reference.logits(case, arrays, images, arguments.source)
        difference = relative_difference(model.predict(images, verbose=0), expected)
        print(f"{case.id}: {difference:.1e} of the range")
        if not difference < TOLERANCE:
            raise SystemExit(f"{case.id} differs from the reference")
        goldens[case.id] = [[float(f"{x:.6g}") for x in row] for row in expected[:, ::STEP]]
    text = json.dumps(goldens, indent=0).replace(",\n", ", ").replace("], ", "],\n")
    (FOLDER / f"{arguments.family}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
