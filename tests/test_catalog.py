"""What the catalog says of every variant is complete, and true of the networks as built."""

import inspect
import re

import keras
import numpy as np
import pytest

import keras_lightnets as kl
from keras_lightnets.applications.catalog import FAMILIES, find_family
from keras_lightnets.weights import list_weights
from tools.generate_cards import FOLDER, card
from tools.seeded import run, seeded_images
from tools.zoo import by_cost

RECORDS = kl.list_models()
# The cheapest variant of every builder, and of those the cheapest of every family: siblings have the same blocks.
CHEAPEST = sorted(RECORDS, key=by_cost, reverse=True)
BUILDERS = {record.call: record for record in CHEAPEST}.values()
FAMILY = {record.family: record for record in CHEAPEST}.values()
first_of_each = pytest.mark.parametrize(
    "record",
    [pytest.param(record, id=record.name, marks=() if record in FAMILY else pytest.mark.slow) for record in BUILDERS],
)


def build(record, **arguments):
    return record.builder(**{**record.kwargs, "weights": None, "include_top": False, **arguments})


def test_accuracies_have_a_source():
    for record in RECORDS:
        assert (record.top1 is None) == (record.top1_source is None), record.name
        assert record.top1 is None or 40 < record.top1 < 90, record.name
    published = {record.name: record.top1 for record in RECORDS}
    assert published["MicroNetM2"] == 59.4
    assert published["ReXNet-alpha=1.0"] == 77.9
    assert published["ShuffleNet-groups=3-alpha=1.0"] == 67.4
    assert published["MobileNetV3Large-alpha=1.0"] == 75.2


def test_weights_are_those_that_the_builders_take():
    weights = {record.name: record.weights for record in RECORDS}
    assert weights["MicroNetM0"] == ("imagenet", "svcl/micronet-m0", "paddleclas/MicroNet_M0", "cifar10")
    assert weights["ReXNet-alpha=1.0"] == (
        "imagenet",
        "timm/rexnet_100.nav_in1k",
        "timm/rexnetv1_100-1b4dddf4",
        "paddleclas/ReXNet_1_0",
    )
    # The authors' have no direct link.
    assert weights["ReXNetLite-alpha=1.3"] == weights["ReXNet-alpha=0.9"] == ()
    assert weights["MobileNetV3Small-minimalistic=True"] == ("imagenet", "keras/mobilenet_v3_small_minimalistic_1.0")
    for record in RECORDS:
        known = {released.name for released in list_weights(record.builder.__name__)}
        assert set(record.weights) <= {"imagenet", *known}, record.name


@pytest.mark.parametrize("record", BUILDERS, ids=lambda record: record.call)
def test_identity_is_the_defaults_of_the_builder(record):
    parameters = inspect.signature(record.builder).parameters
    identity = find_family(record.family).identity
    assert identity == {name: parameters[name].default for name in identity} and set(record.kwargs) <= set(identity)


@first_of_each
def test_pyramid_of_any_size(record):
    model = build(record)
    pyramid = kl.feature_pyramid(model, tuple(record.pyramid))
    assert {int(name[1:]): x.shape for name, x in pyramid.output.items()} == {
        level: (None, None, None, channels) for level, channels in record.pyramid.items()
    }
    with pytest.raises(ValueError, match="`levels` must be among"):
        kl.feature_pyramid(model, (max(record.pyramid) + 1,))
    # What tells the families apart, also in a file that does not know its builder.
    marks = [family.module for family in FAMILIES for layer in model.layers if layer.name == family.pyramid.mark]
    assert marks == [record.family]


@pytest.mark.slow
@pytest.mark.chosen
@first_of_each
def test_pyramid_of_any_model(record, tmp_path):
    """With a top, of an odd size, renamed, loaded, and built upon another tensor."""
    model = build(record, include_top=True, input_shape=(75, 123, 3), name="mine", classes=5)
    model.save(tmp_path / "mine.keras")
    for found in (model, keras.saving.load_model(tmp_path / "mine.keras")):
        pyramid = kl.feature_pyramid(found)
        assert pyramid.name == "mine_pyramid" and list(pyramid.output) == ["P2", "P3", "P4", "P5"]
        for level, features in pyramid.output.items():
            stride = 2 ** int(level[1:])
            floor = record.call == "MobileNet"
            sides = [side // stride if floor else -(-side // stride) for side in (75, 123)]
            # MobileNet rounds its first stride up and the others down.
            assert np.abs(np.subtract(features.shape[1:3], sides)).max() <= floor
            assert features.shape[-1] == record.pyramid[int(level[1:])]

    inputs = keras.Input((64, 64, 3))
    halved = keras.layers.AveragePooling2D(2)(inputs)
    pyramid = kl.feature_pyramid(build(record, input_tensor=halved), (3, 6))
    assert pyramid.inputs[0] is inputs
    assert pyramid.output["P3"].shape[1:] == (8, 8, record.pyramid[2])
    assert pyramid.output["P6"].shape[1:] == (1, 1, record.pyramid[5])


def test_pyramid_as_image_encoder(tmp_path):
    """KerasHub's tasks read `pyramid_outputs`, also of an encoder that was saved and loaded."""
    model = kl.MicroNetM0(weights=None, include_top=False)
    pyramid = kl.feature_pyramid(model, (5, 3))
    model.save(tmp_path / "model.keras")
    pyramid.save(tmp_path / "pyramid.keras")
    images = seeded_images((1, 75, 123, 3))
    expected = run(pyramid, images)
    loaded = keras.saving.load_model(tmp_path / "pyramid.keras")
    for encoder in (pyramid, loaded, kl.feature_pyramid(keras.saving.load_model(tmp_path / "model.keras"), (3, 5))):
        assert list(encoder.pyramid_outputs) == ["P3", "P5"]
        assert all(keras.backend.is_keras_tensor(features) for features in encoder.pyramid_outputs.values())
        keras.Model(encoder.inputs, encoder.pyramid_outputs)
        for level, features in run(encoder, images).items():
            np.testing.assert_allclose(features, expected[level], rtol=1e-4, atol=1e-5 * np.abs(features).max())


@pytest.mark.parametrize("levels", [(), (2, 9), (0,), ("P2",), 6])
def test_pyramid_refuses_levels(levels):
    model = kl.MicroNetM0(weights=None, include_top=False)
    with pytest.raises(
        ValueError, match=r"`levels` must be among \(1, 2, 3, 4, 5\) for micronet_m0. Received: levels="
    ):
        kl.feature_pyramid(model, levels)


def test_pyramid_refuses_other_models():
    inputs = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match="`model` must come from a builder of keras_lightnets. Received: model=other"):
        kl.feature_pyramid(keras.Model(inputs, keras.layers.ReLU()(inputs), name="other"))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.title)
def test_cards_are_up_to_date(family):
    path = FOLDER / f"{family.module}.md"
    assert path.read_text("utf-8") == card(family), "run python -m tools.generate_cards"


def test_there_is_a_card_for_every_module():
    assert {path.stem for path in FOLDER.glob("*.md")} == {family.module for family in FAMILIES}
    assert all(re.search(r"https://arxiv.org/abs/\d{4}\.\d{5}$", family.link) for family in FAMILIES)
