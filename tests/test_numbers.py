"""Every variant has its published numbers, and the feature pyramid that the catalog states."""

import ast
from pathlib import Path

import pytest

import keras_lightnets as kl
from keras_lightnets.applications.catalog import find_family
from keras_lightnets.applications.pyramid import expansion_levels, pyramid_levels
from tools.goldens.derive import build
from tools.zoo import ZOO, by_cost

# One variant of every builder; the rest is the same but for its widths.
CHEAPEST = {case.build: case for case in sorted(ZOO, key=by_cost, reverse=True)}.values()
# What SSDLite reads at stride 16: the expansion of the first block of stride 32, or else the output of the last block.
EXPANSIONS = {
    "MobileNet": "conv_pw_11_relu",
    "MobileNetV2": "block_13_expand_relu",
    "MobileNetV3Large": "expanded_conv_12_expand_act",
    "MobileNetV3Small": "expanded_conv_8_expand_act",
    "ReXNet": "block12_expand_act",
    "ReXNetLite": "block12_expand_act",
    "ReXNetR": "block12_expand_act",
}


def test_every_builder_of_the_catalog_is_public():
    architectures = (value for value in vars(kl).values() if "applications" in getattr(value, "__module__", ""))
    builders = {value.__name__ for value in architectures if value.__name__[0].isupper()}
    assert {case.build.__name__ for case in ZOO} == builders
    # Editors and type checkers read the lines of this file.
    lines = ast.walk(ast.parse(Path(kl.applications.__file__).read_text("utf-8")))
    exported = {alias.asname for line in lines if isinstance(line, ast.ImportFrom) for alias in line.names}
    assert builders == exported - {None}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.id, marks=() if case in CHEAPEST else pytest.mark.slow) for case in ZOO]
)
def test_numbers(case):
    model = build(case, (case.size, case.size, 3))
    cost = kl.complexity(model)
    assert cost.params == case.params
    assert cost.params + cost.non_trainable_params == case.total
    assert cost.madds + cost.mix_madds == pytest.approx(case.madds, rel=0.005)
    family = find_family(case.build.__module__.rpartition(".")[-1])
    assert {model.get_layer(name).weights[-1].shape[-1] for name in family.classes} == {1000}
    sides = {level: -(-case.size // 2**level) for level in case.pyramid}
    assert {level: features.shape for level, features in pyramid_levels(model).items()} == {
        level: (None, sides[level], sides[level], channels) for level, channels in case.pyramid.items()
    }
    name = EXPANSIONS.get(case.build.__name__)
    expected = model.get_layer(name).output if name else pyramid_levels(model)[4]
    assert expansion_levels(model)[4] is expected
