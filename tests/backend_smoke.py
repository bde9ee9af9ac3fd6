"""Compares variants with their goldens on the backend of KERAS_BACKEND; run by test_backends.py.

KERAS_BACKEND=jax python -m tests.backend_smoke MicroNetM0 ReXNet-alpha=0.6
"""

import json
import sys

import keras
import numpy as np

from tools.goldens.derive import FOLDER, IMAGES, STEP, TOLERANCE, build, relative_difference
from tools.seeded import seed_weights, seeded_images
from tools.zoo import ZOO

GOLDENS = {name: golden for path in FOLDER.glob("*.json") for name, golden in json.loads(path.read_text()).items()}


def main():
    """Stops at the first variant that differs."""
    images = seeded_images(IMAGES)
    for case in (case for case in ZOO if case.id in sys.argv[1:]):
        model = build(case)
        if case.id in GOLDENS:
            golden = GOLDENS[case.id]
            seed_weights(model, golden["scales"])
            logits, expected = model.predict(images, verbose=0)[:, ::STEP], np.array(golden["logits"])
        else:
            # keras.applications is the reference of the MobileNets on every backend.
            reference = getattr(keras.applications, case.build.__name__)(
                **case.kwargs, weights=None, input_shape=IMAGES[1:], classifier_activation=None
            )
            seed_weights(reference, {})
            model.set_weights(reference.get_weights())
            logits, expected = model.predict(images, verbose=0), reference.predict(images, verbose=0)
        if not relative_difference(logits, expected) < TOLERANCE:
            raise SystemExit(f"{case.id} differs by {relative_difference(logits, expected):.1e} of the range")
        print(keras.backend.backend(), case.id, flush=True)


if __name__ == "__main__":
    main()
