"""Image files of every kind become RGB squares; broken ones are named."""

import numpy as np
import pytest
from PIL import Image

from keras_lightnets.data.images import BadImageError, load_square

GREY = np.tile(np.linspace(0, 255, 16).round().astype("uint8"), (16, 1))
COLOUR = np.dstack([GREY, GREY.T, np.full_like(GREY, 100)])


def _palette():
    return Image.fromarray(COLOUR).quantize(256)


def _transparent():
    alpha = np.where(GREY > 127, 255, 0).astype("uint8")
    return Image.fromarray(np.dstack([COLOUR, alpha]))


KINDS = {
    "grey.png": (lambda: Image.fromarray(GREY), np.dstack([GREY] * 3), 0),
    "sixteen_bit.png": (lambda: Image.fromarray(GREY.astype("uint16") * 257), np.dstack([GREY] * 3), 0),
    "sixteen_bit.tif": (lambda: Image.fromarray(GREY.astype("uint16") * 257), np.dstack([GREY] * 3), 0),
    "colour.png": (lambda: Image.fromarray(COLOUR), COLOUR, 0),
    "colour.bmp": (lambda: Image.fromarray(COLOUR), COLOUR, 0),
    "colour.webp": (lambda: Image.fromarray(COLOUR), COLOUR, 16),
    "palette.gif": (_palette, COLOUR, 16),
    "palette.png": (_palette, COLOUR, 16),
    "cmyk.jpg": (lambda: Image.fromarray(COLOUR).convert("CMYK"), COLOUR, 16),
    "transparent.png": (_transparent, np.where(GREY[..., None] > 127, COLOUR, 255), 0),
    "grey_alpha.png": (
        lambda: _transparent().convert("LA"),
        np.where(GREY[..., None] > 127, np.array(Image.fromarray(COLOUR).convert("L"))[..., None], 255),
        1,
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_becomes_rgb(name, tmp_path):
    make, expected, tolerance = KINDS[name]
    make().save(tmp_path / name)
    (pixels,) = load_square(tmp_path / name, 16)
    assert pixels.shape == (16, 16, 3) and pixels.dtype == "uint8"
    assert np.abs(pixels.astype(int) - expected).mean() <= tolerance


def test_the_central_square_is_kept(tmp_path):
    wide = np.zeros((16, 48, 3), "uint8")
    wide[:, 16:32] = COLOUR
    Image.fromarray(wide).save(tmp_path / "wide.png")
    np.testing.assert_array_equal(load_square(tmp_path / "wide.png", 16)[0], COLOUR)


def test_the_orientation_of_the_camera_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(COLOUR).save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(load_square(tmp_path / "turned.png", 16)[0], COLOUR[::-1, ::-1])


@pytest.mark.parametrize("kind", ["zero bytes", "truncated", "not an image", "missing"])
def test_broken_files_are_named(kind, tmp_path):
    path = tmp_path / "broken.jpg"
    if kind != "missing":
        Image.fromarray(np.random.RandomState(0).randint(0, 255, (64, 64, 3), "uint8")).save(path)
        content = path.read_bytes()
        path.write_bytes({"zero bytes": b"", "truncated": content[: len(content) // 2], "not an image": b"text"}[kind])
    with pytest.raises(BadImageError, match="broken.jpg .") as caught:
        load_square(path, 16)
    assert "\n" not in str(caught.value)
