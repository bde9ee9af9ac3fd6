"""Random changes of training images, each decided by a seed alone."""

import keras
import tensorflow as tf

from keras_lightnets.data.windows import central_square

_PIXELS = (0.0, 255.0)


def fold(seed, number):
    """Returns another seed, decided by `seed`, an int64 tensor `(2,)`, and a number."""
    return tf.random.experimental.stateless_fold_in(seed, tf.cast(number, tf.int64))


class Draws(keras.random.SeedGenerator):
    """Gives Keras' layers their seeds by counting from one that is given, instead of from a variable."""

    def __init__(self, seed):
        # Without the variable of the base class: graphs of tf.data run in parallel and in no order.
        self._seed, self._count = seed, 0

    def next(self, ordered=True):
        """Returns the next seed."""
        self._count += 1
        return tf.bitcast(fold(self._seed, self._count), tf.int32)[:, 0]


def _apply(layer, images, draws):
    return layer.transform_images(images, layer.get_random_transformation(images, training=True, seed=draws))


def random_crop(shape, seed, config):
    """Returns top, left, height and width of a random crop of an image of the given shape, an int32 tensor `(4,)`."""
    if config.crop_area == 1:
        return central_square(shape, 1.0)
    begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
        shape,
        tf.zeros((0, 0, 4)),
        seed,
        min_object_covered=0.0,
        aspect_ratio_range=(1 / config.crop_ratio, config.crop_ratio),
        area_range=(config.crop_area, 1.0),
        max_attempts=10,
        use_image_if_no_bounding_boxes=True,
    )
    return tf.concat([begin[:2], size[:2]], 0)


class RandAugment:
    """Two of eleven operations an image (Cubuk et al., CVPRW 2020, https://arxiv.org/abs/1909.13719).

    The operations are Keras' layers. Keras' own RandAugment draws them once for a whole batch, and computes all eleven
    to keep two. Here every image has its own two, and only these are computed.

    Args:
        magnitude: float, 0 to 10.
        operations: int, how many an image. Defaults to 2.
    """

    def __init__(self, magnitude, operations=2):
        level, self._operations = magnitude / 10, operations
        layers, both = keras.layers, {"value_range": _PIXELS}
        # Full strengths as in the paper's implementations: 30 degrees, 0.3 of shear, 0.45 of the side, 0.9 of colour.
        self._layers = (
            layers.RandomShear(0.3 * level, 0.0),
            layers.RandomShear(0.0, 0.3 * level),
            layers.RandomTranslation(0.45 * level, 0.45 * level, fill_mode="constant"),
            layers.RandomRotation(30 / 360 * level, fill_mode="constant"),
            layers.RandomBrightness(0.9 * level, **both),
            layers.RandomColorDegeneration(0.9 * level, **both),
            layers.RandomContrast(0.9 * level, **both),
            layers.RandomSharpness(0.9 * level, **both),
            layers.RandomPosterization(max(1, round(8 - 4 * level)), **both),
            layers.Solarization(threshold_factor=level, **both),
            layers.AutoContrast(**both),
        )

    def __call__(self, image, seed):
        """Returns the float32 image `(height, width, 3)`, pixels 0-255, changed."""
        for number in range(self._operations):
            own = fold(seed, number)
            choice = tf.random.stateless_uniform((), own, 0, len(self._layers), tf.int32)
            image = tf.switch_case(
                choice,
                [
                    lambda layer=layer, image=image, own=own: tf.ensure_shape(
                        _apply(layer, image[None], Draws(fold(own, 1)))[0], image.shape
                    )
                    for layer in self._layers
                ],
            )
        return image


class BatchAugmentation:
    """What is drawn for a whole batch: colour jitter, erasing, and the mixing of images and labels.

    Args:
        config: `Config`.
    """

    def __init__(self, config):
        layers, self._preprocessing = keras.layers, config.record.preprocessing
        jitter = config.jitter
        self._jitter = [
            layer(jitter, value_range=_PIXELS) for layer in (layers.RandomBrightness, layers.RandomContrast) if jitter
        ]
        if jitter:
            self._jitter.append(layers.RandomSaturation(0.5 * jitter, value_range=_PIXELS))
        self._erasing = None
        if config.erasing:
            self._erasing = layers.RandomErasing((config.erasing, config.erasing), value_range=_PIXELS)
        self._mixing = [layers.MixUp(config.mixup)] if config.mixup else []
        self._mixing += [layers.CutMix(config.cutmix)] if config.cutmix else []

    def __call__(self, images, labels, seed):
        """Changes a batch.

        Args:
            images: float32 tensor `(batch, size, size, 3)`, pixels 0-255.
            labels: float32 tensor `(batch, classes)`.
            seed: int64 tensor `(2,)`.

        Returns:
            Float32 images as the network takes them, and labels.
        """
        draws = Draws(seed)
        for layer in self._jitter + ([self._erasing] if self._erasing else []):
            images = _apply(layer, images, draws)
        images = self._preprocessing(images)
        if len(self._mixing) == 1:
            images, labels = self._mix(self._mixing[0], images, labels, draws)
        elif self._mixing:
            first, second = self._mixing
            images, labels = tf.cond(
                tf.random.stateless_uniform((), fold(seed, -1)) < 0.5,
                lambda: self._mix(first, images, labels, draws),
                lambda: self._mix(second, images, labels, draws),
            )
        return images, labels

    @staticmethod
    def _mix(layer, images, labels, draws):
        both = {"images": images, "labels": labels}
        drawn = layer.get_random_transformation(both, training=True, seed=draws)
        return layer.transform_images(images, drawn), layer.transform_labels(labels, drawn)
