"""Boxes and masks drawn on their photos."""

import colorsys
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_lightnets.files import replacing

# Smaller images are enlarged: captions need room.
_LEAST_SIDE = 224
_OPACITY = 0.55


def colour(number):
    """Returns the colour of a class, a tuple of three ints. Neighbours differ, and it is always the same."""
    # The golden ratio spreads the hues, however many there are.
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.85, 1.0))


def with_boxes(pixels, boxes, labels, scores, names):
    """Returns a picture of an image with boxes, their classes and scores.

    Args:
        pixels: uint8 array `(height, width, 3)`.
        boxes: float array `(n, 4)`, "rel_yxyx".
        labels: int array `(n,)`, -1 for padding.
        scores: float array `(n,)`.
        names: names of the classes.

    Returns:
        A `PIL.Image.Image`. Small images are enlarged.
    """
    image = _enlarged(pixels)
    draw, line = ImageDraw.Draw(image), max(2, round(max(image.size) / 250))
    font = ImageFont.load_default(size=max(11, round(max(image.size) / 40)))
    # The best last, above the others.
    for box, label, score in reversed(list(zip(boxes, labels, scores, strict=True))):
        if label < 0:
            continue
        top, left, bottom, right = (float(side) for side in box * np.tile(image.size[::-1], 2))
        draw.rectangle((left, top, max(right, left), max(bottom, top)), outline=colour(label), width=line)
        caption = f"{names[label]} {score:.2f}"
        _, _, width, height = draw.textbbox((0, 0), caption, font=font)
        # Above the box, or inside where there is no room.
        place = left, top - height - line if top > height + line else top + line
        draw.rectangle((*place, place[0] + width + 2, place[1] + height + 2), fill=colour(label))
        draw.text(place, caption, fill="black", font=font)
    return image


def with_mask(pixels, mask):
    """Returns a picture of an image with the colours of the classes of its pixels.

    Args:
        pixels: uint8 array `(height, width, 3)`.
        mask: int array `(height, width)` of class numbers. Class 0 is not coloured.

    Returns:
        A `PIL.Image.Image`. Small images are enlarged.
    """
    colours = np.array([colour(number) for number in range(mask.max() + 1)])
    share = _OPACITY * (mask > 0)[..., None]
    return _enlarged(np.round((1 - share) * pixels + share * colours[mask]).astype("uint8"))


def sheet(pictures, path):
    """Writes pictures of one size side by side, as a PNG file."""
    columns = min(len(pictures), 4)
    width, height = pictures[0].size
    whole = Image.new("RGB", (columns * width, math.ceil(len(pictures) / columns) * height))
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        whole.paste(picture, (column * width, row * height))
    save(whole, path)


def save(picture, path):
    """Writes a picture as a PNG file."""
    with replacing(path) as temporary:
        picture.save(temporary, format="PNG")


def _enlarged(pixels):
    image = Image.fromarray(pixels)
    times = math.ceil(_LEAST_SIDE / max(image.size))
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
