"""Data sets of TensorFlow Datasets."""

import importlib.util

import tensorflow as tf

from keras_lightnets.data.images import BadImageError, decode_image
from keras_lightnets.data.source import Source, first_line, make_data, sequential
from keras_lightnets.errors import UserError


def open_tfds(name, holdout, buffer):
    """Returns the `Data` of a data set, downloaded and prepared if it is not yet: arguments as in `open_data`."""
    return from_builder(prepared_builder(name), holdout, buffer)


def prepared_builder(name):
    """Returns the `tfds.core.DatasetBuilder` of a name, downloaded and prepared if it is not yet.

    Raises:
        UserError: if TensorFlow Datasets is not installed, has no such data set, or cannot prepare it.
    """
    if importlib.util.find_spec("tensorflow_datasets") is None:
        raise UserError("tfds: data need TensorFlow Datasets: pip install 'keras_lightnets[tfds]'.")
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name)
    except tfds.core.DatasetNotFoundError as error:
        raise UserError(f"TensorFlow Datasets has no {name!r}: {first_line(error)}") from error
    try:
        builder.download_and_prepare()
    # Data that have to be fetched by hand, such as ImageNet, are asked for by an AssertionError.
    except (AssertionError, OSError) as error:
        raise UserError(f"tfds:{name} cannot be prepared: {' '.join(str(error).split())[:300]}") from error
    return builder


def from_builder(builder, holdout=0.0, shuffle_buffer=16384):
    """Returns the `Data` of a builder of TensorFlow Datasets, such as `tfds.folder_dataset.ImageFolder`.

    Args:
        builder: `tfds.core.DatasetBuilder` with features "image" and "label", prepared.
        holdout: as in `open_data`. Used unless the data set has both a validation and a test split. Defaults to 0.0.
        shuffle_buffer: as in `open_data`. Defaults to 16384.

    Raises:
        UserError: if it has no images and labels, no training split, or a class without training images.
    """
    import tensorflow_datasets as tfds

    features = builder.info.features
    if not {"image", "label"} <= set(features) or not isinstance(features["label"], tfds.features.ClassLabel):
        raise UserError(f"{builder.name} is no image classification: it needs the features image and label.")

    def source(split):
        return split_source(builder, split, lambda example: (example["image"], example["label"]), shuffle_buffer)

    parts = split_names(builder, holdout)
    check_classes(builder, features["label"].names, source("train"), lambda label: [label])
    return make_data(features["label"].names, {part: source(split) for part, split in parts.items()})


def split_names(builder, holdout, tests=("test", "validation", "val")):
    """Returns the split of TensorFlow Datasets for each part of the data.

    Args:
        builder: `tfds.core.DatasetBuilder`.
        holdout: as in `from_builder`.
        tests: names of splits that may be the test, the best first.

    Returns:
        A dict from "train", "test" and perhaps "validation" to names such as "train[10%:]".

    Raises:
        UserError: if there is no training or no test split.
    """
    names = set(builder.info.splits)
    test = next((split for split in tests if split in names), None)
    if "train" not in names or test is None:
        raise UserError(f"{builder.name} needs a train and a test split. It has: {', '.join(sorted(names))}.")
    parts = {"train": "train", "test": test}
    if test == "test" and "validation" in names:
        return {**parts, "validation": "validation"}
    if holdout:
        percent = max(1, round(100 * holdout))
        return {**parts, "train": f"train[{percent}%:]", "validation": f"train[:{percent}%]"}
    return parts


def split_source(builder, split, record, buffer, target=lambda target: target):
    """Returns the `Source` of a split.

    Args:
        builder: `tfds.core.DatasetBuilder` with the feature "image".
        split: str, the name of the split.
        record: function from an example, its images encoded, to the encoded image and what is beside the key.
        buffer: int, how many records are shuffled among.
        target: as in `Source`. Defaults to one that returns what it is given.

    Raises:
        UserError: if the images are not of 8 bits.
    """
    import tensorflow_datasets as tfds

    features = builder.info.features
    if features["image"].dtype != "uint8":
        raise UserError(f"{builder.name} has images of {features['image'].dtype}: their range is not known.")
    encoded = {
        name: tfds.decode.SkipDecoding()
        for name, feature in features.items()
        if isinstance(feature, tfds.features.Image)
    }
    records = builder.as_dataset(split=split, shuffle_files=False, decoders=encoded).map(record)
    count = builder.info.splits[split].num_examples

    def check():
        good = 0
        try:
            for image, _ in records.as_numpy_iterator():
                decode_image(image)
                good += 1
        except BadImageError as error:
            raise BadImageError(f"{builder.name}, {split}: the image of record {good} {error}") from error
        except tf.errors.OpError as error:
            raise UserError(f"{builder.name}, {split}: damaged after {good} records ({first_line(error)}).") from error

    return Source(count, sequential(records, min(buffer, count)), lambda key: key, check, target)


def check_classes(builder, names, train, labels):
    """Raises a UserError for a class without a training image.

    Args:
        builder: `tfds.core.DatasetBuilder`.
        names: names of the classes.
        train: `Source` of the training images.
        labels: function from what stands beside the key, as arrays, to class numbers.
    """
    missing = set(range(len(names)))
    try:
        # Data sets are mixed when they are written, so that the first records have all the classes.
        for _, target in train.ordered(None).as_numpy_iterator():
            missing.difference_update(int(label) for label in labels(target))
            if not missing:
                return
    except tf.errors.OpError:
        train.check()
        raise
    raise UserError(f"{builder.name} has no training image of class {names[min(missing)]!r}: every class needs one.")
