"""What is known of every published variant, without building one: one file per architecture."""

import difflib
import importlib
import pkgutil
from typing import Literal, overload

from keras_lightnets.applications.family import HEADS, Family, HeadRecord, ModelRecord
from keras_lightnets.errors import UserError
from keras_lightnets.weights.records.record import WeightRecord
from keras_lightnets.weights.registry import RECORDS

# A file in this folder is a family: no list to be kept beside it.
FAMILIES: tuple[Family, ...] = tuple(
    importlib.import_module(f"{__name__}.{module.name}").FAMILY for module in pkgutil.iter_modules(__path__)
)


@overload
def list_models(task: Literal["classify"] = "classify") -> tuple[ModelRecord, ...]: ...
@overload
def list_models(task: Literal["detect", "segment"]) -> tuple[HeadRecord, ...]: ...
@overload
def list_models(task: str) -> tuple[ModelRecord, ...] | tuple[HeadRecord, ...]: ...
def list_models(task: str = "classify") -> tuple:
    """Lists every published variant with its numbers, without building any.

    Args:
        task: str, "classify" for classifiers, "detect" for `SSDLite` on the variants or "segment" for `LRASPP`.
            Defaults to "classify".

    Returns:
        A tuple of `ModelRecord`, or of `HeadRecord` for detectors and segmenters, by the names of the modules and,
        within each, in the order of the papers' tables.

    Raises:
        UserError: for another task.

    Example:

    >>> small = [record for record in keras_lightnets.list_models() if record.madds < 5_000_000]
    >>> [(record.name, record.params, record.top1) for record in small]
    [('MicroNetM0', 1019590, 46.6), ('MicroNetM0-activation=relu6', 909802, None)]
    >>> detectors = keras_lightnets.list_models("detect")
    >>> max(detectors, key=lambda record: record.published or 0).name
    'ssdlite:ReXNet-alpha=1.3'
    """
    if task == "classify":
        return tuple(record for family in FAMILIES for record in records(family))
    found = tuple(record for family in FAMILIES for record in head_records(family) if record.task == task)
    if not found:
        raise UserError(f"`task` must be 'classify', 'detect' or 'segment'. Received: task={task!r}")
    return found


def find_model(name: str) -> ModelRecord:
    """Returns the `ModelRecord` of a variant, or of a builder with its default arguments.

    Args:
        name: name in `list_models()`, such as "ReXNet-alpha=1.3", or of a builder, such as "ReXNet".

    Raises:
        UserError: if there is none, with the nearest names.
    """
    models = list_models()
    found = {record.call: record._replace(kwargs={}) for record in reversed(models)}
    found |= {record.name: record for record in models}
    if name not in found:
        nearest = difflib.get_close_matches(name, found, n=3, cutoff=0.0)
        raise UserError(f"There is no model {name!r:.80}. Nearest: {', '.join(nearest)}.")
    return found[name]


def find_family(module: str) -> Family:
    """Returns the `Family` of a module of `applications`, such as "micronet"."""
    return next(family for family in FAMILIES if family.module == module)


def records(family: Family) -> tuple[ModelRecord, ...]:
    """Returns the `ModelRecord`s of one `Family`."""
    return tuple(
        ModelRecord(
            name="-".join([row.builder, *(f"{key}={value}" for key, value in row.kwargs.items())]),
            family=family.module,
            call=row.builder,
            kwargs=dict(row.kwargs),
            input_size=224,
            params=row.params,
            madds=row.madds,
            top1=row.top1,
            top1_source=row.source,
            preprocessing=family.preprocessing,
            pyramid=dict(enumerate(row.channels, 1)),
            weights=_weights(family.network(row.builder, row.kwargs)),
        )
        for row in family.variants
    )


def head_records(family: Family) -> tuple[HeadRecord, ...]:
    """Returns the `HeadRecord`s of one `Family`."""
    heads = [(HEADS[row.name.partition(":")[0]], row) for row in family.heads]
    return tuple(HeadRecord(row.name, head.task, head.classes, head.size, *row[1:]) for head, row in heads)


def list_weights(builder: str | None = None, **arguments: object) -> tuple[WeightRecord, ...]:
    """Lists the weight sets that are known, without downloading any.

    Args:
        builder: name of a builder. Defaults to None: of all.
        **arguments: with a builder, arguments such as `alpha`. Those left out have their default.

    Returns:
        A tuple of `WeightRecord`.

    Raises:
        UserError: if arguments are given and there is no such builder.

    Example:

    >>> [record.name for record in keras_lightnets.weights.list_weights("ReXNetR", alpha=3.0)]
    ['timm/rexnetr_300.sw_in12k_ft_in1k', 'timm/rexnetr_300.sw_in12k']
    """
    if builder is None or not arguments:
        return tuple(record for record in RECORDS if builder in (None, record.builder))
    network = find_family(find_model(builder).family).network(builder, arguments)
    return tuple(record for record in RECORDS if network.takes(record))


def _weights(network):
    known = [record for record in RECORDS if network.takes(record) and record.by_name]
    names = dict.fromkeys(record.name for record in known)
    return (*(["imagenet"] if any(record.imagenet for record in known) else []), *names)
