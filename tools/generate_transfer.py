"""Measures transfer from the released weights against training from scratch, and writes docs/transfer.md:

python -m tools.generate_transfer OUTPUT NAME=DATA [NAME=DATA ...]

DATA are as in `keras-lightnets train`, such as tfds:fashion_mnist. OUTPUT keeps every training. Started again, the
command continues with the next one. Data without test images of their own get more seeds, until the error of a
difference is below `ERROR` points.
"""

import argparse
import itertools
import json
import math
import statistics
import zlib
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_lightnets.data.opening import open_data
from keras_lightnets.data.pipeline import Evaluation, evaluation_batches, training_batches
from keras_lightnets.data.source import arrays
from keras_lightnets.evaluation.drawing import draw_transfer
from keras_lightnets.evaluation.measures import predict_source, standard_error
from keras_lightnets.files import write_json
from keras_lightnets.preprocessing import RAW
from keras_lightnets.training import models
from keras_lightnets.training.config import Config
from keras_lightnets.training.optimizers import learning_rate, make_optimizer
from tools import DOCS

PAGE = DOCS / "transfer.md"
PICTURE = DOCS / "transfer.png"
SHOTS = (10, 100, 1000)
STARTS = ("scratch", "cifar10")
# Test images at most: a standard error of one point.
TESTED = 2000
# Points, and the seeds that are tried at most to get there.
ERROR = 3.0
MOST_SEEDS = 12
BATCH = 32
RATE = 0.002
TEMPLATE = """# Transfer from the released weights

This page shows how much the released weights help on other data, beside training from scratch.

In every case, {model} is trained at {size}x{size} pixels with AdamW for {steps} steps of {batch} images. Only the start
differs: random weights, or `weights="cifar10"` under a new classifier. Top-1 is measured on up to {tested} test images.
It is the mean over seeds, with the range. Each seed draws new training images, batches and weights. Where the data have
no test images of their own, it draws these too, and seeds are added until the error is below {error:.0f} points.
Classes with fewer images contribute all of them. ± is 1.96 standard errors. The error covers the choice of test images
and the seeds.

{table}

![Top-1 against training images per class](transfer.png)

{text}

`{command}` measures this again.
"""


