"""Which of the exported files to use, by what was measured on this machine."""

# Accuracies nearer than this, and times whose ratio is below this, count as equal.
_SAME_FIGURE = 0.01
_SAME_TIME = 1.05


def recommended(exports, figure):
    """Returns the path of the `.tflite` file to use on a machine like this one, or None if there is no file.

    Of the files within 0.01 of the best figure it is the fastest, or a smaller one that takes 5 % longer at most.

    Args:
        exports: list of the dicts of the `Report` of each file.
        figure: name of the figure that counts, such as "accuracy".
    """
    files = [export for export in exports if export["latency_ms"] is not None and export[figure] is not None]
    if not files:
        return None
    best = max(export[figure] for export in files)
    good = [export for export in files if export[figure] >= best - _SAME_FIGURE]
    fastest = min(export["latency_ms"] for export in good)
    as_fast = [export for export in good if export["latency_ms"] <= _SAME_TIME * fastest]
    return min(as_fast, key=lambda export: export["size_bytes"])["path"]


def recommendation(report):
    """Returns in words which file to use and what int8 is for. Nothing where a report recommends no file."""
    about, rows = report.get("recommended"), {export["path"]: export for export in report["exports"]}
    if about is None or about["path"] is None:
        return ""
    machine = about["machine"]
    text = (
        f"**Recommended** on {machine}: `{about['path']}`. It is the fastest here of the files within 0.01 of the\n"
        "best result, or a smaller one that is as fast."
    )
    int8 = rows.get("model_int8.tflite")
    if int8 is not None and "model_float32.tflite" in rows:
        share = int8["latency_ms"] / rows["model_float32.tflite"]["latency_ms"]
        text += (
            f" On {machine} the int8 file takes {share:.2f} times as long as\nthe float32 file. Microcontrollers and "
            "accelerators for integers need int8. On a phone, measure both."
        )
    return f"\n{text}\n"
