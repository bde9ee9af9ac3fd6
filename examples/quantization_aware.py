"""Quantisation-aware training of a saved classifier: python examples/quantization_aware.py out/model.keras photos.

The folder has one folder of images per class. The result is aware.tflite, int8 throughout.
"""

import sys

import keras

import keras_lightnets
from keras_lightnets.applications import micronet


def _prepared(pixels, labels):
    # A MicroNet takes these pixels. Use the module of your network.
    return micronet.preprocess_input(pixels), labels


def main(path, folder, epochs=2):
    """Trains the model of `path` with the rounding of its int8 file in place; returns the report of the file."""
    model = keras.saving.load_model(path)
    size = model.input_shape[1:3]
    data = keras.utils.image_dataset_from_directory(folder, image_size=size, batch_size=32, seed=0)
    data = data.map(_prepared)
    aware = keras_lightnets.optimization.quantize_aware(model, data)
    # The file shall say what the model says: its scores teach more, and faster, than the labels.
    aware.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy")
    aware.fit(data.map(lambda images, labels: (images, model(images, training=False))), epochs=epochs)
    images, labels = (part.numpy() for part in next(iter(data)))
    return keras_lightnets.export.to_tflite(aware, "aware.tflite", "int8", samples=images, labels=labels)


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
