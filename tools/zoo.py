"""Every published variant as the generic tests take it: the numbers of the catalog beside the builder."""

from collections.abc import Callable
from typing import NamedTuple

from keras_lightnets.applications.catalog import FAMILIES, records


class Case(NamedTuple):
    """One variant: how to build it, and its published or measured numbers."""

    build: Callable
    kwargs: dict
    params: int
    total: int
    madds: int
    features: int
    source: str
    size: int = 224
    pyramid: dict | None = None

    @property
    def id(self):
        """Name of the variant, such as `ReXNet-alpha=1.3`."""
        return "-".join([self.build.__name__, *(f"{key}={value}" for key, value in self.kwargs.items())])


def by_cost(case):
    """Key that sorts cases or records: cheap ones first, ablations, which lack layers of their family, last."""
    return "activation" in case.kwargs, case.madds


ZOO = tuple(
    Case(
        record.builder,
        record.kwargs,
        variant.params,
        variant.total,
        variant.madds,
        variant.channels[-1],
        family.counted,
        record.input_size,
        record.pyramid,
    )
    for family in FAMILIES
    for record, variant in zip(records(family), family.variants, strict=True)
)
