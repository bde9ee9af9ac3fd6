"""MicroNet: the four networks."""

from keras_lightnets import applications as kl
from keras_lightnets.design.published.tables import MILLIONS, Table, network

TABLES = {
    "micronet": Table(
        "MicroNet M0-M3 (MAdds with Dynamic Shift-Max's mixing)",
        "Li et al., MicroNet, ICCV 2021, authors' README",
        MILLIONS,
        tuple(
            network(builder.__name__, printed, builder)
            for builder, printed in {
                kl.MicroNetM0: ("4", "1.0"),
                kl.MicroNetM1: ("6", "1.8"),
                kl.MicroNetM2: ("12", "2.4"),
                kl.MicroNetM3: ("21", "2.6"),
            }.items()
        ),
    ),
}
