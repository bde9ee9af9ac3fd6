"""Prints the losses of the first training steps of some networks, as JSON: python -m tests.training_losses WAY NAME...

WAY is "stock" for the port to stock Keras layers, "ours", "xla", or "mixed_bfloat16".
"""

import json
import sys

import keras
import numpy as np

from tools.naive import naive_port
from tools.networks import OURS
from tools.seeded import calibrated_scales, seed_weights, seeded_images

# Small steps: rounding grows from step to step, the faster the larger they are.
BATCH, SIZE, CLASSES, STEPS, RATE = 16, 64, 10, 3, 3e-4


def losses(name, way):
    """Returns the losses of the first steps."""
    if way == "mixed_bfloat16":
        keras.config.set_dtype_policy(way)
    model = OURS[name](weights=None, input_shape=(SIZE, SIZE, 3), classes=CLASSES)
    images = seeded_images((BATCH, SIZE, SIZE, 3))
    seed_weights(model, calibrated_scales(model, images))
    # Dropout draws other numbers in other graphs.
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    if way == "stock":
        model = naive_port(model)
    model.compile(keras.optimizers.SGD(RATE), "sparse_categorical_crossentropy", jit_compile=way == "xla")
    labels = np.arange(BATCH) % CLASSES
    return [float(model.train_on_batch(images, labels)) for _ in range(STEPS)]


if __name__ == "__main__":
    print(json.dumps({name: losses(name, sys.argv[1]) for name in sys.argv[2:]}))
