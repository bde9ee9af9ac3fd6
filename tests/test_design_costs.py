"""The papers' cost formulas and cost tables."""

import json

import keras
import pytest
from keras import layers
from typer.testing import CliRunner

import keras_lightnets as kl
from keras_lightnets import design
from keras_lightnets import layers as ours
from keras_lightnets.cli.main import app
from keras_lightnets.design.published import TABLES
from keras_lightnets.errors import UserError
from tools import generate_costs


def pointwise(filters, groups=1):
    return layers.Conv2D(filters, 1, groups=groups, use_bias=False)


def square(filters, groups=1):
    return layers.Conv2D(filters, 3, padding="same", groups=groups, use_bias=False)


def depthwise(kernel=3):
    return layers.DepthwiseConv2D(kernel, padding="same", use_bias=False)


# Every formula, and the layers it stands for, on 14x14 pixels.
FORMULAS = {
    "convolution": (design.convolution(14, 3, 32, 48), 32, [square(48)]),
    "groups": (design.convolution(14, 1, 48, 96, groups=3), 48, [pointwise(96, 3)]),
    "depthwise separable": (design.depthwise_separable(14, 3, 32, 48), 32, [depthwise(), pointwise(48)]),
    "inverted residual": (
        design.inverted_residual(14, 16, 24, 6, kernel=5),
        16,
        [pointwise(96), depthwise(5), pointwise(24)],
    ),
    "bottleneck": (design.bottleneck(14, 64, 16, groups=4), 64, [pointwise(16), square(16, 4), pointwise(64)]),
    "ShuffleNet unit": (
        design.shufflenet_unit(14, 96, 24, groups=3),
        96,
        [pointwise(24, 3), depthwise(), pointwise(96, 3)],
    ),
    "micro-factorized pointwise": (
        design.micro_factorized_pointwise(14, 18, 2, groups=3),
        18,
        [ours.MicroFactorizedPointwiseConv2D(18, reduction=2)],
    ),
    "micro-factorized depthwise": (
        design.micro_factorized_depthwise(14, 5, 16),
        16,
        [ours.MicroFactorizedDepthwiseConv2D(5)],
    ),
}


@pytest.mark.parametrize(("formula", "channels", "stack"), FORMULAS.values(), ids=FORMULAS)
def test_formulas_are_those_of_the_layers(formula, channels, stack):
    cost = kl.complexity(keras.Sequential([keras.Input((14, 14, channels)), *stack]))
    assert formula == (cost.madds, cost.params)


def test_formulas_in_the_papers_words():
    """hw(2cm + 9m2), hw(2cm + 9m2 / g) and hw(2cm / g + 9m); 1 / N + 1 / K2; 2C2 / (RG)."""
    h, c, m, g = 28, 240, 60, 3
    assert design.bottleneck(h, c, m).madds == h * h * (2 * c * m + 9 * m * m)
    assert design.bottleneck(h, c, m, g).madds == h * h * (2 * c * m + 9 * m * m / g)
    assert design.shufflenet_unit(h, c, m, g).madds == h * h * (2 * c * m / g + 9 * m)
    ratio = design.depthwise_separable(14, 3, 512, 512).madds / design.convolution(14, 3, 512, 512).madds
    assert ratio == pytest.approx(1 / 512 + 1 / 9)
    assert design.micro_factorized_pointwise(7, 64, 4, 4).madds == 49 * 2 * 64 * 64 / (4 * 4)


def test_groups_at_which_each_output_sees_each_input_once():
    """G = sqrt(C / R): all factors one, the product of both has ones there, and zeros with more groups."""

    def unseen(groups):
        layer = ours.MicroFactorizedPointwiseConv2D(18, reduction=2, groups=groups)
        layer.build((None, 1, 1, 18))
        layer.set_weights([keras.ops.ones(weight.shape) for weight in layer.weights])
        paths = layer(keras.ops.reshape(keras.ops.eye(18), (18, 1, 1, 18)))
        return sorted(set(keras.ops.convert_to_numpy(paths).ravel().tolist()))

    assert design.micro_groups(18, 2) == 3
    assert unseen(3) == [1.0]
    assert unseen(9)[0] == 0.0
    assert min(unseen(1)) > 1


def test_groups_must_divide():
    with pytest.raises(ValueError, match="`groups` must divide both. Received: channels=16, filters=9, groups=4"):
        design.convolution(14, 1, 16, 9, groups=4)


FAST = ("mobilenet-2", "mobilenet-3", "rexnet-depth")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in TABLES]
)
def test_published_tables(name):
    """A count agrees with what is printed, or the row says why it does not."""
    for row in design.cost_table(name).rows:
        assert any(cell.agreement == "differs" for cell in row.cells) == bool(row.why), row


@pytest.mark.slow
def test_the_page_is_up_to_date():
    assert generate_costs.PAGE.read_text(encoding="utf-8") == generate_costs.page(), "run `make costs`"


def test_the_command(tmp_path):
    run = CliRunner().invoke
    listed = run(app, ["cost-table"]).output.splitlines()
    assert [line.partition(":")[0] for line in listed] == list(TABLES)
    table = json.loads(run(app, ["cost-table", "mobilenet-3", "--json"]).output)
    assert table["rows"][0]["cells"][0] == {"printed": "462", "counted": 462.422016, "agreement": "rounded"}
    shown = run(app, ["cost-table", "mobilenet-2"]).output
    assert "1.906 (1.19)" in shown and "94.857 (94.86)" in shown
    with pytest.raises(UserError, match="There is no cost table 'mobilenet-8'. There are: mobilenet-1, "):
        design.cost_table("mobilenet-8")
