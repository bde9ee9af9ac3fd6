"""The weight sets that are known: the records of every publisher, listed and found by name."""

import difflib

from keras_lightnets.errors import UserError
from keras_lightnets.weights.records import (
    clovaai,
    imgclsmob,
    keras,
    megvii,
    mmpretrain,
    shipped,
    svcl,
    timm,
    torchvision,
)
from keras_lightnets.weights.records.record import identity, shown_call

# Facts of the publishers' pages, packages and papers, none measured here; and those of what is shipped.
RECORDS = (
    *svcl.RECORDS,
    *timm.RECORDS,
    *clovaai.RECORDS,
    *torchvision.RECORDS,
    *imgclsmob.RECORDS,
    *mmpretrain.RECORDS,
    *megvii.RECORDS,
    *keras.RECORDS,
    *shipped.RECORDS,
)


def list_weights(builder=None, **arguments):
    """Lists the weight sets that are known, without downloading any.

    Args:
        builder: name of a builder. Defaults to None: of all.
        **arguments: with a builder, arguments such as `alpha`; those left out have their default.

    Returns:
        A tuple of `WeightRecord`.

    Example:

    >>> [record.name for record in keras_lightnets.weights.list_weights("ReXNetR", alpha=3.0)]
    ['timm/rexnetr_300.sw_in12k_ft_in1k', 'timm/rexnetr_300.sw_in12k']
    """
    return tuple(
        record
        for record in RECORDS
        if builder is None or (record.builder == builder and (not arguments or record.arguments == identity(arguments)))
    )


def find(name, builder, arguments, include_top):
    """Returns the record that `weights=name` means for a builder, or None if there is none of the name for it.

    Raises:
        UserError: if `name` is a record of another network, or its publisher has no direct link.
    """
    fitting = [r for r in list_weights(builder) if r.arguments == identity(arguments)]
    named = [record for record in fitting if record.name == name or (name == "imagenet" and record.imagenet)]
    if not named:
        if others := [record for record in RECORDS if record.name == name]:
            fitting = ", ".join(dict.fromkeys(record.shown for record in others))
            raise UserError(f"The weights {name!r} are for {fitting}, not for {shown_call(builder, arguments)}.")
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
