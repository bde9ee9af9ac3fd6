"""From a checkpoint of others to files that our builders load anywhere, checked and with a card."""

import hashlib
import os
from pathlib import Path

import numpy as np

from keras_lightnets.applications.catalog import find_family, find_model, list_weights
from keras_lightnets.complexity import complexity
from keras_lightnets.errors import UserError
from keras_lightnets.files import replacing
from keras_lightnets.version import __version__
from keras_lightnets.weights.opening import open_source
from keras_lightnets.weights.safetensors import save_safetensors

_ENDINGS = (".weights.h5", ".safetensors")
_CARD = """# {model}

Weights of `keras_lightnets` {version}, converted from {origin} (sha256 {source_sha256}).

| | |
|---|---|
| Builder | `keras_lightnets.{call}` |
| Parameters | {parameters:,} |
| Multiply-adds at 224x224 | {madds:,} |
| Classes | {classes} |
| Layout of the source | {layout} |
| Licence | {licence} |
| Published top-1 | {top1} |
| Input | RGB, pixels through `preprocess_input` of the builder's module: (pixel - mean) / std, mean {mean}, std {std} |

{files}

Check: {check}
"""


def convert(source: str | os.PathLike, model: str, output: str | os.PathLike) -> dict:
    """Converts a weights file.

    Args:
        source: path of the file, or a name of the registry.
        model: name of a builder or of a variant in `list_models()`, such as "ReXNet-alpha=1.3".
        output: file to write, `.weights.h5` or `.safetensors`. With another ending, both are written under that name.

    Returns:
        A dict of JSON values: the files written, with their sha256, and what was checked.

    Raises:
        UserError: if the source does not fit the model, or the files cannot be written.

    Example:

    >>> report = keras_lightnets.weights.convert("mine.weights.h5", "MicroNetM0", "m0.safetensors")
    >>> list(report["files"])
    ['m0.safetensors']
    """
    record = find_model(model)
    family = find_family(record.family)
    opened = open_source(source, family.network(record.call, record.kwargs), True)
    classes = _classes(opened, family.classes)
    arguments = {**record.kwargs, "input_shape": (224, 224, 3), "include_top": classes is not None}
    if classes is not None:
        arguments["classes"] = classes
    network = record.builder(**arguments, weights=source)
    ending = next((ending for ending in _ENDINGS if str(output).endswith(ending)), None)
    paths = [Path(output)] if ending else [Path(f"{output}{ending}") for ending in _ENDINGS]
    images = np.random.default_rng(0).standard_normal((2, 224, 224, 3), "float32")
    expected = network.predict(images, verbose=0)
    if not np.isfinite(expected).all():
        raise UserError(
            f"The network says {expected.ravel()[0]} with the weights of {opened.path}: nothing is written."
        )
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    differences = []
    for path in paths:
        # A check that fails leaves no file.
        with replacing(path) as temporary:
            save_safetensors(network, temporary) if path.suffix == ".safetensors" else network.save_weights(temporary)
            again = record.builder(**arguments, weights=temporary)
            if any((old != new).any() for old, new in zip(network.get_weights(), again.get_weights(), strict=True)):
                raise UserError(f"{path} does not hold the weights that were written: the disk may be damaged.")
            differences.append(float(np.abs(again.predict(images, verbose=0) - expected).max()))
    report = {
        "model": record.name,
        "source": opened.path,
        "source_sha256": _sha256(opened.path),
        "layout": opened.layout.publisher if opened.layout else "keras_lightnets",
        "tensors": len(opened.tensors.arrays),
        "variables": len(network.weights),
        "classes": classes,
        "files": {str(path): _sha256(path) for path in paths},
        "check": (
            f"all {len(opened.tensors.arrays)} tensors of the source are used, each once; read again, "
            f"{' and '.join(path.name for path in paths)} give the same {len(network.weights)} arrays, and outputs "
            f"for 2 random images that differ by {max(differences):.1e} at most"
        ),
    }
    card = paths[0].with_name(paths[0].name.removesuffix(ending or _ENDINGS[0]) + ".md")
    with replacing(card) as temporary:
        temporary.write_text(_card(report, record, network, source), encoding="utf-8")
    return {**report, "card": str(card)}


def _classes(source, layers):
    """Number of classes of a file, None if it has no classifier. `layers` are as wide as there are classes."""
    arrays, layout = source.tensors.arrays, source.layout
    if layout:
        found = [array for name, array in arrays.items() if name.startswith(layout.head)]
        return found[-1].shape[0 if layout.framework == "torch" else -1] if found else None
    found = [array for name, array in arrays.items() if name.split("/")[0] in layers]
    return found[-1].shape[-1] if found else None


def _card(report, record, network, source):
    known = list_weights(record.call)
    released = next((r for r in known if r.name == source or r.file == Path(source).name), None)
    arguments = [f"{name}={value!r}" for name, value in record.kwargs.items()]
    first = next(iter(report["files"]))
    call = f"{record.call}({', '.join([*arguments, f'weights={Path(first).name!r}'])})"
    top1 = released and released.top1 and f"{released.top1} % ({released.top1_source}); the conversion measured nothing"
    cost = complexity(network)
    return _CARD.format(
        **report
        | {"files": "\n".join(f"- `{Path(p).name}`: sha256 {digest}" for p, digest in report["files"].items())},
        version=__version__,
        origin=f"`{released.name}`, <{released.page}>" if released else f"`{Path(report['source']).name}`",
        call=call,
        parameters=cost.params,
        madds=cost.madds,
        licence=released.licence if released else "that of the source, which the file does not state",
        top1=top1 or "not known",
        mean=", ".join(f"{value:g}" for value in record.preprocessing.mean),
        std=", ".join(f"{value:g}" for value in record.preprocessing.std),
    )


def _sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
