"""Your own `fit` on all GPUs of a machine: python examples/distributed_training.py.

For a recipe on several machines, the command `keras-lightnets train` is enough.
"""

import numpy as np
import tensorflow as tf

import keras_lightnets


def main(size=48, images=1024, epochs=1, batch_size=128):
    """Trains on random images and returns the history of the loss."""
    strategy = tf.distribute.MirroredStrategy()
    print("devices:", strategy.num_replicas_in_sync)
    random = np.random.default_rng(0)
    pixels = random.normal(size=(images, size, size, 3)).astype("float32")
    labels = random.integers(0, 10, images)
    # A batch is divided among the devices, so drop a last batch that is smaller.
    data = tf.data.Dataset.from_tensor_slices((pixels, labels)).batch(batch_size, drop_remainder=True)
    with strategy.scope():
        model = keras_lightnets.MicroNetM0(weights=None, input_shape=(size, size, 3), classes=10)
        model.compile("adam", "sparse_categorical_crossentropy")
    return model.fit(data, epochs=epochs).history["loss"]


if __name__ == "__main__":
    print(main())
