"""Image files of every kind are the same pixels to every command; what cannot be read right is refused by name."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, PngImagePlugin

from keras_lightnets.data import images
from keras_lightnets.data.decoding import decode
from keras_lightnets.data.folder import Folder, Split
from keras_lightnets.data.images import BadImageError, read_image, suffixes
from keras_lightnets.data.opening import files
from keras_lightnets.data.pipeline import Evaluation, evaluation_batches
from keras_lightnets.data.windows import load_square
from keras_lightnets.preprocessing import RAW

GREY = np.tile(np.linspace(0, 255, 24).round().astype("uint8"), (16, 1))
COLOUR = np.dstack([GREY, GREY[::-1, ::-1], np.full_like(GREY, 100)])
THREE = np.dstack([GREY] * 3)
ON_WHITE = (COLOUR * (GREY[..., None] / 255) + 255 - GREY[..., None]).round()
PHOTO, WIDE = Image.fromarray(COLOUR), GREY.astype("uint16") * 257
SEE_THROUGH = Image.fromarray(np.dstack([COLOUR, GREY]))


def _turned(number):
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


def _profile():
    extra = PngImagePlugin.PngInfo()
    extra.add(b"gAMA", struct.pack(">I", 100_000))
    return extra


def _turned_behind_tables(number):
    """A JPEG file that begins as the commonest do, and says later how it is turned."""
    content, exif = _encoded("JPEG"), _turned(number).tobytes()
    at = content.index(b"\xff\xc0")
    return content[:at] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[at:]


def _turned_behind_pixels(number):
    """A PNG file that says behind its pixels how it is turned, in a chunk as long as several chunks of its pixels."""
    content, exif = _encoded("PNG"), _turned(number).tobytes().removeprefix(b"Exif\0\0")
    at = content.index(b"IDAT") - 4
    (length,) = struct.unpack_from(">I", content, at)
    exif = b"eXIf" + exif + bytes((2000 // length) * (length + 12) - 12 - len(exif))
    return content[:-12] + struct.pack(">I", len(exif) - 4) + exif + struct.pack(">I", zlib.crc32(exif)) + content[-12:]


def _encoded(kind, image=PHOTO):
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def _xmp(number):
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="{number}"/></x:xmpmeta>'.encode()


def _png(pixels):
    return tf.io.encode_png(pixels).numpy()


def _pgm(white):
    return b"P5 24 16 %d\n" % white + np.round(GREY / 255 * white).astype(">u2").tobytes()


def _twelve_bits():
    """A TIFF file of one row of two grey pixels of 12 bits each, 0 and 4095."""
    fields = ((256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 3))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
    return b"II*\0" + struct.pack("<I", 12) + b"\x00\x0f\xff\0" + struct.pack("<H", len(fields)) + entries + bytes(4)


# Name, how it is written, what everyone has to see, and the mean error allowed.
KINDS = [
    ("plain.jpg", (PHOTO, {"quality": 95}), COLOUR, 6),
    ("progressive.jpg", (PHOTO, {"quality": 95, "progressive": True}), COLOUR, 6),
    ("grey.jpg", (Image.fromarray(GREY), {"quality": 95}), THREE, 2),
    ("rgb.jpg", (PHOTO, {"quality": 95, "keep_rgb": True}), COLOUR, 2),
    ("cmyk.jpg", (PHOTO.convert("CMYK"), {"quality": 95}), COLOUR, 6),
    ("several.mpo", (PHOTO, {"save_all": True, "append_images": [PHOTO.rotate(180)]}), COLOUR, 6),
    ("upside_down.jpg", (PHOTO, {"quality": 95, "exif": _turned(3)}), COLOUR[::-1, ::-1], 6),
    ("mirrored.jpg", (PHOTO, {"quality": 95, "exif": _turned(2)}), COLOUR[:, ::-1], 6),
    ("on_its_side.jpg", (PHOTO, {"quality": 95, "exif": _turned(6)}), np.rot90(COLOUR, -1), 6),
    ("upright.jpg", (PHOTO, {"quality": 95, "exif": _turned(1)}), COLOUR, 6),
    ("orientation_9.jpg", (PHOTO, {"quality": 95, "exif": _turned(9)}), COLOUR, 6),
    ("turned_behind_tables.jpg", _turned_behind_tables(6), np.rot90(COLOUR, -1), 6),
    ("turned_by_xmp.jpg", (PHOTO, {"quality": 95, "xmp": _xmp(3)}), COLOUR[::-1, ::-1], 6),
    ("plain.png", (PHOTO, {}), COLOUR, 0),
    ("grey.png", (Image.fromarray(GREY), {}), THREE, 0),
    ("gamma.png", (PHOTO, {"pnginfo": _profile()}), COLOUR, 0),
    ("turned.png", (PHOTO, {"exif": _turned(8)}), np.rot90(COLOUR), 0),
    ("turned_behind_pixels.png", _turned_behind_pixels(6), np.rot90(COLOUR, -1), 0),
    ("turned.webp", (PHOTO, {"exif": _turned(8), "lossless": True}), np.rot90(COLOUR), 0),
    ("turned.tif", (PHOTO, {"exif": _turned(8)}), np.rot90(COLOUR), 0),
    ("turned_by_xmp.tif", (PHOTO, {"tiffinfo": {700: _xmp(6)}}), np.rot90(COLOUR, -1), 0),
    ("transparent.png", (SEE_THROUGH, {}), ON_WHITE, 1),
    ("transparent.webp", (SEE_THROUGH, {"lossless": True, "exact": True}), ON_WHITE, 1),
    ("grey_alpha.png", (Image.fromarray(np.dstack([GREY, GREY]), "LA"), {}), THREE * (THREE / 255) + 255 - THREE, 1),
    ("transparent_colour.png", (Image.fromarray(GREY), {"transparency": 0}), np.where(THREE == 0, 255, THREE), 0),
    ("transparent_16_bit.png", (Image.fromarray(WIDE), {"transparency": 0}), np.where(THREE == 0, 255, THREE), 0),
    ("transparent_palette.png", (SEE_THROUGH.quantize(256), {}), ON_WHITE, 12),
    ("palette.png", (PHOTO.quantize(256), {}), COLOUR, 2),
    ("palette.bmp", (PHOTO.quantize(256), {}), COLOUR, 2),
    ("palette.gif", (PHOTO.quantize(256), {}), COLOUR, 2),
    ("frames.gif", (PHOTO, {"save_all": True, "append_images": [PHOTO.rotate(180)]}), COLOUR, 2),
    ("frames.png", (PHOTO, {"save_all": True, "append_images": [PHOTO.rotate(180)]}), COLOUR, 0),
    ("one_bit.png", (Image.fromarray(GREY > 127), {}), np.where(THREE > 127, 255, 0), 0),
    ("one_bit.tif", (Image.fromarray(GREY > 127), {"compression": "group4"}), np.where(THREE > 127, 255, 0), 0),
    ("colour.bmp", (PHOTO, {}), COLOUR, 0),
    ("colour.ico", (PHOTO, {"sizes": [(24, 16)]}), COLOUR, 0),
    ("colour.avif", (PHOTO, {"quality": 95}), COLOUR, 6),
    ("colour.jp2", (PHOTO, {}), COLOUR, 0),
    ("colour.tga", (PHOTO, {}), COLOUR, 0),
    ("colour.ppm", (PHOTO, {}), COLOUR, 0),
    ("cmyk.tif", (PHOTO.convert("CMYK"), {}), COLOUR, 0),
    ("sixteen_bit.png", (Image.fromarray(WIDE), {}), THREE, 0),
    ("sixteen_bit.tif", (Image.fromarray(WIDE), {"compression": "tiff_lzw"}), THREE, 0),
    ("sixteen_bit.jp2", (Image.fromarray(WIDE), {}), THREE, 0),
    ("sixteen_bit_colour.png", _png(COLOUR.astype("uint16") * 257), COLOUR, 0),
    ("white_is_zero.tif", (Image.fromarray(65535 - WIDE), {"tiffinfo": {262: 0}}), THREE, 0),
    ("sixteen_bit.pgm", _pgm(65535), THREE, 0),
    ("twelve_bit.pgm", _pgm(4095), THREE, 0),
    ("twelve_bit.tif", _twelve_bits(), np.repeat([[[0], [255]]], 3, -1), 0),
]


def _write(path, content):
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        image, options = content
        image.save(path, **options)


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kinds")
    for name, content, _, _ in KINDS:
        _write(folder / name, content)
    return folder


@pytest.mark.parametrize(("name", "expected", "tolerance"), [(name, *rest) for name, _, *rest in KINDS])
def test_every_kind_becomes_rgb(name, expected, tolerance, kinds):
    pixels = read_image(kinds / name)
    assert pixels.shape == expected.shape and pixels.dtype == "uint8"
    assert np.abs(pixels.astype(int) - expected).mean() <= tolerance


@pytest.mark.parametrize(("name", "expected"), [(name, expected) for name, _, expected, _ in KINDS])
def test_the_size_is_that_of_the_pixels(name, expected, kinds):
    assert images.image_size(kinds / name) == expected.shape[:2]
    assert tuple(images.encoded_size((kinds / name).read_bytes())) == expected.shape[:2]


@pytest.mark.parametrize("share", [1.0, 0.875, 0.6])
def test_every_command_sees_the_same_pixels(share, kinds):
    """`predict`, the evaluation of `train`, `evaluate` and `optimize`, and `finetune`."""
    paths = tuple(sorted(kinds.iterdir()))
    labels = np.zeros(len(paths), "int64")
    predicted = np.stack([load_square(path, 20, share) for path in paths])
    batches = evaluation_batches(files(paths, labels), 2, Evaluation(20, share, RAW, len(paths)))
    np.testing.assert_array_equal(next(batches.as_numpy_iterator())[0], predicted)
    if share == 1.0:
        parts = {"train": Split(paths, labels), "test": Split(paths, labels)}
        decoded, _ = decode(Folder(("a",), parts, {}), 20, False, lambda: None)
        np.testing.assert_array_equal(decoded["test"].pixels, predicted)
        np.testing.assert_array_equal(decoded["train"].pixels, [load_square(path, 23) for path in paths])


@pytest.mark.parametrize("name", [name for name, content, _, _ in KINDS if name.endswith((".jpg", ".png", ".mpo"))])
def test_tensorflow_and_pillow_decode_the_same_pixels(name, kinds):
    content = (kinds / name).read_bytes()
    np.testing.assert_array_equal(images.decode_image(content), images._by_pillow(content))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *(("JPEG", options) for options in ({}, {"quality": 95}, {"optimize": True}, {"progressive": True})),
        *(("PNG", options) for options in ({}, {"dpi": (300, 300)}, {"compress_level": 0})),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_common_files_are_known_without_python(kind, options, mode, monkeypatch):
    # Its pixels fill several chunks of a PNG file.
    photo, buffer = Image.effect_noise((300, 300), 50).convert(mode), io.BytesIO()
    photo.save(buffer, kind, **options)
    monkeypatch.setattr(images, "_rare_kind", lambda content: 1 / 0)
    whole = tf.function(lambda content: images.decode_window(content, lambda shape: [0, 0, shape[0], shape[1]]))
    assert whole(tf.constant(buffer.getvalue())).shape == (300, 300, 3)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_the_window_of_a_jpeg_is_that_of_the_whole(subsampling, progressive):
    random, buffer = np.random.default_rng(subsampling), io.BytesIO()
    noise = Image.fromarray(random.integers(0, 255, (97, 83, 3), "uint8"))
    noise.save(buffer, "JPEG", subsampling=subsampling, progressive=progressive)
    whole = images.decode_image(buffer.getvalue())
    part = tf.function(lambda window: images.decode_window(tf.constant(buffer.getvalue()), lambda _: window))
    for _ in range(20):
        (top, bottom), (left, right) = (np.sort(random.choice(side + 1, 2, replace=False)) for side in (97, 83))
        window = tf.constant([top, left, bottom - top, right - left], tf.int32)
        # The colours of the first and last columns are interpolated from what is beside them.
        np.testing.assert_array_equal(part(window)[:, 1:-1], whole[top:bottom, left + 1 : right - 1])


def test_the_central_square_is_kept(tmp_path):
    wide = np.zeros((16, 48, 3), "uint8")
    wide[:, 16:32] = COLOUR[:, :16]
    Image.fromarray(wide).save(tmp_path / "wide.png")
    np.testing.assert_array_equal(load_square(tmp_path / "wide.png", 16), COLOUR[:, :16])


def test_endings():
    assert {".jpg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".tif", ".webp", ".avif", ".jp2", ".ppm"} <= suffixes()
    # One would be handed to Ghostscript, of the other Pillow knows the name only.
    assert not {".eps", ".ps", ".wmf", ".h5", ".mpg", ".txt"} & suffixes()


def _noise(kind):
    return _encoded(kind, Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), "uint8")))


def _zeroed_avif():
    content = _encoded("AVIF")
    begin = content.index(b"mdat") + 4
    return content[:begin] + bytes(len(content) - begin)


def _huge(width, height):
    """A PNG file whose header alone is whole."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _encoded("PNG")[:12] + header + struct.pack(">I", zlib.crc32(header)) + _encoded("PNG")[33:]


