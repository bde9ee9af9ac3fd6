"""What is known of every published variant, without building one: one file per architecture."""

import difflib
import importlib
import pkgutil

from keras_lightnets.applications.family import Family, ModelRecord
from keras_lightnets.errors import UserError
from keras_lightnets.weights.registry import list_weights

# A file in this folder is a family: no list to be kept beside it.
FAMILIES: tuple[Family, ...] = tuple(
    importlib.import_module(f"{__name__}.{module.name}").FAMILY for module in pkgutil.iter_modules(__path__)
)


def list_models() -> tuple[ModelRecord, ...]:
    """Lists every published variant with its numbers, without building any.

    Returns:
        A tuple of `ModelRecord`, by the names of the modules and, within each, in the order of the papers' tables.

    Example:

    >>> small = [record for record in keras_lightnets.list_models() if record.madds < 5_000_000]
    >>> [(record.name, record.params, record.top1) for record in small]
    [('MicroNetM0', 1019590, 46.6)]
    """
    return tuple(record for family in FAMILIES for record in records(family))


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
        raise UserError(f"There is no model {name!r}. Nearest: {', '.join(nearest)}.")
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
            weights=_weights(row),
        )
        for row in family.variants
    )


def _weights(row):
    known = [record for record in list_weights(row.builder, **{"alpha": 1.0, **row.kwargs}) if record.by_name]
    names = dict.fromkeys(record.name for record in known)
    return (*(["imagenet"] if any(record.imagenet for record in known) else []), *names)
