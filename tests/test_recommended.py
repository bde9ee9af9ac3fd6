"""Which file a run recommends, and what its card says of int8."""

import pytest

from keras_lightnets.training.recommending import recommendation, recommended


def _exports(**rows):
    """Reports of files from accuracy, milliseconds and size."""
    names = ("accuracy", "latency_ms", "size_bytes")
    return [{"path": f"model_{name}.tflite", **dict(zip(names, row, strict=True))} for name, row in rows.items()]


SAVED = {"path": "saved_model", "accuracy": 1.0, "latency_ms": None, "size_bytes": 1}
CASES = {
    "the fastest": (_exports(float32=(0.9, 1.0, 40), dynamic=(0.9, 0.7, 20), int8=(0.9, 1.5, 10)), "dynamic"),
    "no worse by a point": (_exports(float32=(0.9, 1.0, 40), int8=(0.88, 0.5, 10)), "float32"),
    "the smaller of equals": (_exports(float32=(0.9, 1.0, 40), float16=(0.9, 1.04, 20)), "float16"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_file_that_is_recommended(name):
    exports, expected = CASES[name]
    assert recommended([SAVED, *exports], "accuracy") == f"model_{expected}.tflite"


def test_what_the_card_says():
    exports = _exports(float32=(0.9, 1.0, 40), int8=(0.9, 1.5, 10))
    report = {"exports": exports, "recommended": {"path": "model_float32.tflite", "machine": "x86_64"}}
    text = recommendation(report)
    assert "`model_float32.tflite`" in text and "On x86_64 the int8 file takes 1.50 times as long" in text
    # Reports of version 0.1.0, and runs without a file, recommend nothing.
    assert recommended([SAVED], "accuracy") is None
    assert recommendation({"exports": exports}) == recommendation(report | {"recommended": {"path": None}}) == ""
