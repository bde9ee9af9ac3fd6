"""What a published weights file turns out to be: facts to complete its record with. Needs a connection."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from keras_lightnets.applications.catalog import find_family, find_model
from keras_lightnets.errors import UserError
from keras_lightnets.weights import download, registry
from keras_lightnets.weights.opening import open_source
from keras_lightnets.weights.records.record import WeightRecord


def check_weights(name: str) -> list[dict[str, Any]]:
    """Downloads published weights, loads them into their network and says what was found.

    Args:
        name: str, name in `list_weights()`, such as "timm/rexnet_100.nav_in1k".

    Returns:
        A list of dicts of JSON values, one for each file of the name. They have network, address, path, size in bytes,
        SHA-256, number of tensors, and whose names the tensors have. `settled` lists what the record calls unverified
        and this check verified.

    Raises:
        UserError: if there are no such weights or no link to them, or the file cannot be downloaded, is not the
            publisher's, or does not fit the network.

    Example:

    >>> keras_lightnets.weights.check_weights("paddleclas/MicroNet_M0")[0]["settled"]  # doctest: +SKIP
    ['reachable', 'size', 'digest', 'layout']
    """
    records = [record for record in registry.RECORDS if record.name == name]
    if not records:
        hint = registry.nearest(name)
        raise UserError(f"There are no weights {name!r}.{f' Did you mean {hint}?' if hint else ''}")
    return [_check(record) for record in records]


def _check(record: WeightRecord) -> dict[str, Any]:
    if not record.by_name:
        raise UserError(f"The weights {record.name!r} have no direct link: get the file from {record.page}.")
    path = download.fetch(record)
    model = find_model(record.builder)
    call = find_family(model.family).network(record.builder, record.arguments)
    source = open_source(path, call, record.include_top)
    side = record.input_size
    network = model.builder(
        **record.arguments,
        weights=path,
        include_top=record.include_top,
        input_shape=(side, side, 3),
        **({"classes": record.classes} if record.include_top else {}),
    )
    images = np.random.default_rng(0).standard_normal((2, side, side, 3), "float32")
    if not np.isfinite(network.predict(images, verbose=0)).all():
        raise UserError(f"{record.shown} gives no finite outputs with the weights file {path}.")
    return {
        "name": record.name,
        "network": record.shown,
        "url": record.urls[0] if record.urls else None,
        "path": str(path),
        "size": path.stat().st_size,
        "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(),
        "published": record.digest,
        "tensors": len(source.tensors.arrays),
        "layout": source.layout.publisher if source.layout else "Keras",
        "settled": [fact for fact in record.unverified if fact in ("reachable", "file", "size", "digest", "layout")],
    }
