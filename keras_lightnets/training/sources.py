"""Where images come from: a folder, TFRecord files, a data set of TensorFlow Datasets, or arrays."""

import glob
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_lightnets.errors import UserError
from keras_lightnets.training.folder import read_folder

# What TensorFlow decodes.
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")


class Source(NamedTuple):
    """The images of one split.

    Attributes:
        count: int, number of images.
        ordered: function from a seed, an int64 tensor `(2,)`, or None for the stored order, to a `tf.data.Dataset` of
            pairs of a key and a class number. The same seed gives the same order.
        read: function from a key to the encoded image, a scalar string, or its uint8 pixels
            `(height, width, 3)`; called in parallel.
        check: function that raises a `UserError` naming the first record that cannot be read.
    """

    count: int
    ordered: Callable
    read: Callable
    check: Callable


class Data(NamedTuple):
    """Names of the classes, a `Source` for "train", "validation" and "test", and text that tells the data apart."""

    classes: tuple[str, ...]
    splits: dict[str, Source]
    identity: list[str]


def open_data(name, seed, holdout, shuffle_buffer=16384):
    """Opens a data set by its name.

    Args:
        name: "tfds:NAME" for TensorFlow Datasets; "tfrecord:GLOB" for TFRecord files with `train`, and `test` or `val`,
            in their names; else a folder, with one folder per class or `train/` and `test/` of them.
        seed: int, seed of the split.
        holdout: float, share of the training images that becomes the validation; with 0 validation is the test.
        shuffle_buffer: int, how many records a source that is read in sequence shuffles among. Defaults to 16384.

    Returns:
        A `Data`.

    Raises:
        UserError: if the data cannot be opened, or are no data to train on.
    """
    kind, _, rest = name.partition(":")
    if kind == "tfds":
        return _tfds(rest, holdout, shuffle_buffer)
    if kind == "tfrecord":
        return _tfrecords(rest, holdout, shuffle_buffer)
    return _folder(name, seed, holdout)


def _data(classes, splits, identity=None):
    splits = {**splits, "validation": splits.get("validation", splits["test"])}
    return Data(tuple(classes), splits, identity or [f"{part} {split.count}" for part, split in splits.items()])


def _folder(name, seed, holdout):
    folder = read_folder(name, seed, holdout)
    for split in folder.splits.values():
        for path in split.paths:
            if path.suffix.lower() not in _SUFFIXES:
                raise UserError(f"{path}: training reads {', '.join(_SUFFIXES)}. Convert it.")
    splits = {part: _files(split.paths, split.labels) for part, split in folder.splits.items() if len(split.paths)}
    return _data(folder.classes, splits, folder.identity)


def _files(paths, labels):
    names, numbers = tf.constant([str(path) for path in paths]), tf.constant(labels)

    def check():
        for path in paths:
            try:
                tf.io.decode_image(tf.io.read_file(str(path)), channels=3, expand_animations=False)
            except tf.errors.OpError as error:
                raise UserError(f"{path} cannot be read ({_first_line(error)}). Mend or remove it.") from error

    return Source(
        len(paths),
        _permuted(len(paths), lambda i: (tf.gather(names, i), tf.gather(numbers, i))),
        tf.io.read_file,
        check,
    )


def arrays(pixels, labels):
    """Returns the `Source` of decoded images, uint8 `(n, side, side, 3)`, which may be memory-mapped."""
    numbers = tf.constant(labels)

    def read(i):
        image = tf.numpy_function(lambda i: np.asarray(pixels[i]), [i], tf.uint8, stateful=False)
        return tf.ensure_shape(image, pixels.shape[1:])

    return Source(len(labels), _permuted(len(labels), lambda i: (i, tf.gather(numbers, i))), read, check=lambda: None)


def _permuted(count, record):
    def ordered(seed):
        numbers = tf.range(count, dtype=tf.int64)
        if seed is not None:
            numbers = tf.random.experimental.stateless_shuffle(numbers, seed)
        return tf.data.Dataset.from_tensor_slices(numbers).map(record)

    return ordered


def _sequential(records, buffer):
    def ordered(seed):
        if seed is None:
            return records
        mixed = tf.random.experimental.stateless_fold_in(seed, 0)
        return records.shuffle(buffer, seed=tf.cast(mixed[0], tf.int64), reshuffle_each_iteration=False)

    return ordered


