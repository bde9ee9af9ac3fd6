"""Measures transfer from the released weights against training from scratch, and writes docs/transfer.md:

python -m tools.generate_transfer OUTPUT NAME=DATA [NAME=DATA ...]

DATA are as in `keras-lightnets train`, such as tfds:fashion_mnist. OUTPUT keeps every training. Started again, the
command continues with the next one.
"""

import argparse
import itertools
import json
import math
import statistics
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
BATCH = 32
RATE = 0.002
TEMPLATE = """# Transfer from the released weights

This page shows how much the released weights help on other data, beside training from scratch.

In every case, {model} is trained at {size}x{size} pixels with AdamW for {steps} steps of {batch} images. Only the start
differs: random weights, or `weights="cifar10"` under a new classifier. Top-1 is measured on up to {tested} test images.
It is the mean over seeds, with the range where there are several. Number of seeds: {seeds}. Each seed draws new images,
batches and weights. Classes with fewer images contribute all of them. ± is 1.96 standard errors. The error covers the
choice of test images and, where there are several, the seeds.

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
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    settings = {name: getattr(options, name) for name in ("model", "size", "steps")}
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "transfer.json"
    known = json.loads(path.read_text()) if path.exists() else {"settings": settings, "rows": []}
    if known["settings"] != settings:
        parser.error(f"{path} is of {known['settings']}: take another folder.")
    trainers = {}
    for name, data in (pair.split("=", 1) for pair in options.data):
        wanted = [
            {"data": name, "images_per_class": shots, "start": start, "seed": seed}
            for seed, shots, start in itertools.product(range(options.seeds), SHOTS, STARTS)
        ]
        missing = [row for row in wanted if not any(row.items() <= done.items() for done in known["rows"])]
        if not missing:
            continue
        opened = open_data(data, seed=0, holdout=0.0)
        classes = len(opened.classes)
        # Enough for every class to have its share.
        train = _decode(opened.splits["train"], classes, options.size, most=2 * max(SHOTS) * classes)
        test = _decode(opened.splits["test"], classes, options.size, most=TESTED)
        trainer = trainers[classes] = trainers.get(classes) or Trainer(classes, **settings)
        for row in missing:
            known["rows"].append(row | trainer.run(train, test, row["images_per_class"], row["start"], row["seed"]))
            print(known["rows"][-1], flush=True)
            write_json(path, known)
    _write_page(known, options.data)


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
        return {"images": len(chosen), "tested": len(labels), "top1": float(np.mean(scores.argmax(-1) == labels))}


def _write_page(known, data):
    groups = {}
    for row in known["rows"]:
        group = groups.setdefault((row["data"], row["images_per_class"]), {start: [] for start in STARTS})
        group[row["start"]].append(row)
    lines = ["| data | images per class | in all | tested | scratch | cifar10 | difference |", "|---|" + "---:|" * 6]
    sentences = []
    for (name, shots), group in groups.items():
        row = group["cifar10"][0]
        tops = {start: [row["top1"] for row in rows] for start, rows in group.items()}
        gain = statistics.mean(tops["cifar10"]) - statistics.mean(tops["scratch"])
        margin = 1.96 * math.hypot(*(standard_error(top, row["tested"]) for top in tops.values()))
        cells = " | ".join(map(_shown, tops.values()))
        change = f"{100 * gain:+.1f} ± {100 * margin:.1f}"
        lines.append(f"| {name} | {shots} | {row['images']} | {row['tested']} | {cells} | {change} |")
        verdict = "more than chance gives" if abs(gain) > margin else "within the error"
        sentences.append(f"- {name}, {shots} images per class: {change} points, {verdict}.")
    draw_transfer(known["rows"], PICTURE)
    seeds = len({row["seed"] for row in known["rows"]})
    # Data lie elsewhere on other machines.
    shown = [f"{pair.split('=')[0]}={pair.split('=', 1)[1] if ':' in pair else 'FOLDER'}" for pair in data]
    PAGE.write_text(
        TEMPLATE.format(
            **known["settings"],
            command=f"python -m tools.generate_transfer OUTPUT {' '.join(shown)} --seeds {seeds}",
            batch=BATCH,
            tested=TESTED,
            seeds=seeds,
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
