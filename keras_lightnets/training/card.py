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
                f"{export['top1_agreement']:.2%}",
                f"{export['latency_ms']:.2f}" if lite else "",
                str(export["partitions"]) if lite else "",
            )
        )
    return header, rows


def model_card(report):
    """Returns the card as Markdown, every figure taken from the report of the run."""
    options, images, test = report["options"], report["images"], report["test"]
    header, rows = export_rows(report)
    table = "\n".join("| " + " | ".join(row) + " |" for row in (header, ("---",) * len(header), *rows))
    start = "random weights" if options["weights"] is None else f"the weights {options['weights']}"
    bad = f" {len(report['bad_images'])} unreadable images were left out." if report["bad_images"] else ""
    validated = images["validation"] if options.get("holdout", True) else 0
    kept = (
        f"Epoch {report['best_epoch']} of\n{len(report['history'])} had the best validation accuracy and was kept."
        if validated
        else f"The last of {len(report['history'])} epochs was kept."
    )
    failed = "".join(f"\n{name} was left out: {reason}\n" for name, reason in report["failed_exports"].items())
    return f"""# {options["model"]} trained on {len(report["classes"])} classes

Image classifier made by keras_lightnets {report["keras_lightnets"]}: {report["parameters"]:,} parameters, input
{options["size"]}x{options["size"]} RGB, starting from {start}.

**Classes:** {", ".join(report["classes"])}

**Data:** {images["train"]} images for training, {validated} for validation, {images["test"]} held out
for the figures below (split by seed {options["seed"]}).{bad} {kept}

**Results** on the held-out images: top-1 {test["top1"]:.2%}, top-5 {test["top5"]:.2%}, expected calibration error
{test["calibration_error"]:.3f}. The exports ran on {report["exports"][0]["samples"]} of them; differences are between
the outputs of the file and of `model.keras`:

{table}
{failed}
Latency is the median of one image on one thread of the machine that made this card; measure on your own device.

**Use:** `keras-lightnets predict --model model_float32.tflite photo.jpg`. Every file carries its labels and its
preprocessing: the central square of the image, scaled to {options["size"]} pixels, then (pixel - mean) / std as in
`keras_lightnets.json`, the zip member at the end of the file.

**Limits:** the figures hold for images like those in the folder; nothing else was tested.
"""
