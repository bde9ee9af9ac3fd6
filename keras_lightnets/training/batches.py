"""Batches of augmented, normalised images; the same ones for the same seed, epoch and position."""

import keras
import numpy as np
from PIL import Image

_SMALLEST_AREA = 0.5
_WIDEST_RATIO = 4 / 3


class Batches(keras.utils.PyDataset):
    """Shuffled batches of random crops of the training images.

    Args:
        images: `Images`, uint8 pixels `(n, side, side, 3)` and labels.
        options: `Options` of the run.
    """

    def __init__(self, images, options):
        super().__init__()
        self._images = images
        self._options = options
        self._preprocessing = options.record.preprocessing
        self.shuffle(epoch=0)

    def shuffle(self, epoch):
        """Draws the order and the crops of epoch number `epoch`."""
        # Not left to `on_epoch_end`, which Keras also calls after it peeked at the first batch.
        self._epoch = epoch
        self._order = np.random.default_rng((self._options.seed, epoch)).permutation(len(self._images.labels))

    def __len__(self):
        # A last batch of a single image would give batch normalisation nothing to measure.
        full, rest = divmod(len(self._order), self._options.batch_size)
        return max(1, full + (rest > 1))

    def __getitem__(self, index):
        chosen = self._order[index * self._options.batch_size : (index + 1) * self._options.batch_size]
        random = np.random.default_rng((self._options.seed, self._epoch, index))
        crops = np.stack([self._crop(Image.fromarray(self._images.pixels[i]), random) for i in chosen])
        return self._preprocessing(crops), self._images.labels[chosen]

    def _crop(self, image, random):
        area = random.uniform(_SMALLEST_AREA, 1.0)
        ratio = np.exp(random.uniform(-1.0, 1.0) * np.log(_WIDEST_RATIO))
        width, height = (min(1.0, np.sqrt(area * r)) * image.width for r in (ratio, 1 / ratio))
        left, top = random.uniform(0, image.width - width), random.uniform(0, image.height - height)
        crop = image.resize(
            (self._options.size, self._options.size),
            Image.Resampling.BILINEAR,
            box=(left, top, left + width, top + height),
        )
        mirrored = self._options.flip and random.random() < 0.5
        return np.asarray(crop)[:, ::-1] if mirrored else np.asarray(crop)


def normalised(images, preprocessing, batch_size=1024):
    """Returns all of `images` as float32 network input, `(n, side, side, 3)`."""
    pixels = images.pixels
    return np.concatenate(
        [preprocessing(np.array(pixels[i : i + batch_size])) for i in range(0, len(pixels), batch_size)]
    )
