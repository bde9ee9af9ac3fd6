"""Writes the model cards, docs/cards/*.md, from the records of `keras_lightnets.list_models()`.

python -m tools.generate_cards
"""

from keras_lightnets.applications.catalog import FAMILIES, head_records, records
from keras_lightnets.preprocessing import RAW
from keras_lightnets.weights import list_weights
from tools import DOCS

FOLDER = DOCS / "cards"
TEMPLATE = """# {title}

{about}

{paper}, <{link}>.

## Variants

| Variant | Parameters | Multiply-adds | Published top-1 | Source of the accuracy |
|---|---:|---:|---:|---|
{variants}

Parameters are trainable ones, with the classifier for 1000 classes.
Multiply-adds are for one image of {size}x{size} pixels: {madds}.
Batch normalisation, biases, pooling and activations are not counted.
Both were counted on {counted}.
Accuracies are top-1 on ImageNet as published. None was measured with this package.

## Use

<!-- not run: needs a download -->
```python
import keras_lightnets
from keras_lightnets.applications import {module}

model = keras_lightnets.{call}
scores = model.predict({module}.preprocess_input(images))  # images: RGB, 0-255, (batch, {size}, {size}, 3)
```

Preprocessing: {preprocessing}

## Weights

{weights}

{heads}## Feature pyramid

`keras_lightnets.feature_pyramid(model, levels=(2, 3, 4, 5))` returns a model whose output "Pk" has stride 2^k and these
channels:

| Variant | {levels} |
|---|{rule}|
{channels}

## Differences

{differences}
"""


def card(family):
    """Returns the text of the card of one family."""
    models = records(family)
    example = models[0]
    arguments = {**example.kwargs, "weights": example.weights[0] if example.weights else None}
    levels = list(example.pyramid)
    return TEMPLATE.format(
        title=family.title,
        about=family.about,
        paper=family.paper,
        link=family.link,
        size=example.input_size,
        madds=family.madds,
        counted=family.counted,
        variants="\n".join(
            f"| {_shown(m)} | {m.params:,} | {m.madds / 1e6:.1f} M | {_percent(m.top1)} | {m.top1_source or '-'} |"
            for m in models
        ),
        weights=_weights(models),
        module=family.module,
        call=f"{example.call}({', '.join(f'{key}={_quoted(value)}' for key, value in arguments.items())})",
        preprocessing=_preprocessing(example.preprocessing),
        heads=_heads(head_records(family)),
        levels=" | ".join(f"P{level}" for level in levels),
        rule="|".join(["---:"] * len(levels)),
        channels="\n".join(
            f"| {_shown(m)} | {' | '.join(str(m.pyramid.get(level, '-')) for level in levels)} |" for m in models
        ),
        differences="\n".join(f"- From {other}: {text}" for other, text in family.differences.items()),
    )


_WRONG = "; the address was seen to serve the file of another network"


def _weights(models):
    builders = dict.fromkeys(model.call for model in models)
    released = [
        record for builder in builders for record in list_weights(builder) if record.include_top and not record.shipped
    ]
    rows = "\n".join(
        f"| `{record.name}` | {'yes' if record.imagenet else ''} | `{record.shown}` | {record.format} "
        f"| {'' if record.urls else 'by path; '}<{record.page}> | {_percent(record.top1)} | {record.digest or '-'} "
        f"| {record.licence} | {', '.join(record.unverified)}{_WRONG if record.wrong_digest else ''} |"
        for record in released
    )
    return (
        '`weights="imagenet"` takes the sets with "yes" under imagenet. Pass the other sets by name. Where the '
        "publisher has no direct link, download the file and pass its path. Top-1 is the publisher's. The last column "
        "lists what could not be checked against the publisher.\n\n"
        "| `weights` | imagenet | Network | Format | Source | Top-1 | Hash | Licence | Unverified |\n"
        f"|---|---|---|---|---|---:|---|---|---|\n{rows}"
    )


_HEADS = """## Detectors and segmenters

| Name | Task | Classes | Size | Parameters | Multiply-adds | Published | Source of the accuracy |
|---|---|---:|---:|---:|---:|---:|---|
{rows}

`keras-lightnets profile NAME` counts each of them. Published is AP on COCO for detectors, and mean IoU for segmenters.
None was measured with this package. No weights are released for these heads.
[Detect and segment](../how-to/detect-and-segment.md) shows their use.

"""


def _heads(records):
    rows = "\n".join(
        f"| `{record.name}` | {record.task} | {record.classes} | {record.input_size} | {record.params:,} "
        f"| {record.madds / 1e6:.1f} M | {_percent(record.published)} | {record.published_source or '-'} |"
        for record in records
    )
    return _HEADS.format(rows=rows) if records else ""


def _shown(model):
    arguments = ", ".join(f"{key}={_quoted(value)}" for key, value in model.kwargs.items())
    return f"`{model.call}({arguments})`"


def _quoted(value):
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _percent(top1):
    return "-" if top1 is None else f"{top1:.1f} %"


def _preprocessing(record):
    if record == RAW:
        return "none. The model takes pixels of 0-255 and scales them itself."
    mean, std = (", ".join(f"{value:g}" for value in values) for values in record)
    return f"(pixel - mean) / std by channel, with mean ({mean}) and std ({std})."


def main():
    """Writes every card."""
    FOLDER.mkdir(exist_ok=True)
    for family in FAMILIES:
        (FOLDER / f"{family.module}.md").write_text(card(family), "utf-8")


if __name__ == "__main__":
    main()
