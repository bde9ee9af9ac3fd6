"""Transfer learning on a folder of photos, in plain Keras: python examples/transfer_learning.py photos.

The folder has one folder of images per class. The result is transfer.keras and transfer.tflite, checked against it.
"""

import sys

import keras

import keras_lightnets
from keras_lightnets.applications import micronet


def _prepared(pixels, labels):
    return micronet.preprocess_input(pixels), labels


def main(folder, epochs=10, size=48):
    """Trains on `folder`, and returns the report of the exported file."""
    train, test = keras.utils.image_dataset_from_directory(
        folder, image_size=(size, size), batch_size=32, validation_split=0.2, subset="both", seed=0
    )
    classes = len(train.class_names)
    train, test = train.map(_prepared), test.map(_prepared)
    base = keras_lightnets.MicroNetM0(weights="cifar10", include_top=False, pooling="avg", input_shape=(size, size, 3))
    # Batch normalisation keeps its statistics: few photos would spoil them.
    outputs = keras.layers.Dense(classes, activation="softmax")(base(base.input, training=False))
    model = keras.Model(base.input, outputs, name="transfer")
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train, validation_data=test, epochs=epochs)
    model.save("transfer.keras")
    return keras_lightnets.export.to_tflite(model, "transfer.tflite", samples=next(iter(test))[0].numpy())


if __name__ == "__main__":
    print(main(sys.argv[1]))
