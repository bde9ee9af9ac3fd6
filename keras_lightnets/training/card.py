"""The short model cards: of a trained network, and of a released one."""


def export_rows(report):
    """Returns the header and the rows of the table of exports, all text; the first row is the Keras model."""
    header = ("file", "accuracy", "size", "largest diff.", "same top-1", "ms on one thread", "XNNPACK parts")
    rows = [("model.keras", f"{report['compared_accuracy']:.2%}", "", "", "", "", "")]
    for export in report["exports"]:
        lite = export["latency_ms"] is not None
        rows.append(
            (
                export["path"],
                f"{export['accuracy']:.2%}",
                f"{export['size_bytes'] / 1e6:.2f} MB",
                f"{export['max_abs_diff']:.1e}",
                f"{export['top1_agreement']:.2%}",
                f"{export['latency_ms']:.2f}" if lite else "",
                str(export["partitions"]) if lite else "",
            )
        )
    return header, rows


def model_card(report):
    """Returns the card as Markdown, every figure taken from the report of the run."""
    failed = "".join(f"\n{name} was left out: {reason}\n" for name, reason in report["failed_exports"].items())
    return f"""{_beginning(report, f"{len(report['classes'])} classes")}
**Results** on the held-out images: {_accuracy(report["test"])}. {_exports(report)}
{failed}
Latency is the median of one image on one thread of the machine that made this card; measure on your own device.

**Use:** `keras-lightnets predict --model model_float32.tflite photo.jpg`. {_pixels(report)}

**Limits:** the figures hold for images like those in the folder; nothing else was tested.
"""


def released_card(report, entry):
    """Returns the card of a released model as Markdown, from the report that goes with it and its manifest entry."""
    options, weights, data = report["options"], report["released"], entry["weights"]
    size = options["size"]
    arguments = {**entry["arguments"], "weights": data, "input_shape": (size, size, 3)}
    call = f"{entry['builder']}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"
    return f"""{_beginning(report, data)}
**Training:** {len(report["history"])} epochs, {options["batch_size"]} images a step, {options["optimizer"]} at
{options["learning_rate"]} with the schedule "{options["schedule"]}", weight decay {options["weight_decay"]}, crops of
at least {options["crop_area"]:.0%} of the image; `report.json` has every setting and every epoch.

**Results** on the held-out images: {_accuracy(weights)}, of the weights as read from
`{weights["path"]}`, float16, {weights["size_bytes"] / 1e6:.2f} MB; in float32 top-1 was
{report["test"]["top1"]:.2%}. {_exports(report)}

Latency is the median of one image on one thread of the machine that made this card; measure on your own device.

**Use:** `keras_lightnets.{call}`,
or `keras-lightnets predict --model model_float16.tflite photo.jpg`. {_pixels(report)}

**Licence:** Apache-2.0, that of keras_lightnets; the images have the terms of their publisher.

**Limits:** the figures hold for images like those of {data}, at {size}x{size} pixels; nothing else was tested.
"""


def _beginning(report, subject):
    options, images = report["options"], report["images"]
    start = "random weights" if options["weights"] is None else f"the weights {options['weights']}"
    bad = f" {len(report['bad_images'])} unreadable images were left out." if report["bad_images"] else ""
    validated = images["validation"] if options.get("holdout", True) else 0
    kept = (
        f"Epoch {report['best_epoch']} of\n{len(report['history'])} had the best validation accuracy and was kept."
        if validated
        else f"The last of {len(report['history'])} epochs was kept."
    )
    return f"""# {options["model"]} trained on {subject}

Image classifier made by keras_lightnets {report["keras_lightnets"]}: {report["parameters"]:,} parameters, input
{options["size"]}x{options["size"]} RGB, starting from {start}.

**Classes:** {", ".join(report["classes"])}

**Data:** {images["train"]} images for training, {validated} for validation, {images["test"]} held out
for the figures below (split by seed {options["seed"]}).{bad} {kept}
"""


def _accuracy(test):
    return (
        f"top-1 {test['top1']:.2%}, top-5 {test['top5']:.2%}, expected calibration error\n"
        f"{test['calibration_error']:.3f}"
    )


def _exports(report):
    header, rows = export_rows(report)
    table = "\n".join("| " + " | ".join(row) + " |" for row in (header, ("---",) * len(header), *rows))
    return (
        f"The exports ran on {report['exports'][0]['samples']} of them; differences are between\n"
        f"the outputs of the file and of `model.keras`:\n\n{table}"
    )


def _pixels(report):
    return (
        "Every exported file carries its labels and its\npreprocessing: the central square of the image, scaled to "
        f"{report['options']['size']} pixels, then (pixel - mean) / std as in\n"
        "`keras_lightnets.json`, the zip member at the end of the file."
    )
