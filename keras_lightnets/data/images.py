"""One reader for every image file: training, evaluation, prediction and export get the same pixels from it."""

import contextlib
import io
import re
import struct
import warnings
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from keras_lightnets.errors import UserError

# The sensors of phones have up to 108 megapixels. As RGB this many pixels take 400 MB.
MOST_PIXELS = 2**27
# Pillow hands these to other programs or knows no more than their names.
_NOT_READ = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
# Formats whose headers state the size that their images have when read. Icons do not, and new plug-ins may not.
_SIZED = {"AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TGA", "TIFF", "WEBP"}
# Values of EXIF's orientation that lay an image on its side. Pillow does not turn those that are not defined, above 8.
_ON_ITS_SIDE = (5, 6, 7, 8)
# The first bytes of JPEG files with nothing but the standard header before their tables, then the header of their
# pixels, grey or of three colours, and that of their first scan.
_COMMON_JPEG = (
    r"\C{4}\x00\x10JFIF\x00\C{9}\C\C\x00\C[\x00-\x03\x10-\x13]\C*\C\C\x00(?:\x0b\x08\C{4}\x01\C{3}\C*\x00\x08\x01|"
    r"\x11\x08\C{4}\x03\C{9}\C*\x00\x0c\x03\C{4})\C\C\x00(?:\x3f\x00|\x00[\x00-\x0d])\C*"
)
# Notes that may say how a JPEG file is turned. They may come between its tables.
_JPEG_NOTES = r"\C*(?:Exif\x00\x00|http://ns\.adobe\.com/xap/1\.0/\x00)\C*"
# The first bytes of PNG files of 8 bits a channel, without palette or alpha, with up to 11519 pixels a side and only
# notes of fixed length. What comes before the pixels is a group.
_COMMON_PNG = (
    r"\A(\CPNG\r\n\x1a\n\C{4}IHDR\x00\x00[\x00-\x2c]\C\x00\x00[\x00-\x2c]\C\x08[\x00\x02]\C{7}"
    r"(?:\C{4}(?:sRGB\C|gAMA\C{4}|pHYs\C{9}|cHRM\C{32}|tIME\C{7})\C{4})*)\C{4}IDAT\C*\z"
)
_JPEG_HEAD, _PNG_HEAD = 1024, 256
# The names of chunks of PNG files as numbers.
_IDAT, _IEND = (int.from_bytes(name, "big") for name in (b"IDAT", b"IEND"))
# What a PNG file may hold beside its pixels that changes how it is shown.
_PNG_EXTRAS = (b"tRNS", b"eXIf", b"acTL")
_PNG_TEXTS = (b"XML:com.adobe.xmp", b"Raw profile type")
_EXIF = b"Exif\0\0"
_TURNED_XMP = re.compile(rb'tiff:Orientation(="|>)[2-8]')
# The tag of TIFF that says whether 0 is white.
_PHOTOMETRIC = 262
_JPEG, _PNG, _OTHER = range(3)


class BadImageError(UserError):
    """An image file that cannot be read."""


def suffixes():
    """Returns the set of endings of image files that are read, such as ".jpg", in lower case.

    Formats of plug-ins that are registered with Pillow are among them.
    """
    # Several photos in one file begin as a JPEG file does.
    kinds = {"MPO", *_formats()}
    return {suffix for suffix, kind in Image.registered_extensions().items() if kind in kinds}


def _formats():
    Image.init()
    return [kind for kind in Image.OPEN if kind not in _NOT_READ]


@tf.function(input_signature=[tf.TensorSpec((), tf.string)])
def _decode_whole(content):
    with tf.device("CPU"):
        return decode_window(content, lambda shape: tf.stack([0, 0, shape[0], shape[1]]))


def read_image(path, decode=_decode_whole):
    """Reads an image file of any kind.

    The orientation that a camera noted is applied and transparent pixels are laid on white. Grey, palette, CMYK and
    16-bit images become 8-bit RGB. Of several frames the first is read. Colour profiles are not applied.

    Args:
        path: str or Path of a file with one of `suffixes()`.
        decode: function from the content of the file, bytes, to a tensor, such as a `tf.function` that decodes a
            window. Defaults to one that decodes the whole image.

    Returns:
        A uint8 array `(height, width, 3)`, pixel values 0-255. With `decode`, what it returns, as an array.

    Raises:
        BadImageError: names the file if it is missing, empty, truncated, damaged or no image, has more than
            `MOST_PIXELS`, or holds numbers of an unknown range.
    """
    path = Path(path)
    if not path.is_file():
        raise BadImageError(f"{path} {'is not a file' if path.exists() else 'does not exist'}.")
    try:
        return decode_image(path.read_bytes(), decode)
    except OSError as error:
        raise BadImageError(f"{path} cannot be read ({error.strerror}).") from error
    except BadImageError as error:
        raise BadImageError(f"{path} {error}") from error


