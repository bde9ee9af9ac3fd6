"""A head of your own on a network, and the graph that is exported: python examples/custom_head.py.

The head has two outputs, a class and an angle. `fuse` knows Keras layers, so the head is folded too.
"""

import keras
import numpy as np

import keras_lightnets


def main(size=96):
    """Builds the model and its inference graph, compares and exports them, and returns the report."""
    base = keras_lightnets.ShuffleNetV2(alpha=0.5, weights=None, include_top=False, input_shape=(size, size, 3))
    x = keras.layers.Conv2D(64, 1, use_bias=False, name="head_conv")(base.output)
    x = keras.layers.BatchNormalization(name="head_bn")(x)
    x = keras.layers.GlobalAveragePooling2D(name="head_pool")(keras.layers.ReLU(6.0, name="head_relu6")(x))
    outputs = {
        "class": keras.layers.Dense(5, activation="softmax", name="class")(x),
        "angle": keras.layers.Dense(1, activation="tanh", name="angle")(x),
    }
    model = keras.Model(base.input, outputs, name="class_and_angle")
    model.compile("adam", {"class": "sparse_categorical_crossentropy", "angle": "mse"})  # then call model.fit

    fused = keras_lightnets.export.fuse(model)
    print(f"{len(model.layers)} layers before fusing, {len(fused.layers)} after")
    images = np.random.default_rng(0).normal(size=(4, size, size, 3)).astype("float32")
    for name, values in model.predict(images, verbose=0).items():
        print(name, "differs by at most", np.abs(values - fused.predict(images, verbose=0)[name]).max())
    return keras_lightnets.export.to_tflite(model, "class_and_angle.tflite", samples=images)


if __name__ == "__main__":
    print(main())
