"""Data sets of TensorFlow Datasets."""

import importlib.util

import tensorflow as tf

from keras_lightnets.data.images import BadImageError, decode_image
from keras_lightnets.data.source import Source, first_line, make_data, sequential
from keras_lightnets.errors import UserError


def open_tfds(name, holdout, buffer):
    """Returns the `Data` of a data set, downloaded and prepared if it is not yet: arguments as in `open_data`."""
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
    if features["image"].dtype != "uint8":
        raise UserError(f"{builder.name} has images of {features['image'].dtype}: their range is not known.")
    test = next((split for split in ("test", "validation", "val") if split in names), None)
    if "train" not in names or test is None:
        raise UserError(f"{builder.name} needs a train and a test split. It has: {', '.join(sorted(names))}.")
    parts = {"train": "train", "test": test}
    if test == "test" and "validation" in names:
        parts["validation"] = "validation"
    elif holdout:
        percent = max(1, round(100 * holdout))
        parts |= {"train": f"train[{percent}%:]", "validation": f"train[:{percent}%]"}

    def records_of(split):
        encoded = builder.as_dataset(split=split, shuffle_files=False, decoders={"image": tfds.decode.SkipDecoding()})
        return encoded.map(lambda example: (example["image"], example["label"]))

    def source(split):
        records, count = records_of(split), builder.info.splits[split].num_examples

        def check():
            good = 0
            try:
                for image, _ in records.as_numpy_iterator():
                    decode_image(image)
                    good += 1
            except BadImageError as error:
                raise BadImageError(f"{builder.name}, {split}: the image of record {good} {error}") from error
            except tf.errors.OpError as error:
                raise UserError(
                    f"{builder.name}, {split}: damaged after {good} records ({first_line(error)})."
                ) from error

        return Source(count, sequential(records, min(shuffle_buffer, count)), lambda key: key, check)

    train = source("train")
    missing = set(range(features["label"].num_classes))
    try:
        # Data sets are mixed when they are written, so that the first records have all the classes.
        for _, label in train.ordered(None).as_numpy_iterator():
            missing.discard(int(label))
            if not missing:
                break
    except tf.errors.OpError:
        train.check()
        raise
    if missing:
        name = features["label"].names[min(missing)]
        raise UserError(f"{builder.name} has no training image of class {name!r}: every class needs one.")
    return make_data(features["label"].names, {part: source(split) for part, split in parts.items()})
