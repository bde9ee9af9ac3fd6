"""Derives the golden outputs from the reference implementations, where PyTorch is installed.

    KERAS_BACKEND=torch python -m tools.goldens.derive micronet --source CLONE_OF_THE_AUTHORS_REPOSITORY

runs the reference networks and ours with the same seeded weights on the same seeded images, stops unless all logits
agree within 1e-4 of their range, and writes every 25th reference logit to `tests/goldens/<family>.json`. The module
`tools/goldens/<family>_reference.py` says what to clone or install. A family in a folder, such as `megvii/shufflenet`,
is a private form of a network that fits other weights; its module lists its own `CASES`.
"""

import argparse
import importlib
import json
from pathlib import Path

import numpy as np

from tools.goldens.torch_weights import logits
from tools.seeded import calibrated_scales, seed_weights, seeded_images
from tools.zoo import ZOO

FOLDER = Path(__file__).parents[2] / "tests" / "goldens"
# Rectangular, so that a swap of height and width shows, and small, so that every border does.
IMAGES = (2, 64, 96, 3)
STEP = 25
TOLERANCE = 1e-4


def build(case, input_shape=IMAGES[1:]):
    """Returns the network of a zoo row, ending in logits."""
    return case.build(**case.kwargs, weights=None, input_shape=input_shape, classifier_activation=None)


def relative_difference(logits, reference):
    """Largest difference as a share of the range of the reference."""
    return float(np.max(np.abs(logits - reference)) / np.ptp(reference))


def derive(case, reference, source):
    """Returns the golden of one variant, or stops with what differs."""
    model, images = build(case), seeded_images(IMAGES)
    scales = calibrated_scales(model, images)
    arrays = seed_weights(model, scales)
    expected, *others = (logits(network, model, arrays, images) for network in reference.networks(case, source))
    difference = max(relative_difference(other, expected) for other in (model.predict(images, verbose=0), *others))
    between = relative_difference(expected[:1], expected[1:])
    print(f"{case.id}: {difference:.1e} of the range; the two images differ by {between:.1e}", flush=True)
    # Noise looks much the same on average, so deep networks tell two noise images apart by 1 % or so.
    if not (difference < TOLERANCE and between > 20 * TOLERANCE):
        raise SystemExit(f"{case.id} differs from the reference, or does not tell two images apart")
    return {"scales": scales, "logits": [[float(f"{x:.6g}") for x in row] for row in expected[:, ::STEP]]}


def main():
    """Runs the references of one family and writes its goldens."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family")
    parser.add_argument("--source", type=Path, help="clone of the reference repository, if it is not a package")
    arguments = parser.parse_args()
    reference = importlib.import_module(f"tools.goldens.{arguments.family.replace('/', '.')}_reference")
    cases = getattr(reference, "CASES", None) or [c for c in ZOO if c.build.__module__ in reference.MODULES]
    goldens = {case.id: derive(case, reference, arguments.source) for case in cases}
    lines = [f"{json.dumps(name)}: {json.dumps(golden)}" for name, golden in goldens.items()]
    (FOLDER / f"{arguments.family}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
