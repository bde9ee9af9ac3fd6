"""Every variant has its published numbers, and a feature pyramid of the channels that the catalog states."""

import inspect

import pytest

import keras_lightnets as kl
from keras_lightnets.applications.pyramid import pyramid_levels
from tools.goldens.derive import build
from tools.zoo import ZOO


def test_the_table_covers_the_public_builders():
    builders = {name for name, value in vars(kl).items() if name[0].isupper() and inspect.isfunction(value)}
    assert {case.build.__name__ for case in ZOO} == builders
    assert builders == {
        name for name in dir(kl.applications) if name[0].isupper() and callable(getattr(kl, name, None))
    }


@pytest.mark.parametrize("case", ZOO, ids=lambda case: case.id)
def test_numbers(case):
    model = build(case, (case.size, case.size, 3))
    cost = kl.complexity(model)
    assert cost.params == case.params
    assert cost.params + cost.non_trainable_params == case.total
    assert cost.madds + cost.mix_madds == pytest.approx(case.madds, rel=0.005)
    sides = {level: -(-case.size // 2**level) for level in case.pyramid}
    assert {level: features.shape for level, features in pyramid_levels(model).items()} == {
        level: (None, sides[level], sides[level], channels) for level, channels in case.pyramid.items()
    }
