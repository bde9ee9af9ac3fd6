"""Time of a training step: python -m benchmarks.training_step.

Forward, backward and update by SGD on one batch, as `fit` runs it, without XLA. Each network stands against its port to
stock Keras layers, keras.applications' MobileNetV2(0.35) and, with `--authors NAME=CLONE` and PyTorch installed, the
authors' code run eagerly. All take turns in one process.
"""

import argparse
import os

import keras
import tensorflow as tf

from tools.naive import naive_port
from tools.networks import BASELINE, KERAS, OURS, authors_network
from tools.timing import in_turns, ratio, report, shown

CLASSES = 1000


def keras_step(model, batch):
    """Returns a callable that trains `model` for one step."""
    model.compile(keras.optimizers.SGD(0.01), loss="sparse_categorical_crossentropy", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    images = tf.random.normal((batch, *model.input_shape[1:]))
    labels = tf.random.uniform((batch,), 0, CLASSES, tf.int32)
    iterator = iter(tf.data.Dataset.from_tensors((images, labels)).repeat())
    model.make_train_function()
    return lambda: model.train_function(iterator)


def torch_step(network, size, batch):
    """Returns a callable that trains a PyTorch network for one step, eagerly."""
    import torch

    network = network.train()
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    images, labels = torch.randn(batch, 3, size, size), torch.randint(CLASSES, (batch,))

    def step():
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    return step


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(OURS), choices=list(OURS), metavar="NAME")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--no-naive", action="store_true", help="leave out the naive ports, which take a minute each")
    parser.add_argument("--authors", nargs="+", default=[], metavar="NAME=CLONE")
    options = parser.parse_args()
    shape = {"weights": None, "input_shape": (options.size, options.size, 3)}
    runs = {name: keras_step(build(**shape), options.batch) for name, build in KERAS.items()}
    for name in options.networks:
        model = OURS[name](**shape)
        runs[name] = keras_step(model, options.batch)
        if not options.no_naive:
            runs[f"{name}, stock layers"] = keras_step(naive_port(model), options.batch)
    for name, clone in (pair.split("=", 1) for pair in options.authors):
        runs[f"{name}, authors"] = torch_step(authors_network(name, clone), options.size, options.batch)
    # Steps of a training follow one another.
    times = in_turns(runs, options.rounds, settle=1)
    rows = []
    for name in runs:
        images = f"{1e3 * options.batch / min(times[name]):.0f}"
        others = [f"{name}, {kind}" for kind in ("stock layers", "authors")]
        rows.append(
            [
                name,
                f"{min(times[name]):.0f}",
                images,
                shown(ratio(times, name, BASELINE)),
                *(shown(ratio(times, name, other)) if other in runs else "" for other in others),
            ]
        )
    columns = [
        "network",
        "best ms",
        "images/s",
        "times the speed of the baseline",
        "of stock layers",
        "of the authors'",
    ]
    onednn = "off" if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0" else "on"
    setting = f"{options.size}x{options.size}, batch {options.batch}, oneDNN {onednn}"
    note = f"Training step, {setting}; baseline: {BASELINE}"
    report(f"training_step_{options.size}_onednn_{onednn}", note, columns, rows)


if __name__ == "__main__":
    main()
