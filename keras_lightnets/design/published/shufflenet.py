"""ShuffleNet: Tables 1 and 5."""

from keras_lightnets import applications as kl
from keras_lightnets.design.formulas import convolution
from keras_lightnets.design.published.tables import Row, Table, cost_of, madds_of_features, network, total_madds

_PAPER = "Zhang et al., ShuffleNet, CVPR 2018"


def _stage_channels(groups):
    shapes = {layer.name: layer.output_shape for layer in cost_of(kl.ShuffleNet, 224, groups=groups, alpha=1.0).layers}
    return tuple(shapes[f"stage{stage}_unit1_concat"][-1] for stage in (2, 3, 4))


def _narrow_stem():
    """1.5x g=3 with the 24 channels of 1x in the stem: what reads or completes them changes too."""
    cost = cost_of(kl.ShuffleNet, 224, groups=3, alpha=1.5)
    narrow, wide = (
        convolution(112, 3, 3, stem).madds
        + convolution(56, 1, stem, 90).madds
        + convolution(28, 1, 90, 360 - stem, groups=3).madds
        for stem in (24, 36)
    )
    return (total_madds(cost) + (narrow - wide) / 1e6,)


_MFLOPS = ("MAdds, M",)
_NOMINAL = "the nominal complexity of all networks of this scale; Table 1 has {} for it, without classifier"
_SHUFFLENET_1 = {
    1: ("144", "288", "576", "143"),
    2: ("200", "400", "800", "140"),
    3: ("240", "480", "960", "137"),
    4: ("272", "544", "1088", "133"),
    8: ("384", "768", "1536", "137"),
}

TABLES = {
    "shufflenet-1": Table(
        "ShuffleNet, Table 1: output channels and complexity by groups (MAdds without classifier)",
        _PAPER,
        ("stage 2", "stage 3", "stage 4", "MAdds, M"),
        tuple(
            Row(
                f"g = {groups}",
                printed,
                lambda groups=groups: (  # type: ignore[misc]
                    *_stage_channels(groups),
                    madds_of_features(cost_of(kl.ShuffleNet, 224, groups=groups, alpha=1.0)),
                ),
            )
            for groups, printed in _SHUFFLENET_1.items()
        ),
    ),
    "shufflenet-5": Table(
        "ShuffleNet, Table 5: against MobileNet (all but the network with squeeze-excite)",
        _PAPER,
        _MFLOPS,
        tuple(
            network(name, (madds,), builder, measures=(total_madds,), why=why, **arguments)
            for name, madds, builder, arguments, why in (
                ("1.0 MobileNet-224", "569", kl.MobileNet, {"alpha": 1.0}, ""),
                ("ShuffleNet 2x (g = 3)", "524", kl.ShuffleNet, {"groups": 3, "alpha": 2.0}, ""),
                ("0.75 MobileNet-224", "325", kl.MobileNet, {"alpha": 0.75}, ""),
                (
                    "ShuffleNet 1.5x (g = 3)",
                    "292",
                    kl.ShuffleNet,
                    {"groups": 3, "alpha": 1.5},
                    "its stem is not scaled, as in the authors' released network: see below",
                ),
            )
        )
        + (Row("ShuffleNet 1.5x (g = 3), stem of 24 channels", ("292",), _narrow_stem),)
        + tuple(
            network(name, (madds,), builder, measures=(total_madds,), why=why, **arguments)
            for name, madds, builder, arguments, why in (
                ("0.5 MobileNet-224", "149", kl.MobileNet, {"alpha": 0.5}, ""),
                (
                    "ShuffleNet 1x (g = 8)",
                    "140",
                    kl.ShuffleNet,
                    {"groups": 8, "alpha": 1.0},
                    _NOMINAL.format(_SHUFFLENET_1[8][-1]),
                ),
                ("0.25 MobileNet-224", "41", kl.MobileNet, {"alpha": 0.25}, ""),
                ("ShuffleNet 0.5x (g = 4)", "38", kl.ShuffleNet, {"groups": 4, "alpha": 0.5}, ""),
                (
                    "ShuffleNet 0.5x (shallow, g = 3)",
                    "40",
                    kl.ShuffleNet,
                    {"groups": 3, "alpha": 0.5, "variant": "shallow"},
                    "its widths are not published; 180-360-720 are a guess",
                ),
            )
        ),
    ),
}