def image_size(path):
    """Returns height and width of an image file, upright, from its first bytes: its pixels are not decoded.

    Raises:
        BadImageError: names the file if it is missing, or no image that can be read.
    """
    # What can be wrong with a file is told by the one function that reads it.
    return _header_size(path) or read_image(path).shape[:2]


def encoded_size(content):
    """Returns height and width of an encoded image, a scalar string tensor, upright, as an int32 tensor `(2,)`."""

    def size(content):
        return np.array(_header_size(io.BytesIO(content)) or decode_image(content).shape[:2], "int32")

    return tf.ensure_shape(tf.numpy_function(size, [content], tf.int32, stateful=False), (2,))


def _header_size(file):
    """Returns height and width, upright, or None if Pillow cannot tell them without the pixels."""
    try:
        with Image.open(file, formats=_formats()) as image:
            if image.format not in _SIZED:
                return None
            if image.getexif().get(ExifTags.Base.Orientation, 1) not in _ON_ITS_SIDE:
                return image.size[::-1]
            # Whether the size of a TIFF file is turned already depends on Pillow's version, and on what says so.
            return None if image.format == "TIFF" else image.size
    # Damaged files lead Pillow's parsers to errors of any kind.
    except Exception:
        return None


def check_images(paths):
    """Reads image files. A `BadImageError` names the first that cannot be read, and the way out."""
    for path in paths:
        try:
            read_image(path)
        except BadImageError as error:
            raise BadImageError(f"{error} Mend or remove it.") from error


def decode_image(content, decode=_decode_whole):
    """Returns the pixels of an encoded image, bytes, as `read_image` does. A `BadImageError` without its name."""
    if not content:
        raise BadImageError("is empty.")
    try:
        return decode(content).numpy()
    except tf.errors.OpError as error:
        # It knows best what is wrong.
        _by_pillow(content)
        raise BadImageError("is damaged.") from error


