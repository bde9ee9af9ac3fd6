"""Every variant gives the logits that its reference implementation gave with the same seeded weights."""

import json

import numpy as np
import pytest

from tests.fused_checks import check_fused
from tools.goldens.derive import FOLDER, IMAGES, STEP, TOLERANCE, build, relative_difference
from tools.seeded import run, seed_weights, seeded_images
from tools.zoo import ZOO

GOLDENS = {name: golden for path in FOLDER.glob("*.json") for name, golden in json.loads(path.read_text()).items()}
# MobileNets are compared with keras.applications itself, in test_mobilenets.py.
CASES = [case for case in ZOO if "MobileNet" not in case.id]


def test_every_variant_has_a_golden():
    assert {case.id for case in CASES} == set(GOLDENS)


def _row(case):
    # Other widths and groups differ in numbers of channels only, which the counts of every variant tell apart.
    plain = case.kwargs.get("alpha", 1.0) == 1.0 and case.kwargs.get("groups", 1) in (1, 3, 8)
    plain &= "activation" not in case.kwargs or case.build.__name__ == "MicroNetM0"
    return pytest.param(case, id=case.id, marks=() if plain or "variant" in case.kwargs else pytest.mark.slow)


@pytest.mark.parametrize("case", [_row(case) for case in CASES])
def test_logits(case):
    golden = GOLDENS[case.id]
    model = build(case)
    seed_weights(model, golden["scales"])
    logits = run(model, seeded_images(IMAGES))
    assert logits.shape == (2, 1000)
    assert relative_difference(logits[:, ::STEP], np.array(golden["logits"])) < TOLERANCE
    # The inference graph of the same network is a rewrite, not an approximation.
    check_fused(model, logits)
