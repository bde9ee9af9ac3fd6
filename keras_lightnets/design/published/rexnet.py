"""ReXNet and ReXNet-lite: all published widths, and the searched networks of fixed depth."""

from keras_lightnets import applications as kl
from keras_lightnets.design.bottleneck_net import bottleneck_net_cost
from keras_lightnets.design.published.tables import BILLIONS, Row, Table, network, total_gigas, total_params


def _rexnet(builder, alpha, printed_madds, printed_params, why=""):
    printed, measures = (printed_madds, printed_params), (total_gigas, total_params)
    return network(f"{builder.__name__} x{alpha}", printed, builder, measures=measures, why=why, alpha=alpha)


def _straight(layers, blocks, first, last, printed):
    channels = [round(first + (last - first) * block / (blocks - 1)) for block in range(blocks)]
    name = f"{layers} layers, {'-'.join(map(str, channels))}"
    return Row(name, (printed,), lambda: (bottleneck_net_cost(channels).madds / 1e6,))


TABLES = {
    "rexnet": Table(
        "ReXNet, all published widths",
        "Han et al., Rethinking Channel Dimensions, CVPR 2021: Table 5 and supplement",
        BILLIONS,
        (
            _rexnet(kl.ReXNet, 0.9, "0.35", "4.1"),
            _rexnet(kl.ReXNet, 1.0, "0.40", "4.8"),
            _rexnet(kl.ReXNet, 1.1, "0.48", "5.6"),
            _rexnet(kl.ReXNet, 1.2, "0.57", "6.6"),
            _rexnet(kl.ReXNet, 1.3, "0.66", "7.6"),
            _rexnet(kl.ReXNet, 1.4, "0.76", "8.6"),
            _rexnet(kl.ReXNet, 1.5, "0.86", "9.7", "the supplement's; Table 5 has 0.9, the authors' README 0.88"),
            _rexnet(kl.ReXNet, 2.0, "1.5", "16"),
            _rexnet(kl.ReXNet, 2.2, "1.8", "19"),
            _rexnet(kl.ReXNet, 3.0, "3.4", "34"),
        ),
    ),
    "rexnet-lite": Table(
        "ReXNet-lite, all published widths",
        "authors' README",
        BILLIONS,
        (
            _rexnet(kl.ReXNetLite, 1.0, "0.41", "4.7"),
            _rexnet(kl.ReXNetLite, 1.3, "0.65", "6.8", "with the statistics of batch normalisation"),
            _rexnet(kl.ReXNetLite, 1.5, "0.84", "8.3"),
            _rexnet(kl.ReXNetLite, 2.0, "1.5", "13"),
        ),
    ),
    "rexnet-depth": Table(
        "Searched networks of fixed depth: straight lines from the width that meets the cost to the published one",
        "Han et al., Rethinking Channel Dimensions, CVPR 2021: figure of the discussion",
        ("MAdds, M",),
        (
            _straight(18, 5, 22, 82, "30"),
            _straight(18, 5, 29, 115, "50"),
            _straight(18, 5, 31, 150, "70"),
            _straight(30, 9, 19, 98, "100"),
            _straight(30, 9, 26, 118, "150"),
            _straight(30, 9, 27, 144, "200"),
        ),
    ),
}
