"""The short model card of a released network."""

from keras_lightnets.training.card import accuracy, beginning, exports, pixels


def released_card(report, identity):
    """Returns the card of a released model as Markdown, from the report that goes with it and what it is found by."""
    options, weights, data = report["options"], report["released"], identity["weights"]
    size = options["size"]
    arguments = {**identity["arguments"], "weights": data, "input_shape": (size, size, 3)}
    trained = weights.get("int8")
    aware = ""
    if trained:
        steps = f" of {trained['steps']} steps" if trained["steps"] else ""
        aware = (
            f"\nThe int8 file was trained on with its rounding in place: `optimize --method {trained['method']}`, "
            f"{trained['epochs']} epochs{steps} at {trained['learning_rate']}.\n"
        )
    call = f"{identity['builder']}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"
    return f"""{beginning(report, data)}
**Training:** {len(report["history"])} epochs, {options["batch_size"]} images a step, {options["optimizer"]} at
{options["learning_rate"]} with the schedule "{options["schedule"]}", weight decay {options["weight_decay"]}, crops of
at least {options["crop_area"]:.0%} of the image; `report.json` has every setting and every epoch.

**Results** on the held-out images: {accuracy(weights)}, of the weights as read from
`{weights["path"]}`, float16, {weights["size_bytes"] / 1e6:.2f} MB; in float32 top-1 was
{report["test"]["top1"]:.2%}. {exports(report)}
{aware}
Latency is the median of one image on one thread of the machine that made this card; measure on your own device.

**Use:** `keras_lightnets.{call}`,
or `keras-lightnets predict --model model_float16.tflite photo.jpg`. {pixels(report)}

**Licence:** Apache-2.0, that of keras_lightnets; the images have the terms of their publisher.

**Limits:** the figures hold for images like those of {data}, at {size}x{size} pixels; nothing else was tested.
"""
