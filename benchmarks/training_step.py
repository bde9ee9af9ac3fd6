"""Time of a training step: python -m benchmarks.training_step [--backend jax].

Forward, backward and update by SGD on one batch, as `fit` runs it: compiled by XLA on JAX, eagerly on PyTorch, without
XLA on TensorFlow. Each network stands against its port to stock Keras layers, keras.applications' MobileNetV2(0.35)
and, with `--authors NAME=CLONE` and PyTorch installed, the authors' code run eagerly. All take turns in one process.
"""

import argparse
import os
import sys

import keras

from benchmarks.steps import keras_step, torch_step
from tools.naive import naive_port
from tools.networks import BASELINE, KERAS, OURS, authors_network
from tools.timing import in_turns, ratio, report, shown


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    backends = ("tensorflow", "jax", "torch")
    parser.add_argument("--backend", default=keras.backend.backend(), choices=backends, help="of Keras")
    parser.add_argument("--networks", nargs="+", default=list(OURS), choices=list(OURS), metavar="NAME")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--no-naive", action="store_true", help="leave out the naive ports, which take a minute each")
    parser.add_argument("--authors", nargs="+", default=[], metavar="NAME=CLONE")
    options = parser.parse_args()
    if options.backend != keras.backend.backend():
        # Keras reads it when it is imported.
        os.environ["KERAS_BACKEND"] = options.backend
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks.training_step", *sys.argv[1:]])
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
    form = options.backend
    if form == "tensorflow":
        form = f"onednn_{'off' if os.environ.get('TF_ENABLE_ONEDNN_OPTS') == '0' else 'on'}"
    setting = f"{options.size}x{options.size}, batch {options.batch}, {form.replace('onednn_', 'oneDNN ')}"
    note = f"Training step, {setting}; baseline: {BASELINE}"
    report(f"training_step_{options.size}_{form}", note, columns, rows)


if __name__ == "__main__":
    main()