def _wrong_checksum():
    content = bytearray(_encoded("PNG", PHOTO.quantize(256)))
    content[content.index(b"IEND") - 5] ^= 1
    return bytes(content)


def _postscript():
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


BROKEN = {
    "missing.jpg": (None, "does not exist"),
    "empty.jpg": (b"", "is empty"),
    "text.jpg": (b"no image", "is not an image that can be read"),
    "cut.jpg": (_noise("JPEG")[:2000], "cannot be read (image file is truncated"),
    "cut.png": (_noise("PNG")[:5000], "cannot be read (Truncated"),
    "cut.gif": (_noise("GIF")[:2000], "cannot be read"),
    "cut.bmp": (_noise("BMP")[:5000], "cannot be read"),
    "cut.tif": (_noise("TIFF")[:5000], "cannot be read"),
    "cut.webp": (_noise("WEBP")[:1000], "cannot be read"),
    "damaged.jpg": (_noise("JPEG").replace(b"\xff\xda", b"\xff\xd0"), "cannot be read"),
    "damaged.png": (_noise("PNG").replace(b"IDAT", b"IDAT\0\0\0", 1), "cannot be read"),
    "checksum.png": (_wrong_checksum(), "cannot be read (broken PNG file"),
    "avif.jpg": (_zeroed_avif(), "cannot be read"),
    "dds.png": (_encoded("DDS")[:80] + bytes(4) + _encoded("DDS")[84:], "cannot be read"),
    "postscript.jpg": (_postscript(), "is not an image that can be read"),
    "huge.png": (_huge(30_000, 5_000), "has 30000x5000 pixels; at most 134 million are read"),
    "bomb.png": (_huge(60_000, 60_000), "cannot be read (Image size"),
    "float.tif": ((Image.fromarray(GREY / np.float32(255)), {}), "holds floats, whose range is not known"),
    "large_integers.tif": ((Image.fromarray(GREY.astype("int32")), {}), "holds integers of 32 bits"),
    "twelve_of_sixteen.tif": ((Image.fromarray(WIDE // 16), {}), "has 16 bits a pixel, of which the upper two are"),
    "eight_of_sixteen.png": ((Image.fromarray(GREY.astype("uint16")), {}), "has 16 bits a pixel"),
    "twelve_of_sixteen_colour.png": (_png(COLOUR.astype("uint16") * 16), "has 16 bits a pixel"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_named(name, tmp_path):
    content, message = BROKEN[name]
    if content is not None:
        _write(tmp_path / name, content)
    with pytest.raises(BadImageError) as caught:
        read_image(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name} {message}") and "\n" not in str(caught.value)


@pytest.fixture
def broken(tmp_path):
    for name, (content, _) in BROKEN.items():
        if content is not None:
            _write(tmp_path / name, content)
    return tuple(sorted(tmp_path.iterdir()))


def test_broken_files_are_named_in_batches(broken):
    """The readers of `train` and `evaluate` fail on each of them, and the source names the first."""
    source = files(broken, np.zeros(len(broken), "int64"))
    batches = evaluation_batches(source, 2, Evaluation(20, 0.5, RAW, 1)).as_numpy_iterator()
    for _ in broken:
        with pytest.raises(tf.errors.OpError):
            next(batches)
    with pytest.raises(BadImageError, match=f"{broken[0]} .* Mend or remove it"):
        source.check()


def test_broken_files_can_be_left_out(broken, tmp_path):
    _write(tmp_path / "good.png", (PHOTO, {}))
    paths = (*broken, tmp_path / "good.png")
    folder = Folder(("a",), {"train": Split(paths, np.zeros(len(paths), "int64"))}, {})
    decoded, bad = decode(folder, 20, True, lambda: None)
    assert len(decoded["train"].pixels) == 1 and len(bad) == len(broken)
    with pytest.raises(BadImageError, match="--skip-bad-images"):
        decode(folder, 20, False, lambda: None)