def decode_window(content, window):
    """Decodes a window of an encoded image in a graph.

    The pixels equal the whole image's, but for the colours of the outermost columns in JPEG files. These lack the
    neighbouring columns that the colours are interpolated from.

    Args:
        content: scalar string tensor.
        window: function from the shape of the image, an int32 tensor, to top, left, height and width.

    Returns:
        A uint8 tensor `(height, width, 3)`.
    """

    def jpeg():
        shape = tf.image.extract_jpeg_shape(content)
        # An empty window is an error.
        part = tf.where(shape[0] <= MOST_PIXELS // shape[1], window(shape), 0)
        # Only the wanted part is decoded. The accurate method is the one that Pillow uses.
        return tf.image.decode_and_crop_jpeg(content, part, channels=3, dct_method="INTEGER_ACCURATE")

    def png():
        return cut(tf.io.decode_png(content, channels=3), window)

    def other():
        pixels = tf.numpy_function(_by_pillow, [content], tf.uint8, stateful=False)
        return cut(tf.ensure_shape(pixels, (None, None, 3)), window)

    # Nearly all files are known without a call of Python, which takes as long as a small image.
    return tf.cond(_is_common_jpeg(content), jpeg, lambda: tf.switch_case(_kind(content), [jpeg, png, other]))


def cut(image, window):
    """Returns the window of decoded pixels, as in `decode_window`."""
    top, left, height, width = tf.unstack(window(tf.shape(image)))
    return image[top : top + height, left : left + width]


def _is_common_jpeg(content):
    head = tf.strings.substr(content, 0, _JPEG_HEAD)
    is_whole = tf.strings.substr(content, -2, 2) == b"\xff\xd9"
    is_turned = tf.strings.regex_full_match(head, _JPEG_NOTES)
    return tf.strings.regex_full_match(head, _COMMON_JPEG) & is_whole & ~is_turned


def _kind(content):
    """Returns `_JPEG` or `_PNG` for files that TensorFlow decodes to the pixels that Pillow shows, else `_OTHER`."""
    kind = tf.cond(
        _is_common_png(content),
        lambda: _PNG,
        lambda: tf.numpy_function(_rare_kind, [content], tf.int32, stateful=False),
    )
    return tf.ensure_shape(kind, ())


def _is_common_png(content):
    # Notes may come after the pixels too, however long. None do if the last chunk but one has pixels.
    length = tf.strings.length(content)

    def chunk(at):
        begin = tf.strings.substr(content, tf.clip_by_value(at, 0, length), 8)
        return tf.unstack(tf.io.decode_raw(begin, tf.int32, little_endian=False, fixed_length=8), 2)

    head = tf.strings.substr(content, 0, _PNG_HEAD)
    first = tf.strings.length(tf.strings.regex_replace(head, _COMMON_PNG, r"\1", replace_global=False))
    end = length - 12
    # Writers cut the pixels into chunks of one length and a rest.
    step = tf.clip_by_value(chunk(first)[0], 0, length) + 12
    last = first + (end - first - 1) // step * step
    size, name = chunk(last)
    has_pixels = (first < tf.strings.length(head)) & (name == _IDAT) & (size == end - last - 12)
    return has_pixels & (chunk(end)[1] == _IEND)


def _rare_kind(content):
    # Of a header that cannot be read Pillow says what is wrong.
    with contextlib.suppress(Exception):
        if content.startswith(b"\xff\xd8") and _is_plain_jpeg(content):
            return np.int32(_JPEG)
        if content.startswith(b"\x89PNG\r\n\x1a\n") and _is_plain_png(content):
            return np.int32(_PNG)
    return np.int32(_OTHER)


def _is_plain_jpeg(content):
    """Whether a JPEG file is whole, grey or of three colours with 8 bits each, and not turned."""
    frame, exifs, at = None, 0, 2
    # What is cut short ends otherwise.
    while content.endswith(b"\xff\xd9"):
        marker, length = struct.unpack_from(">HH", content, at)
        # Padding before a marker, or markers without a segment.
        if not 0xFFC0 <= marker < 0xFFFF or 0xFFD0 <= marker <= 0xFFD9:
            return False
        segment = content[at + 4 : at + 2 + length]
        if marker == 0xFFDA:
            return frame is not None and frame[0] == 8 and frame[3] in (1, 3)
        # Baseline, extended and progressive frames. The others are rare.
        if marker in (0xFFC0, 0xFFC1, 0xFFC2):
            frame = struct.unpack_from(">BHHB", segment)
        if marker == 0xFFE1:
            # Several are parts of one.
            exifs += segment.startswith(_EXIF)
            if exifs > 1 or _is_turned(segment):
                return False
        at += 2 + length
    return False


def _is_turned(segment):
    if not segment.startswith(_EXIF):
        return _TURNED_XMP.search(segment) is not None
    exif = Image.Exif()
    exif.load(segment)
    return exif.get(ExifTags.Base.Orientation, 1) != 1


def _is_plain_png(content):
    """Whether a PNG file is grey or RGB with 8 bits each, without transparency, animation or orientation."""
    width, height, bits, colour = struct.unpack_from(">IIBB", content, 16)
    if bits != 8 or colour not in (0, 2) or width * height > MOST_PIXELS:
        return False
    # Behind the signature and the header.
    at, name = 33, b"IHDR"
    while name != b"IEND":
        length, name = struct.unpack_from(">I4s", content, at)
        if name in _PNG_EXTRAS or (name.endswith(b"Xt") and content.startswith(_PNG_TEXTS, at + 8)):
            return False
        at += 12 + length
    return True


def _by_pillow(content):
    # Not `catch_warnings`, which threads must not share.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        formats = _formats()
        with Image.open(io.BytesIO(content), formats=formats) as image:
            if image.width * image.height > MOST_PIXELS:
                raise BadImageError(
                    f"has {image.width}x{image.height} pixels; at most {MOST_PIXELS / 1e6:.0f} million are read. "
                    "Scale it down."
                )
            # Of PNG files, whose last checksums Pillow does not look at otherwise.
            image.verify()
        with Image.open(io.BytesIO(content), formats=formats) as image:
            return np.asarray(_rgb(image))
    except BadImageError:
        raise
    except UnidentifiedImageError as error:
        raise BadImageError("is not an image that can be read.") from error
    # A damaged file leads Pillow's parsers to errors of any kind.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadImageError(f"cannot be read ({reason}).") from error


def _rgb(image):
    # Such as "RGB;16B": how the file stores its pixels, which Pillow knows until it has loaded them.
    stored = str(image.tile)
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
        numbers = "floats" if image.mode == "F" else "integers of 32 bits"
        raise BadImageError(f"holds {numbers}, whose range is not known. Convert it to 8 bits.")
    if image.mode.startswith("I"):
        return _grey(image, stored).convert("RGB")
    # Pillow keeps the upper 8 bits. "BGR;16" has 16 bits for all colours together.
    if re.search("(?<!BGR);16", stored):
        _check_brightest(max(high for _, high in image.convert("RGB").getextrema()), 255)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        page = Image.new("RGB", image.size, "white")
        page.paste(image, mask=image)
        return page
    return image.convert("RGB")


def _grey(image, stored):
    """Returns an image of 12 or 16 bits as one of 8 bits."""
    pixels, white = np.asarray(image).astype("uint16", copy=False), 4095 if "I;12" in stored else 65535
    # The other formats do not say how many of the 16 bits are used.
    if white == 65535 and image.format != "PPM":
        _check_brightest(pixels.max(), white)
    scaled = np.minimum(np.round(np.arange(65536) * 255 / white), 255).astype("uint8")
    if image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0:
        scaled = scaled[::-1]
    grey = scaled[pixels]
    if "transparency" in image.info:
        grey[pixels == image.info["transparency"]] = 255
    return Image.fromarray(grey)


def _check_brightest(brightest, white):
    # Cameras of 10, 12 and 14 bits leave the upper bits of 16 empty.
    if brightest <= white // 4:
        raise BadImageError(
            "has 16 bits a pixel, of which the upper two are empty: its white is not known. Scale it to the full "
            "range, or convert it to 8 bits."
        )
