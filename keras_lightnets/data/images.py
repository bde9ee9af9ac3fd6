"""Image files of any kind as RGB squares."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from keras_lightnets.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")


class BadImageError(UserError):
    """An image file that cannot be read."""


def load_square(path, *sides):
    """Reads the central square of an image file.

    Grey, palette, CMYK and 16-bit images become 8-bit RGB, transparent ones are laid on white, and the orientation that
    a camera noted is applied.

    Args:
        path: str or Path of a file of one of `SUFFIXES`.
        *sides: ints, sizes to scale the square to.

    Returns:
        A list of uint8 arrays `(side, side, 3)`, pixel values 0-255, one per side.

    Raises:
        BadImageError: if the file is missing, empty, truncated or no image.
    """
    path = Path(path)
    try:
        with Image.open(path) as image:
            image.load()
            square = _square(_rgb(ImageOps.exif_transpose(image)))
    except FileNotFoundError:
        raise BadImageError(f"{path} does not exist.") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = "is empty" if path.exists() and not path.stat().st_size else f"cannot be read ({error})"
        raise BadImageError(f"{path} {reason}.") from error
    return [np.asarray(square.resize((side, side), Image.Resampling.BILINEAR)) for side in sides]


def _rgb(image):
    if image.mode.startswith(("I", "F")):
        # 16-bit grey, which Pillow would clip at 255 instead of scaling.
        pixels = np.asarray(image, "float64")
        scale = 255.0 / 65535.0 if pixels.max() > 255 else 1.0
        image = Image.fromarray(np.clip(np.round(pixels * scale), 0, 255).astype("uint8"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _square(image):
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))
