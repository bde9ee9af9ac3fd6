"""From a `Source` of annotated images to batches: boxes and masks change with their images.

An image is shown whole, scaled to the square that the network takes. In training it is a random part of it.
"""

import keras
import tensorflow as tf

from keras_lightnets.data.annotations.forms import Boxes, Masks
from keras_lightnets.data.augmentation import BatchAugmentation, Draws, fold
from keras_lightnets.data.pipeline import drawn_records, stored_records
from keras_lightnets.data.windows import show, show_whole, whole
from keras_lightnets.errors import UserError

FORMS = {"detect": Boxes, "segment": Masks}
# They change the label of a whole image, or move it in a way that boxes and masks do not follow.
_OF_CLASSIFIERS = ("randaugment", "mixup", "cutmix")
# How much of an object a random part must show (Liu et al., https://arxiv.org/abs/1512.02325, section 2.2).
_COVERED = (0.1, 0.3, 0.5, 0.7, 0.9)


def training_batches(source, task, config, first_step=0, pipelines=1, pipeline=0, batch_size=None):
    """Returns the batches of a run from global step `first_step` on, without end.

    Order and augmentation are decided by the seed and the step alone, as in `data.pipeline.training_batches`. The
    settings `crop_area`, `crop_ratio`, `flip`, `jitter` and `erasing` hold. A random part shows at least a tenth, or up
    to nine tenths, of one of the objects. Objects whose centre lies outside it are left out, the others are cut to it.

    Args:
        source: `Source` of annotated training images.
        task: "detect" or "segment".
        config: `Config`.
        first_step: as in `data.pipeline.training_batches`, like the others. Defaults to 0.
        pipelines: Defaults to 1.
        pipeline: Defaults to 0.
        batch_size: Defaults to None.

    Returns:
        A `tf.data.Dataset` of pairs of float32 images `(batch, size, size, 3)`, as the network takes them, and

        * boxes: a dict of `"boxes"`, float32 `(batch, n, 4)`, "rel_yxyx", and `"labels"`, int64 `(batch, n)`, -1
          for padding and -2 for crowds and difficult objects. `n` is a multiple of 16, so that few shapes have to be
          compiled.
        * or masks: int32 `(batch, size, size)`, 255 where pixels do not count.

    Raises:
        UserError: for settings that do not go with boxes and masks, or too few images.
    """
    for name in _OF_CLASSIFIERS:
        if getattr(config, name):
            raise UserError(f"{name}={getattr(config, name)} is for classifiers: set it to 0 to {task}.")
    form, size, augment = FORMS[task], config.size, BatchAugmentation(config)
    flip = keras.layers.RandomFlip("horizontal", bounding_box_format="rel_yxyx")

    def example(key, target, seed):
        target = source.target(target)
        shape = form.shape(target)
        window = _random_part(shape, form.objects(target), seed, config)
        # Images that are decoded already may be smaller.
        image = show(source.read(key), size, lambda own: _scaled(window, shape, own[:2]))
        target = form.part(target, window, size)
        if config.flip:
            flips = flip.get_random_transformation(image[None], seed=Draws(fold(seed, 1)))
            image, target = flip.transform_images(image[None], flips)[0], form.flipped(target, flip, flips)
        return image, target, fold(seed, 3)

    records = drawn_records(source, config, first_step, pipelines, pipeline)
    examples = records.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return (
        form.batch(examples, batch_size or config.batch_size)
        .map(
            lambda images, targets, seeds: augment(images, form.finished(targets), seeds[0]),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        .prefetch(tf.data.AUTOTUNE)
    )


def evaluation_batches(source, task, evaluation, pipelines=1, pipeline=0, batch_size=None):
    """Returns every image once, whole, in the stored order and without augmentation.

    The last batch is filled up with images that show nothing: without boxes, or with masks of 255.

    Args:
        source: `Source` of annotated images.
        task: "detect" or "segment".
        evaluation: `Evaluation`. Its `crop` does not matter.
        pipelines: as in `training_batches`, like the others. Defaults to 1.
        pipeline: Defaults to 0.
        batch_size: Defaults to None.

    Returns:
        A `tf.data.Dataset` of pairs as in `training_batches`.
    """
    form, size = FORMS[task], evaluation.size

    def example(i, record):
        image = show_whole(source.read(record[0]), size)
        target = source.target(record[1])
        target = form.part(target, whole(form.shape(target)), size)
        return evaluation.preprocessing(image), form.blank(target, i >= source.count)

    records = stored_records(source, evaluation.batch_size, pipelines, pipeline)
    examples = records.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return (
        form.batch(examples, batch_size or evaluation.batch_size)
        .map(lambda images, targets: (images, form.finished(targets)))
        .prefetch(tf.data.AUTOTUNE)
    )


def targets(source):
    """Yields what every image of a `Source` shows, in the stored order of `evaluation_batches`, as arrays.

    With boxes it is a dict of `"boxes"`, `"labels"`, `"ignored"`, `"areas"` and `"size"`, as in `Annotated`. With masks
    it is uint8 `(height, width)`, 255 where pixels do not count.
    """
    records = source.ordered(None).map(lambda key, target: source.target(target), tf.data.AUTOTUNE)
    return records.as_numpy_iterator()


def _scaled(window, shape, own):
    """Returns the window of an image of another shape, `own`."""
    # Panoramas have sides whose product is beyond 32 bits.
    window, shape, own = (tf.cast(each, tf.int64) for each in (window, tf.tile(shape, [2]), tf.tile(own, [2])))
    return tf.cast(window * own // shape, tf.int32)


def _random_part(shape, boxes, seed, config):
    """Returns top, left, height and width of a part that shows enough of one of some boxes, `(n, 4)`."""
    if config.crop_area == 1:
        return whole(shape)
    drawn = tf.random.stateless_uniform((), fold(seed, 2), 0, len(_COVERED), tf.int32)
    # Without boxes it would be so much of the whole image.
    covered = tf.where(tf.shape(boxes)[0] > 0, tf.gather(_COVERED, drawn), 0.0)
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        tf.concat([shape, [3]], 0),
        boxes[None],
        seed,
        min_object_covered=covered,
        aspect_ratio_range=(1 / config.crop_ratio, config.crop_ratio),
        area_range=(config.crop_area, 1.0),
        max_attempts=50,
        use_image_if_no_bounding_boxes=True,
    )
    return tf.concat([begin[:2], size[:2]], 0)
