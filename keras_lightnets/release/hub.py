"""Models on the Hugging Face hub: a `.keras` file, its weights as `.safetensors`, and a full card."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras

from keras_lightnets.applications.catalog import find_family, find_model
from keras_lightnets.complexity import complexity
from keras_lightnets.errors import UserError
from keras_lightnets.version import __version__
from keras_lightnets.weights.download import home, offline
from keras_lightnets.weights.readers import check_archive
from keras_lightnets.weights.safetensors import save_safetensors

_CARD = """---
library_name: keras
license: {licence_tag}
pipeline_tag: image-classification
tags:
- keras
- keras_lightnets
- {tag}
{lists}---

# {title}

{about} This is `keras_lightnets.{name}` with {parameters:,} parameters and {madds:,} multiply-adds at
{height}x{width} pixels, saved by keras_lightnets {version}.

## Use

```python
import keras_lightnets

model = keras_lightnets.weights.from_hub("{repo_id}")
```

Input `{input_shape}`, output `{output_shape}`. {preprocessing}

## Weights

{source}
Licence: {licence}.
{metrics}
## Citation

{paper}, <{link}>.
"""


def push_to_hub(
    model: keras.Model,
    repo_id: str,
    name: str,
    licence: str,
    source: str,
    datasets: Sequence[str] = (),
    metrics: dict | None = None,
    labels: Sequence[str] | None = None,
    private: bool = False,
    token: str | None = None,
) -> str:
    """Uploads a model with a full card. Creates the repository where it does not exist.

    Args:
        model: a Keras model, with a classifier of any width.
        repo_id: str, "owner/name".
        name: name of its builder or variant in `list_models()`, such as "ReXNet-alpha=1.3".
        licence: licence of the weights: a tag of the hub, such as "apache-2.0".
        source: str, where the weights come from: what they were trained on and started from.
        datasets: names of data sets on the hub. Defaults to `()`.
        metrics: dict from name to value that were measured. Defaults to None.
        labels: names of the classes in the order of the outputs. Defaults to None.
        private: whether a new repository is private. Defaults to False.
        token: str, token of the hub. Defaults to None: the token of `hf auth login`.

    Returns:
        The address of the commit.

    Raises:
        UserError: if huggingface-hub is not installed, the environment forbids connections, or the hub refuses.

    Example:

    >>> keras_lightnets.weights.push_to_hub(model, "me/m0", "MicroNetM0", "apache-2.0", "trained on my photos")
    """
    hub = _client()
    if offline():
        raise UserError("KERAS_LIGHTNETS_OFFLINE is set: unset it to upload.")
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        save_safetensors(model, Path(folder) / "model.safetensors")
        text = card(model, repo_id, name, licence, source, datasets, metrics, labels)
        (Path(folder) / "README.md").write_text(text, encoding="utf-8")
        try:
            api = hub.HfApi(endpoint=_endpoint(), token=token)
            api.create_repo(repo_id, private=private, exist_ok=True)
            commit = api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=f"Upload {name}")
        except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError, OSError) as error:
            raise UserError(f"Cannot upload to {repo_id}: {' '.join(str(error).split())}") from error
    return str(commit.commit_url)


def from_hub(repo_id: str, revision: str | None = None, token: str | None = None) -> keras.Model:
    """Returns the model of a repository that `push_to_hub` made, downloaded unless it is in the cache.

    Args:
        repo_id: str, "owner/name".
        revision: branch, tag or commit. Defaults to None: the main branch.
        token: str, token of the hub. Defaults to None.

    Raises:
        UserError: if huggingface-hub is not installed, or there is no such model or no connection.

    Example:

    >>> model = keras_lightnets.weights.from_hub("me/m0")
    """
    hub = _client()
    try:
        path = hub.hf_hub_download(
            repo_id,
            "model.keras",
            revision=revision,
            token=token,
            cache_dir=home() / "models" / "hub",
            endpoint=_endpoint(),
            local_files_only=offline(),
        )
    except (hub.errors.HfHubHTTPError, hub.errors.HFValidationError, OSError, ValueError) as error:
        raise UserError(f"Cannot load {repo_id} from the hub: {' '.join(str(error).split())}") from error
    check_archive(path)
    try:
        return keras.saving.load_model(path)
    except Exception as error:
        raise UserError(f"Cannot load {repo_id} from the hub: {path}: {' '.join(str(error).split())}") from error


def card(model, repo_id, name, licence, source, datasets=(), metrics=None, labels=None):
    """Returns the text of a model card of the hub. Arguments as `push_to_hub` has them."""
    record = find_model(name)
    family = find_family(record.family)
    height, width = (side or record.input_size for side in model.input_shape[1:3])
    mean, std = (", ".join(f"{value:g}" for value in values) for values in record.preprocessing)
    lists = {"datasets": datasets, "metrics": metrics or ()}
    measured = "".join(f"| {key} | {value} |\n" for key, value in (metrics or {}).items())
    text = _CARD.format(
        licence_tag=licence,
        tag=family.title.lower(),
        lists="".join(f"{key}:\n" + "".join(f"- {item}\n" for item in items) for key, items in lists.items() if items),
        title=repo_id.split("/")[-1],
        about=family.about,
        name=record.name,
        parameters=complexity(model).params,
        madds=complexity(model).madds,
        height=height,
        width=width,
        version=__version__,
        repo_id=repo_id,
        input_shape=model.input_shape,
        output_shape=model.output_shape,
        preprocessing=f"Images: RGB, (pixel - mean) / std with pixels in 0-255, mean ({mean}) and std ({std}).",
        source=source,
        licence=licence,
        metrics=f"\n| measured | |\n|---|---|\n{measured}" if measured else "",
        paper=family.paper,
        link=family.link,
    )
    return text + (f"\n## Classes\n\n{', '.join(labels)}\n" if labels else "")


def _client():
    try:
        import huggingface_hub
    except ImportError as error:
        raise UserError("The hub needs the extra [hub]: pip install 'keras_lightnets[hub]'") from error
    return huggingface_hub


def _endpoint():
    mirror = os.environ.get("KERAS_LIGHTNETS_MIRROR")
    return f"{mirror.rstrip('/')}/huggingface.co" if mirror else None
