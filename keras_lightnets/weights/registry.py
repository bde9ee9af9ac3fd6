"""The weight sets that are known: the records of every publisher, listed and found by name."""

import difflib
from typing import NamedTuple

from keras_lightnets.errors import UserError
from keras_lightnets.weights.records import (
    clovaai,
    imgclsmob,
    keras,
    megvii,
    mmpretrain,
    paddleclas,
    shipped,
    svcl,
    timm,
    torchvision,
)
from keras_lightnets.weights.records.record import WeightRecord, shown_call

# Facts from the publishers' pages, packages and papers, none measured here, and of the weights in this package.
RECORDS = (
    *svcl.RECORDS,
    *timm.RECORDS,
    *clovaai.RECORDS,
    *paddleclas.RECORDS,
    *torchvision.RECORDS,
    *imgclsmob.RECORDS,
    *mmpretrain.RECORDS,
    *megvii.RECORDS,
    *keras.RECORDS,
    *shipped.RECORDS,
)


class Network(NamedTuple):
    """A call of a builder, as weights see it."""

    builder: str
    arguments: dict  # those that decide which weights fit, or some of them
    defaults: dict  # what those are that are left out

    @property
    def shown(self) -> str:
        """The call as one writes it, such as "ReXNet(alpha=1.3)"."""
        given = {name: value for name, value in self.arguments.items() if value != self.defaults[name]}
        return shown_call(self.builder, given)

    def takes(self, record: WeightRecord) -> bool:
        """Whether the weights of a record fit."""
        ours, theirs = ({**self.defaults, **arguments} for arguments in (self.arguments, record.arguments))
        return record.builder == self.builder and ours == theirs


def find(name, network, include_top):
    """Returns the record that `weights=name` means for a `Network`, or None if there is none of the name for it.

    Raises:
        UserError: if `name` is a record of another network, or its publisher has no direct link.
    """
    fitting = [record for record in RECORDS if network.takes(record)]
    named = [record for record in fitting if record.name == name or (name == "imagenet" and record.imagenet)]
    if not named:
        if others := [record for record in RECORDS if record.name == name]:
            fitting = ", ".join(dict.fromkeys(record.shown for record in others))
            raise UserError(f"The weights {name!r} are for {fitting}, not for {network.shown}.")
        return None
    # The whole network serves where the file without classifier is not needed or not offered.
    record = next((r for r in named if r.include_top == include_top), named[0])
    if not record.by_name:
        raise UserError(
            f"The weights {name!r} have no direct link: get the file from {record.page} and pass its path as `weights`."
        )
    return record


def nearest(name):
    """Returns a hint naming the records whose names are like `name`."""
    names = dict.fromkeys(record.name for record in RECORDS)
    return ", ".join(repr(other) for other in difflib.get_close_matches(str(name), names, n=3, cutoff=0.5))
