"""From a `Source` to the batches of a run: the same ones for the same seed, epoch and position."""

from typing import NamedTuple

import tensorflow as tf

from keras_lightnets.data.augmentation import BatchAugmentation, RandAugment, fold, random_crop
from keras_lightnets.data.windows import show, show_square
from keras_lightnets.errors import UserError
from keras_lightnets.preprocessing import Preprocessing


class Evaluation(NamedTuple):
    """How images are shown to a network that is not trained: side, share of the short side, pixels, images per step."""

    size: int
    crop: float
    preprocessing: Preprocessing
    batch_size: int


def steps_per_epoch(source, config):
    """Returns the number of full batches an epoch, a multiple of `steps_per_execution`.

    Raises:
        UserError: if there are too few images.
    """
    least = config.batch_size * config.steps_per_execution
    if source.count < least:
        times = f" times {config.steps_per_execution} steps per execution" if config.steps_per_execution > 1 else ""
        raise UserError(
            f"The batch of {config.batch_size}{times} is larger than the {source.count} training images: "
            "choose a smaller batch_size."
        )
    return source.count // least * config.steps_per_execution


def training_batches(source, classes, config, first_step=0, pipelines=1, pipeline=0, batch_size=None):
    """Returns the batches of a run from global step `first_step` on, without end.

    An epoch is a new order of the images less those that do not fill a batch. Order and augmentation of an image are
    decided by the seed, the epoch and its position alone, so that a run can begin at any step.

    Args:
        source: `Source` of the training images.
        classes: int, number of classes.
        config: `Config`.
        first_step: int, number of steps done before. Defaults to 0.
        pipelines: int, among how many workers the records of each batch are divided. Defaults to 1.
        pipeline: int, number of this worker. Defaults to 0.
        batch_size: int, images per batch. Defaults to None: `config.batch_size`.

    Returns:
        A `tf.data.Dataset` of pairs of float32 images `(batch, size, size, 3)` and labels `(batch, classes)`.
    """
    randaugment = RandAugment(config.randaugment) if config.randaugment else None
    augment = BatchAugmentation(config)

    def example(key, label, seed):
        image = show(source.read(key), config.size, lambda shape: random_crop(shape, seed, config))
        if config.flip:
            image = tf.image.stateless_random_flip_left_right(image, fold(seed, 1))
        if randaugment is not None:
            image = randaugment(image, fold(seed, 2))
        return image, tf.one_hot(label, classes), fold(seed, 3)

    return (
        drawn_records(source, config, first_step, pipelines, pipeline)
        .map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size or config.batch_size, drop_remainder=True)
        .map(
            lambda images, labels, seeds: augment(images, labels, seeds[0]),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .prefetch(tf.data.AUTOTUNE)
    )


def drawn_records(source, config, first_step=0, pipelines=1, pipeline=0):
    """Returns the records of `training_batches` one by one: a `tf.data.Dataset` of key, label and seed."""
    steps, root = steps_per_epoch(source, config), tf.constant([config.seed, 0], tf.int64)
    first_epoch, done = divmod(first_step, steps)

    def records_of(epoch):
        seed = fold(root, epoch)
        records = source.ordered(seed).take(steps * config.batch_size).enumerate()
        records = records.skip(tf.where(epoch == first_epoch, tf.constant(done * config.batch_size, tf.int64), 0))
        return records.shard(pipelines, pipeline).map(lambda i, record: (*record, fold(seed, i)))

    return tf.data.Dataset.counter(first_epoch).flat_map(records_of)


def evaluation_steps(source, batch_size):
    """Returns the number of batches that hold every image once."""
    return -(-source.count // batch_size)


def evaluation_batches(source, classes, evaluation, pipelines=1, pipeline=0, batch_size=None):
    """Returns every image once, in the stored order and without augmentation.

    The last batch is filled up with images of weight 0, so that every worker has as many steps.

    Args:
        source: `Source`.
        classes: int, number of classes.
        evaluation: `Evaluation`.
        pipelines: as in `training_batches`. Defaults to 1.
        pipeline: as in `training_batches`. Defaults to 0.
        batch_size: as in `training_batches`. Defaults to None.

    Returns:
        A `tf.data.Dataset` of images, labels and weights `(batch,)`.
    """

    def example(i, record):
        image = show_square(source.read(record[0]), evaluation.size, evaluation.crop)
        weight = tf.cast(i < source.count, tf.float32)
        return evaluation.preprocessing(image), tf.one_hot(record[1], classes), weight

    return (
        stored_records(source, evaluation.batch_size, pipelines, pipeline)
        .map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .batch(batch_size or evaluation.batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def stored_records(source, batch_size, pipelines=1, pipeline=0):
    """Returns the records of `evaluation_batches` one by one: a `tf.data.Dataset` of numbers, and keys and labels."""
    total = evaluation_steps(source, batch_size) * batch_size
    return source.ordered(None).repeat().take(total).enumerate().shard(pipelines, pipeline)