def main():
    """Runs what is missing, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("data", nargs="+", metavar="NAME=DATA")
    parser.add_argument("--model", default="MicroNetM0")
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=2, help="at least")
    options = parser.parse_args()
    settings = {name: getattr(options, name) for name in ("model", "size", "steps")}
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "transfer.json"
    known = json.loads(path.read_text()) if path.exists() else {"settings": settings, "rows": []}
    if known["settings"] != settings:
        parser.error(f"{path} is of {known['settings']}: take another folder.")
    trainers = {}

    def drawn(name):
        return len({row["test_images"] for row in known["rows"] if row["data"] == name}) > 1

    for (name, data), seed in itertools.product((pair.split("=", 1) for pair in options.data), range(MOST_SEEDS)):
        wanted = [
            {"data": name, "images_per_class": shots, "start": start, "seed": seed}
            for shots, start in itertools.product(SHOTS, STARTS)
            if seed < options.seeds or (drawn(name) and _difference(known["rows"], name, shots)[1] > ERROR)
        ]
        missing = [row for row in wanted if not any(row.items() <= done.items() for done in known["rows"])]
        if not missing:
            continue
        opened = open_data(data, seed, holdout=0.0)
        classes = len(opened.classes)
        # Enough for every class to have its share.
        train = _decode(opened.splits["train"], classes, options.size, most=2 * max(SHOTS) * classes)
        test = _decode(opened.splits["test"], classes, options.size, most=TESTED)
        trainer = trainers[classes] = trainers.get(classes) or Trainer(classes, **settings)
        for row in missing:
            known["rows"].append(row | trainer.run(train, test, row["images_per_class"], row["start"], row["seed"]))
            print(known["rows"][-1], flush=True)
            write_json(path, known)
    _write_page(known, options)


def _decode(source, classes, size, most):
    """Returns up to `most` images of a `Source`, uint8, in an order that mixes the classes, and their labels."""
    order = source.ordered(tf.constant([0, 0], tf.int64))
    mixed = source._replace(count=min(source.count, most), ordered=lambda _: order)
    batches = evaluation_batches(mixed, classes, Evaluation(size, 1.0, RAW, 100))
    images, labels, weights = (np.concatenate(parts) for parts in zip(*batches.as_numpy_iterator(), strict=True))
    return np.round(images[weights > 0]).astype("uint8"), labels[weights > 0].argmax(-1)


class Trainer:
    """One network whose graphs are traced once, for all trainings."""

    def __init__(self, classes, model, size, steps):
        # As the recipe cifar10, but that digits cannot be mirrored.
        self._config = Config(
            model,
            size=size,
            batch_size=BATCH,
            optimizer="adamw",
            weight_decay=0.05,
            norm_momentum=0.9,
            label_smoothing=0.1,
            crop_area=0.5,
            eval_crop=1.0,
            flip=False,
        )
        self._classes, self._steps = classes, steps
        self._model = models.build(self._config, classes)
        models.set_batch_norm(self._model, self._config)
        optimizer = make_optimizer(self._config, self._model, learning_rate(self._config, RATE, 1, steps))
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=self._config.label_smoothing)
        self._model.compile(optimizer, loss)
        self._fresh = [variable.numpy() for variable in optimizer.variables]

    def run(self, train, test, shots, start, seed):
        """Trains on `shots` images of every class; returns how many there were, how many were tested, and top-1."""
        keras.utils.set_random_seed(seed)
        weights = None if start == "scratch" else start
        self._model.set_weights(models.build(self._config, self._classes, weights).get_weights())
        for variable, value in zip(self._model.optimizer.variables, self._fresh, strict=True):
            variable.assign(value)
        images, labels = train
        order = np.random.default_rng(seed).permutation(len(labels))
        chosen = np.concatenate([order[labels[order] == number][:shots] for number in range(self._classes)])
        batches = training_batches(arrays(images[chosen], labels[chosen]), self._classes, self._config)
        self._model.fit(batches, steps_per_epoch=self._steps, shuffle=False, verbose=0)
        scores, labels = predict_source(self._model, arrays(*test), self._classes, self._config.evaluation)
        top1 = float(np.mean(scores.argmax(-1) == labels))
        return {"images": len(chosen), "tested": len(labels), "test_images": zlib.crc32(test[0]), "top1": top1}


def _difference(rows, name, shots):
    """Returns what the released weights bring and its error, in points, and the top-1 of every seed by start."""
    rows = [row for row in rows if (row["data"], row["images_per_class"]) == (name, shots)]
    tops = {start: [row["top1"] for row in rows if row["start"] == start] for start in STARTS}
    # Other seeds may have tested other images.
    images = sum({row["test_images"]: row["tested"] for row in rows}.values())
    margin = 1.96 * math.hypot(*(standard_error(top, images) for top in tops.values()))
    return 100 * (statistics.mean(tops["cifar10"]) - statistics.mean(tops["scratch"])), 100 * margin, tops


def _write_page(known, options):
    cases = {(row["data"], row["images_per_class"]): row for row in known["rows"]}
    header = "| data | images per class | in all | seeds | tested by each | scratch | cifar10 | difference |"
    lines, sentences = [header, "|---|" + "---:|" * 7], []
    for (name, shots), row in cases.items():
        gain, margin, tops = _difference(known["rows"], name, shots)
        change = f"{gain:+.1f} ± {margin:.1f}"
        cells = [name, shots, row["images"], len(tops["cifar10"]), row["tested"], *map(_shown, tops.values()), change]
        lines.append(f"| {' | '.join(map(str, cells))} |")
        verdict = "more than chance gives" if abs(gain) > margin else "within the error"
        sentences.append(f"- {name}, {shots} images per class: {change} points, {verdict}.")
    draw_transfer(known["rows"], PICTURE)
    # Data lie elsewhere on other machines.
    shown = [f"{pair.split('=')[0]}={pair.split('=', 1)[1] if ':' in pair else 'FOLDER'}" for pair in options.data]
    PAGE.write_text(
        TEMPLATE.format(
            **known["settings"],
            command=f"python -m tools.generate_transfer OUTPUT {' '.join(shown)} --seeds {options.seeds}",
            batch=BATCH,
            tested=TESTED,
            error=ERROR,
            table="\n".join(lines),
            text="\n".join(sentences),
        ),
        encoding="utf-8",
    )


def _shown(accuracies):
    text = f"{statistics.mean(accuracies):.1%}"
    return text + (f" ({min(accuracies):.1%}-{max(accuracies):.1%})" if len(accuracies) > 1 else "")


if __name__ == "__main__":
    main()
