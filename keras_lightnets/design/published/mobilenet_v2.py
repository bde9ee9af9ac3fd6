"""MobileNetV2: the grid of released models, and the paper's two networks."""

from keras_lightnets import applications as kl
from keras_lightnets.design.published.tables import (
    MILLIONS,
    SLIM,
    Table,
    network,
    params_without_normalization,
    total_madds,
)

_V2_PARAMS = {1.4: "6.06", 1.3: "5.34", 1.0: "3.47", 0.75: "2.61", 0.5: "1.95", 0.35: "1.66"}
_V2_MADDS = {
    1.4: {224: "582"},
    1.3: {224: "509"},
    1.0: {224: "300", 192: "221", 160: "154", 128: "99", 96: "56"},
    0.75: {224: "209", 192: "153", 160: "107", 128: "69", 96: "39"},
    0.5: {224: "97", 192: "71", 160: "50", 128: "32", 96: "18"},
    0.35: {224: "59", 192: "43", 160: "30", 128: "20", 96: "11"},
}
_WITHOUT_NORMALIZATION = (total_madds, params_without_normalization)

TABLES = {
    "mobilenet_v2-grid": Table(
        "MobileNetV2, the 22 released models (params without batch normalisation)",
        SLIM,
        MILLIONS,
        tuple(
            network(
                f"{alpha} MobileNetV2-{size}",
                (madds, _V2_PARAMS[alpha]),
                kl.MobileNetV2,
                size,
                _WITHOUT_NORMALIZATION,
                alpha=alpha,
            )
            for alpha, row in _V2_MADDS.items()
            for size, madds in row.items()
        ),
    ),
    "mobilenet_v2-paper": Table(
        "MobileNetV2, the two networks of the paper's ImageNet table (params without batch normalisation)",
        "Sandler et al., MobileNetV2, CVPR 2018",
        MILLIONS,
        (
            network("MobileNetV2", ("300", "3.4"), kl.MobileNetV2, measures=_WITHOUT_NORMALIZATION, alpha=1.0),
            network(
                "MobileNetV2 (1.4)",
                ("585", "6.9"),
                kl.MobileNetV2,
                measures=_WITHOUT_NORMALIZATION,
                why="no released code gives either figure; the authors' README has 582 and 6.06, as counted",
                alpha=1.4,
            ),
        ),
    ),
}
