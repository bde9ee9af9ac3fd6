"""The short model card of a trained network."""

from typing import NamedTuple

from keras_lightnets.training.recommending import recommendation


class Words(NamedTuple):
    """What a task is called in cards and tables.

    Attributes:
        network: what the network is.
        best: what the kept epoch has most or least of.
        figure: name of the figure in the report of an export.
        title: that figure in words, and `measure` in pictures.
        agreement: name of the agreement with the Keras model in the report of an export.
        same: that agreement in words.
        image: what of an image is shown to the network.
        measure: see `title`.
        difference: name of the difference from the Keras model in the report of an export.
    """

    network: str
    best: str
    figure: str
    title: str
    agreement: str
    same: str
    image: str
    measure: str
    difference: str = "max_abs_diff"


_WHOLE = "the whole image, its sides not in proportion"
WORDS = {
    "classify": Words(
        network="Image classifier",
        best="validation accuracy",
        figure="accuracy",
        title="accuracy",
        agreement="top1_agreement",
        same="same top-1",
        image="the central square of the image",
        measure="top-1",
    ),
    "detect": Words(
        network="Detector (SSDLite)",
        best="validation loss",
        figure="average_precision",
        title="AP",
        agreement="detections_agreement",
        same="same boxes",
        image=_WHOLE,
        measure="AP",
        # Box codes differ in units of their own.
        difference="max_score_diff",
    ),
    "segment": Words(
        network="Segmenter (LR-ASPP)",
        best="validation mIoU",
        figure="mean_iou",
        title="mIoU",
        agreement="top1_agreement",
        same="same pixels",
        image=_WHOLE,
        measure="mIoU",
    ),
}
# Where the report has the figure of the model itself.
COMPARED = {task: f"compared_{words.figure}" for task, words in WORDS.items()}


def task_of(report):
    """Returns the task of a run. Reports did not always name it."""
    return report["options"].get("task", "classify")


def export_rows(report):
    """Returns the header and the rows of the table of exports, all text. The first row is the Keras model."""
    words = WORDS[task_of(report)]
    differs = {"max_abs_diff": "largest diff.", "max_score_diff": "largest score diff."}[words.difference]
    header = ("file", words.title, "size", differs, words.same, "ms on one thread", "XNNPACK parts")
    rows = [("model.keras", _percent(report[COMPARED[task_of(report)]]), "", "", "", "", "")]
    for export in report["exports"]:
        lite = export["latency_ms"] is not None
        rows.append(
            (
                export["path"],
                _percent(export[words.figure]),
                f"{export['size_bytes'] / 1e6:.2f} MB",
                "" if export[words.difference] is None else f"{export[words.difference]:.1e}",
                _percent(export[words.agreement]),
                f"{export['latency_ms']:.2f}" if lite else "",
                str(export["partitions"]) if lite else "",
            )
        )
    return header, rows


def _percent(share):
    return "" if share is None else f"{share:.2%}"


def model_card(report):
    """Returns the card as Markdown, every figure taken from the report of the run."""
    failed = "".join(f"\n{name} was left out: {reason}\n" for name, reason in report["failed_exports"].items())
    count = len(report["classes"])
    return f"""{beginning(report, f"{count} {'class' if count == 1 else 'classes'}")}
**Results** on the held-out images: {_RESULTS[task_of(report)](report["test"])}. {exports(report)}
{recommendation(report)}{failed}
Latency is the median of one image on one thread of the machine that made this card; measure on your own device.

**Use:** `keras-lightnets predict --model model_float32.tflite photo.jpg`. {pixels(report)}
In Python, import keras_lightnets first: then `keras.saving.load_model("model.keras")` knows its layers.

**Limits:** the figures hold for images like those in the folder; nothing else was tested.
"""


def beginning(report, subject):
    """Returns what every card begins with: title, classes and images."""
    options, images, words = report["options"], report["images"], WORDS[task_of(report)]
    start = "random weights" if options["weights"] is None else f"the weights {options['weights']}"
    bad = f" {len(report['bad_images'])} unreadable images were left out." if report["bad_images"] else ""
    validated = images.get("validation", 0)
    kept = (
        f"Epoch {report['best_epoch']} of\n{len(report['history'])} had the best {words.best} and was kept."
        if validated
        else f"The last of {len(report['history'])} epochs was kept."
    )
    return f"""# {options["model"]} trained on {subject}

{words.network} made by keras_lightnets {report["keras_lightnets"]}: {report["parameters"]:,} parameters, input
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


def _precision(test):
    inside = (
        "`model_detections.tflite` has decoding and suppression inside, and its AP counts scores above 0.3 alone.\n"
        "Two boxes of a class are the same if their intersection over union is at least 0.95"
    )
    figures = ", ".join(f"{name} {_percent(test[name])}" for name in ("AP", "AP50", "AP75"))
    return f"{figures}; AP50 by class: {_by_class(test, 'AP50')}.\n{inside}"


def _overlap(test):
    return f"mean IoU {_percent(test['mean_iou'])}; IoU by class: {_by_class(test, 'IoU')}"


def _by_class(test, name):
    return ", ".join(f"{row['class']} {_percent(row[name])}" for row in test["classes"] if row[name] is not None)


_RESULTS = {"classify": accuracy, "detect": _precision, "segment": _overlap}


def exports(report):
    """Returns the table of exports with its explanation."""
    header, rows = export_rows(report)
    table = "\n".join("| " + " | ".join(row) + " |" for row in (header, ("---",) * len(header), *rows))
    return (
        f"The exports ran on {report['exports'][0]['samples']} of them; differences are between\n"
        f"the outputs of the file and of `model.keras`, under XNNPACK's kernels:\n\n{table}{_other_kernels(report)}"
    )


def _other_kernels(report):
    """Says how far integer files differ under other kernels."""
    found = {export["path"]: export.get("reference_kernels_diff") for export in report["exports"]}
    parts = [f"{path}: {value:.1e}" for path, value in found.items() if value is not None]
    return f"\n\nUnder TFLite's reference kernels integers round otherwise; {', '.join(parts)}." if parts else ""


def pixels(report):
    """Returns how a file wants its pixels."""
    task, share = task_of(report), report["options"].get("eval_crop", 1.0)
    square = WORDS[task].image
    square += f" ({share:.1%} of its short side)" if share < 1 and task == "classify" else ""
    stretched = (
        " MediaPipe Tasks stretches photos\nthat are not square: scale the photo, and pass this square as the region "
        "of interest (docs/clients.md)."
    )
    return (
        f"Every exported file carries its labels and says\nwhat it takes: {square}, scaled to "
        f"{report['options']['size']} pixels. The `.tflite` files take raw RGB pixels,\n0-255, and normalise them "
        "inside. `model.keras` and `saved_model` take (pixel - mean) / std, as in\n"
        "`keras_lightnets.json`, the zip member at the end of `model.keras`."
    ) + stretched * (task == "classify")
