"""ReXNet and ReXNet-lite: all published widths."""

from keras_lightnets import applications as kl
from keras_lightnets.design.published.tables import Table, network, total_madds, total_params

_BILLIONS = ("MAdds, B", "params, M")


def _giga(cost):
    return total_madds(cost) / 1e3


def _rexnet(builder, alpha, printed_madds, printed_params, why=""):
    printed, measures = (printed_madds, printed_params), (_giga, total_params)
    return network(f"{builder.__name__} x{alpha}", printed, builder, measures=measures, why=why, alpha=alpha)


TABLES = {
    "rexnet": Table(
        "ReXNet, all published widths",
        "Han et al., Rethinking Channel Dimensions, CVPR 2021: Table 5 and supplement",
        _BILLIONS,
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
        _BILLIONS,
        (
            _rexnet(kl.ReXNetLite, 1.0, "0.41", "4.7"),
            _rexnet(kl.ReXNetLite, 1.3, "0.65", "6.8", "with the statistics of batch normalisation"),
            _rexnet(kl.ReXNetLite, 1.5, "0.84", "8.3"),
            _rexnet(kl.ReXNetLite, 2.0, "1.5", "13"),
        ),
    ),
}
