"""TFRecord files of encoded images and class numbers."""

import glob
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_lightnets.data.images import BadImageError, decode_image
from keras_lightnets.data.source import Source, first_line, make_data, sequential
from keras_lightnets.errors import UserError


def open_tfrecords(pattern, holdout, buffer):
    """Returns the `Data` of the files that match `pattern`: arguments as in `open_data`."""
    files = sorted(glob.glob(pattern))
    if not files:
        raise UserError(f"No file matches {pattern}. Give a pattern such as 'tfrecord:/data/imagenet/*'.")
    test = [file for file in files if any(word in Path(file).name.lower() for word in ("test", "val"))]
    train = [file for file in files if file not in test]
    if not train or not test:
        raise UserError(f"{pattern} needs files for training and others with 'test' or 'val' in their names.")
    image, label = _features(train[0])
    counts, labels = {}, {}
    for part, names in (("train", train), ("test", test)):
        numbers = _labels_of(names, label)
        counts[part], labels[part] = len(numbers), set(numbers.tolist())
    # TF-slim's ImageNet numbers its classes from 1 and keeps 0 for the background.
    first = 1 if label == "image/class/label" and min(labels["train"]) >= 1 else 0
    last = max(labels["train"] | labels["test"])
    if empty := sorted(set(range(first, last + 1)) - labels["train"]):
        raise UserError(f"Class {empty[0]} has no training record in {pattern}: every number up to {last} needs one.")
    if len(labels["train"]) < 2:
        raise UserError(f"{pattern} holds one class only. A classifier needs at least two.")

    def parse(record):
        example = tf.io.parse_single_example(
            record, {image: tf.io.FixedLenFeature([], tf.string), label: tf.io.FixedLenFeature([], tf.int64)}
        )
        return example[image], example[label] - first

    def check():
        for file in files:
            _labels_of([file], label)
            for number, record in enumerate(tf.data.TFRecordDataset(file)):
                try:
                    decode_image(parse(record)[0].numpy())
                except BadImageError as error:
                    raise BadImageError(f"{file}: the image of record {number} {error}") from error

    def source(names, keep, count):
        records = tf.data.TFRecordDataset(names)
        if keep is not None:
            records = records.enumerate().filter(lambda i, _: keep(i)).map(lambda _, record: record)
        records = records.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return Source(count, sequential(records, min(buffer, count)), lambda key: key, check)

    classes = [str(number) for number in range(last + 1 - first)]
    splits = {"train": source(train, None, counts["train"]), "test": source(test, None, counts["test"])}
    if holdout:
        every = max(2, round(1 / holdout))
        held = -(-counts["train"] // every)
        splits["train"] = source(train, lambda i: i % every != 0, counts["train"] - held)
        splits["validation"] = source(train, lambda i: i % every == 0, held)
    return make_data(classes, splits)


def _features(file):
    try:
        record = next(iter(tf.data.TFRecordDataset(file)), None)
    except tf.errors.OpError as error:
        raise UserError(f"{file} is damaged ({first_line(error)}). Write it again.") from error
    names = tf.train.Example.FromString(record.numpy()).features.feature if record is not None else {}
    for image, label in (("image/encoded", "image/class/label"), ("image", "label")):
        if image in names and label in names:
            return image, label
    raise UserError(
        f"{file} needs the features image/encoded and image/class/label. It has: {', '.join(names) or '-'}."
    )


def _labels_of(files, label):
    numbers = []
    for file in files:
        records = tf.data.TFRecordDataset(file).map(
            lambda record: tf.io.parse_single_example(record, {label: tf.io.FixedLenFeature([], tf.int64)})[label]
        )
        try:
            for number in records.as_numpy_iterator():
                numbers.append(number)
        except tf.errors.OpError as error:
            raise UserError(
                f"{file} is damaged after {len(numbers)} records ({first_line(error)}). Write it again."
            ) from error
    return np.array(numbers)
