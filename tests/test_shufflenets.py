"""The ShuffleNets beyond what every network is tested for: the split of channels, arguments, and the private orders."""

import json

import keras
import numpy as np
import pytest

import keras_lightnets as kl
from keras_lightnets.applications import shufflenet, shufflenet_v2
from keras_lightnets.layers import ChannelShuffle, ChannelSplit
from tools.goldens.derive import FOLDER, IMAGES, STEP, TOLERANCE, build, relative_difference
from tools.goldens.megvii import shufflenet_reference as megvii
from tools.goldens.megvii import shufflenet_v2_reference as megvii_v2
from tools.goldens.torchvision import shufflenet_v2_reference as torchvision_v2
from tools.seeded import run, seed_weights, seeded_images


def test_channel_split_conduct(tmp_path):
    layer = ChannelSplit(3, name="split")
    config = layer.get_config()
    assert config["parts"] == 3
    assert ChannelSplit.from_config(config).get_config() == config
    assert keras.saving.get_registered_name(ChannelSplit) == "keras_lightnets>ChannelSplit"

    inputs = keras.Input((None, None, 6))
    model = keras.Model(inputs, layer(inputs))
    assert not layer.weights
    images = seeded_images((2, 5, 7, 6))
    outputs = model.predict(images, verbose=0)
    assert [part.shape for part in outputs] == layer.compute_output_shape(images.shape) == [(2, 5, 7, 2)] * 3
    assert [part.shape for part in model.outputs] == [(None, None, None, 2)] * 3
    half = ChannelSplit(3, dtype="mixed_bfloat16")(images)
    assert {keras.backend.standardize_dtype(part.dtype) for part in half} == {"bfloat16"}

    model.save(tmp_path / "split.keras")
    loaded = keras.saving.load_model(tmp_path / "split.keras").predict(images, verbose=0)
    np.testing.assert_array_equal(loaded, outputs)


def test_channel_split_by_hand():
    parts = ChannelSplit()(np.arange(8.0, dtype="float32").reshape(1, 1, 2, 4))
    assert [np.ravel(part).tolist() for part in parts] == [[0, 1, 4, 5], [2, 3, 6, 7]]


@pytest.mark.parametrize("parts", [1, 0, 2.0, None])
def test_channel_split_refuses_parts(parts):
    with pytest.raises(ValueError, match=r"^`parts` must be an integer of at least 2. Received: parts="):
        ChannelSplit(parts)


def test_channel_split_refuses_channels():
    with pytest.raises(
        ValueError, match=r"`parts` must divide the number of channels. Received: parts=4.*\(2, 5, 7, 6\)"
    ):
        ChannelSplit(4)(seeded_images((2, 5, 7, 6)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": 5}, r"^`groups` must be one of 1, 2, 3, 4, 8. Received: groups=5$"),
        ({"variant": "deep"}, r"^`variant` must be one of 'standard', 'arch2', 'shallow'. Received: variant='deep'$"),
        ({"alpha": 0}, r"^`alpha` must be a positive number. Received: alpha=0$"),
        ({"alpha": "1.0"}, r"^`alpha` must be a positive number. Received: alpha="),
        ({"alpha": 1.25}, r"^The `weights` argument should be"),
    ],
)
def test_shufflenet_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        kl.ShuffleNet(**arguments)


@pytest.mark.parametrize("alpha", [0.75, 3, "1.0", None])
def test_shufflenet_v2_refuses(alpha):
    with pytest.raises(ValueError, match=r"^`alpha` must be one of 0.5, 1.0, 1.5, 2.0. Received: alpha="):
        kl.ShuffleNetV2(alpha)


def test_names():
    small = {"weights": None, "input_shape": (32, 32, 3), "include_top": False}
    assert kl.ShuffleNet(**small).name == "shufflenet_g3_1.0"
    assert kl.ShuffleNet(8, 0.5, "arch2", **small).name == "shufflenet_arch2_g8_0.5"
    assert kl.ShuffleNet(name="mine", **small).name == "mine"
    assert kl.ShuffleNetV2(2, **small).name == "shufflenet_v2_2.0"


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("variant", ["standard", "arch2", "shallow"])
def test_any_width_divides(groups, variant):
    for alpha in [*np.arange(0.05, 3, 0.05), 1 / 3]:
        widths = shufflenet.config(groups, alpha, variant)
        before = widths.stem
        for out in widths.stages:
            assert out % (4 * groups) == 0
            assert before % groups == 0
            # The main branch of a strided unit has channels left to make.
            assert out > before
            before = out


