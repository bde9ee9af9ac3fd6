"""The guide to KerasHub, every example of it: its heads train on a feature pyramid."""

import keras
import numpy as np
import pytest

import keras_lightnets
from tools import pages


# Keras says so of every `fit` on a data set.
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
@pytest.mark.slow
def test_the_guide():
    keras_hub = pytest.importorskip("keras_hub")
    path = pages.DOCS / "how-to" / "keras-hub.md"
    names = {"keras": keras, "keras_lightnets": keras_lightnets, "np": np}
    for block in pages.blocks(path):
        if block.language == "python":
            exec(compile(block.text, f"{path.name}:{block.line}", "exec"), names)
    assert isinstance(names["detector"], keras_hub.models.RetinaNetObjectDetector)
    assert names["found"]["boxes"].shape == (2, 100, 4)
    assert names["segmenter"].output_shape == (None, 128, 128, 5)
