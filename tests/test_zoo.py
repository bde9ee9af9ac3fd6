"""Every variant has its published numbers, and gives the logits of its reference implementation."""

import inspect
import json

import numpy as np
import pytest

import keras_lightnets as kl
from tests.goldens.derive import FOLDER, IMAGES, STEP, TOLERANCE, build, relative_difference
from tests.seeded import seed_weights, seeded_images
from tests.zoo import ZOO

GOLDENS = {name: golden for path in FOLDER.glob("*.json") for name, golden in json.loads(path.read_text()).items()}
# MobileNets are compared with keras.applications itself, in test_mobilenets.py.
WITH_GOLDEN = {case.id for case in ZOO if "MobileNet" not in case.id}


def test_the_table_covers_the_public_builders():
    builders = {name for name, value in vars(kl).items() if name[0].isupper() and inspect.isfunction(value)}
    assert {case.build.__name__ for case in ZOO} == builders
    assert builders == {name for name in vars(kl.applications) if name[0].isupper()}
    assert set(GOLDENS) == WITH_GOLDEN


@pytest.mark.parametrize("case", ZOO, ids=lambda case: case.id)
def test_numbers(case):
    cost = kl.complexity(build(case, (case.size, case.size, 3)))
    assert cost.params == case.params
    assert cost.params + cost.non_trainable_params == case.total
    assert cost.madds + cost.mix_madds == pytest.approx(case.madds, rel=0.005)


def _row(case):
    # Other widths differ in numbers of channels only, which the counts above tell apart.
    marks = () if case.kwargs.get("alpha", 1.0) == 1.0 or "variant" in case.kwargs else pytest.mark.slow
    return pytest.param(case, id=case.id, marks=marks)


@pytest.mark.parametrize("case", [_row(case) for case in ZOO if case.id in WITH_GOLDEN])
def test_logits(case):
    golden = GOLDENS[case.id]
    model = build(case)
    seed_weights(model, golden["scales"])
    logits = model.predict(seeded_images(IMAGES), verbose=0)
    assert logits.shape == (2, 1000)
    assert relative_difference(logits[:, ::STEP], np.array(golden["logits"])) < TOLERANCE