def test_widths_are_tensorpacks():
    # 240 * 0.55 is a little more than 132 in floating point, and must not become 144.
    assert shufflenet.config(3, 0.55, "standard").stages == (132, 264, 528)
    assert shufflenet.config(8, 0.5, "standard") == shufflenet.Config(8, 16, (192, 384, 768), (4, 8, 4))
    assert shufflenet.config(8, 0.5, "arch2") == shufflenet.Config(8, 16, (224, 416, 832), (4, 6, 4))
    assert shufflenet.config(3, 0.5, "shallow") == shufflenet.Config(3, 12, (180, 360, 720), (2, 4, 2))


def test_an_odd_network_builds_and_predicts():
    model = kl.ShuffleNet(8, 0.33, "shallow", weights=None, input_shape=(33, 47, 1), classes=7)
    scores = run(model, seeded_images((2, 33, 47, 1)))
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)


def test_inverse_shuffle_undoes_the_shuffle():
    images = seeded_images((1, 2, 2, 24))
    np.testing.assert_array_equal(ChannelShuffle(24 // 3)(ChannelShuffle(3)(images)), images)


# Weights of other implementations fit private forms only: the order of channels, or the widths, differ.

_PRIVATE = [
    pytest.param(case, folder, marks=() if case.kwargs["alpha"] == alpha else pytest.mark.slow, id=case.id)
    for module, folder, alpha in (
        (megvii, "megvii/shufflenet", 0.5),
        (megvii_v2, "megvii/shufflenet_v2", 0.5),
        (torchvision_v2, "torchvision/shufflenet_v2", 1.0),
    )
    for case in module.CASES
]


@pytest.mark.slow
@pytest.mark.chosen
@pytest.mark.parametrize(("case", "family"), _PRIVATE)
def test_private_orders(case, family):
    golden = json.loads((FOLDER / f"{family}.json").read_text())[case.id]
    cost = kl.complexity(build(case, (224, 224, 3)))
    assert (cost.params, cost.params + cost.non_trainable_params) == (case.params, case.total)
    assert cost.madds == case.madds
    model = build(case)
    seed_weights(model, golden["scales"])
    logits = run(model, seeded_images(IMAGES))
    assert relative_difference(logits[:, ::STEP], np.array(golden["logits"])) < TOLERANCE


@pytest.mark.parametrize(
    "other",
    [shufflenet.MEGVII._replace(**{field: False}) for field in shufflenet.Order._fields],
    ids=shufflenet.Order._fields,
)
def test_every_part_of_the_order_shows(other):
    """Without one part of megvii's order, the same weights say something else."""
    golden = json.loads((FOLDER / "megvii/shufflenet.json").read_text())["megvii_shufflenet-groups=8-alpha=0.5"]
    widths = shufflenet.config(8, 0.5, "standard")
    inputs = keras.Input(IMAGES[1:])
    model = keras.Model(inputs, shufflenet.head(shufflenet.features(inputs, widths, other), 1000, None))
    seed_weights(model, golden["scales"])
    logits = run(model, seeded_images(IMAGES))
    assert relative_difference(logits[:, ::STEP], np.array(golden["logits"])) > 50 * TOLERANCE


def test_every_part_of_the_wiring_shows():
    golden = json.loads((FOLDER / "megvii/shufflenet_v2.json").read_text())["megvii_shufflenet_v2-alpha=0.5"]
    inputs, config = keras.Input(IMAGES[1:]), shufflenet_v2.CONFIGS[0.5]
    features = shufflenet_v2.features(inputs, config, shufflenet_v2.PAPER)
    model = keras.Model(inputs, shufflenet_v2.head(features, config, 1000, None))
    seed_weights(model, golden["scales"])
    logits = run(model, seeded_images(IMAGES))
    assert relative_difference(logits[:, ::STEP], np.array(golden["logits"])) > 50 * TOLERANCE
    # The sizings differ in stage 2 only, and not at 0.5x, where half of the output is the input.
    counts = []
    for wiring in (shufflenet_v2.PAPER, shufflenet_v2.TORCHVISION):
        inputs = keras.Input(IMAGES[1:])
        counts.append(
            keras.Model(inputs, shufflenet_v2.features(inputs, shufflenet_v2.CONFIGS[1.0], wiring)).count_params()
        )
    assert counts == [2_295_940 - 1_025_000, 2_294_784 - 1_025_000]
