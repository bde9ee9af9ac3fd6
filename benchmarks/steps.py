"""One step of training as a callable, on every backend of Keras and in plain PyTorch."""

import keras
import numpy as np

CLASSES = 1000


def keras_step(model, batch):
    """Returns a callable that trains `model` by SGD for one step, as `fit` does, and waits for its end."""
    backend = keras.backend.backend()
    # On a CPU XLA is slower than TensorFlow's own operators.
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", jit_compile=backend == "jax")
    images, labels = _batch(batch, model.input_shape[1:])
    if backend == "tensorflow":
        import tensorflow as tf

        dataset = tf.data.Dataset.from_tensors((images, labels)).repeat()
        iterator = iter(tf.distribute.get_strategy().experimental_distribute_dataset(dataset))
        model.optimizer.build(model.trainable_variables)
        model.make_train_function()
        return lambda: model.train_function(iterator)
    # On the device before the clock starts.
    images, labels = keras.ops.convert_to_tensor(images), keras.ops.convert_to_tensor(labels)
    return lambda: model.train_on_batch(images, labels)


def torch_step(network, size, batch, device="cpu", compiled=False):
    """Returns a callable that trains a PyTorch network by SGD for one step, and waits for its end.

    Args:
        network: `torch.nn.Module`.
        size: int, height and width of the images.
        batch: int, number of images.
        device: str, "cpu" or "cuda". Defaults to "cpu".
        compiled: bool, whether `torch.compile` compiles it. Defaults to False.
    """
    import torch

    network = network.train().to(device)
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    images, labels = _batch(batch, (3, size, size))
    images, labels = torch.tensor(images, device=device), torch.tensor(labels, device=device, dtype=torch.long)
    forward = torch.compile(network) if compiled else network

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _batch(batch, shape):
    random = np.random.default_rng(0)
    images = random.standard_normal((batch, *shape), "float32")
    return images, random.integers(0, CLASSES, batch, "int32")
