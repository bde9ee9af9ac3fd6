"""The short model card of a trained network."""


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
                "" if export["top1_agreement"] is None else f"{export['top1_agreement']:.2%}",
                f"{export['latency_ms']:.2f}" if lite else "",
                str(export["partitions"]) if lite else "",
            )
        )
    return header, rows


def model_card(report):
    """Returns the card as Markdown, every figure taken from the report of the run."""
    failed = "".join(f"\n{name} was left out: {reason}\n" for name, reason in report["failed_exports"].items())
    return f"""{beginning(report, f"{len(report['classes'])} classes")}
**Results** on the held-out images: {accuracy(report["test"])}. {exports(report)}
{failed}
Latency is the median of one image on one thread of the machine that made this card; measure on your own device.

**Use:** `keras-lightnets predict --model model_float32.tflite photo.jpg`. {pixels(report)}

**Limits:** the figures hold for images like those in the folder; nothing else was tested.
"""


def beginning(report, subject):
    """Returns what every card begins with: title, classes and images."""
    options, images = report["options"], report["images"]
    start = "random weights" if options["weights"] is None else f"the weights {options['weights']}"
    bad = f" {len(report['bad_images'])} unreadable images were left out." if report["bad_images"] else ""
    validated = images.get("validation", 0)
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


def accuracy(test):
    """Returns the accuracy on the test images in words."""
    return (
        f"top-1 {test['top1']:.2%}, top-5 {test['top5']:.2%}, expected calibration error\n"
        f"{test['calibration_error']:.3f}"
    )


def exports(report):
    """Returns the table of exports with its explanation."""
    header, rows = export_rows(report)
    table = "\n".join("| " + " | ".join(row) + " |" for row in (header, ("---",) * len(header), *rows))
    return (
        f"The exports ran on {report['exports'][0]['samples']} of them; differences are between\n"
        f"the outputs of the file and of `model.keras`:\n\n{table}"
    )


def pixels(report):
    """Returns how a file wants its pixels."""
    share = report["options"].get("eval_crop", 1.0)
    square = "the central square of the image" + (f" ({share:.1%} of its short side)" if share < 1 else "")
    return (
        f"Every exported file carries its labels and says\nwhat it takes: {square}, scaled to "
        f"{report['options']['size']} pixels. The `.tflite` files take raw RGB pixels,\n0-255, and normalise them "
        "inside. `model.keras` and `saved_model` take (pixel - mean) / std, as in\n"
        "`keras_lightnets.json`, the zip member at the end of `model.keras`."
    )