def _tfrecords(pattern, holdout, buffer):
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
            for record in tf.data.TFRecordDataset(file):
                try:
                    tf.io.decode_image(parse(record)[0], channels=3, expand_animations=False)
                except tf.errors.OpError as error:
                    raise UserError(f"{file} holds an image that cannot be read ({_first_line(error)}).") from error

    def source(names, keep, count):
        records = tf.data.TFRecordDataset(names)
        if keep is not None:
            records = records.enumerate().filter(lambda i, _: keep(i)).map(lambda _, record: record)
        records = records.map(parse, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return Source(count, _sequential(records, min(buffer, count)), lambda key: key, check)

    classes = [str(number) for number in range(last + 1 - first)]
    splits = {"train": source(train, None, counts["train"]), "test": source(test, None, counts["test"])}
    if holdout:
        every = max(2, round(1 / holdout))
        held = -(-counts["train"] // every)
        splits["train"] = source(train, lambda i: i % every != 0, counts["train"] - held)
        splits["validation"] = source(train, lambda i: i % every == 0, held)
    return _data(classes, splits)


def _features(file):
    try:
        record = next(iter(tf.data.TFRecordDataset(file)), None)
    except tf.errors.OpError as error:
        raise UserError(f"{file} is damaged ({_first_line(error)}). Write it again.") from error
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
                f"{file} is damaged after {len(numbers)} records ({_first_line(error)}). Write it again."
            ) from error
    return np.array(numbers)


def _tfds(name, holdout, buffer):
    if importlib.util.find_spec("tensorflow_datasets") is None:
        raise UserError("tfds: data need TensorFlow Datasets: pip install 'keras_lightnets[tfds]'.")
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name)
    except tfds.core.DatasetNotFoundError as error:
        raise UserError(f"TensorFlow Datasets has no {name!r}: {_first_line(error)}") from error
    try:
        builder.download_and_prepare()
    # Data that have to be fetched by hand, such as ImageNet, are asked for by an AssertionError.
    except (AssertionError, OSError) as error:
        raise UserError(f"tfds:{name} cannot be prepared: {' '.join(str(error).split())[:300]}") from error
    return from_builder(builder, holdout, buffer)


def from_builder(builder, holdout=0.0, shuffle_buffer=16384):
    """Returns the `Data` of a builder of TensorFlow Datasets, such as `tfds.folder_dataset.ImageFolder`.

    Args:
        builder: `tfds.core.DatasetBuilder` with features "image" and "label", prepared.
        holdout: as in `open_data`; used unless the data set has both a validation and a test split. Defaults to 0.0.
        shuffle_buffer: as in `open_data`. Defaults to 16384.

    Raises:
        UserError: if it has no images and labels, no training split, or a class without training images.
    """
    import tensorflow_datasets as tfds

    features, names = builder.info.features, set(builder.info.splits)
    if not {"image", "label"} <= set(features) or not isinstance(features["label"], tfds.features.ClassLabel):
        raise UserError(f"{builder.name} is no image classification: it needs the features image and label.")
    test = next((split for split in ("test", "validation", "val") if split in names), None)
    if "train" not in names or test is None:
        raise UserError(f"{builder.name} needs a train and a test split. It has: {', '.join(sorted(names))}.")
    parts = {"train": "train", "test": test}
    if test == "test" and "validation" in names:
        parts["validation"] = "validation"
    elif holdout:
        percent = max(1, round(100 * holdout))
        parts |= {"train": f"train[{percent}%:]", "validation": f"train[:{percent}%]"}
    encoded = not isinstance(builder, tfds.folder_dataset.ImageFolder)

    def records_of(split):
        return builder.as_dataset(
            split=split, shuffle_files=False, decoders={"image": tfds.decode.SkipDecoding()} if encoded else None
        ).map(lambda example: (example["image"], example["label"]))

    def source(split):
        records, count = records_of(split), builder.info.splits[split].num_examples

        def check():
            good = 0
            try:
                for image, _ in records:
                    if encoded:
                        tf.io.decode_image(image, channels=3, expand_animations=False)
                    good += 1
            except tf.errors.OpError as error:
                raise UserError(
                    f"{builder.name}, {split}: damaged after {good} records ({_first_line(error)})."
                ) from error

        return Source(count, _sequential(records, min(shuffle_buffer, count)), lambda key: key, check)

    splits = {part: source(split) for part, split in parts.items()}
    missing = set(range(features["label"].num_classes))
    try:
        # Data sets are mixed when they are written, so that the first records have all the classes.
        for _, label in splits["train"].ordered(None).as_numpy_iterator():
            missing.discard(int(label))
            if not missing:
                break
    except tf.errors.OpError:
        splits["train"].check()
        raise
    if missing:
        name = features["label"].names[min(missing)]
        raise UserError(f"{builder.name} has no training image of class {name!r}: every class needs one.")
    return _data(features["label"].names, splits)


def _first_line(error):
    return (getattr(error, "message", None) or str(error)).strip().splitlines()[0]
