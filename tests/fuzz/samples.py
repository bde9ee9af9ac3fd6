"""What several kinds of input are made and checked with."""

import zipfile
import zlib

import keras


def checksums_hold(path):
    """Whether every member of an archive has its checksum; for what zipfile cannot open, False."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except Exception:
        return False


def png_is_whole(content):
    """Whether every chunk that decides the pixels has its checksum."""
    start, kind = 8, b""
    while start < len(content) and kind != b"IEND":
        size, kind = int.from_bytes(content[start : start + 4]), content[start + 4 : start + 8]
        body, checksum = content[start + 4 : start + 8 + size], content[start + 8 + size : start + 12 + size]
        if kind in (b"IHDR", b"PLTE", b"IDAT") and zlib.crc32(body).to_bytes(4) != checksum:
            return False
        start += 12 + size
    return True


def tiny_network():
    """Returns a tiny classifier, the same every time."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3), name="images")
    x = keras.layers.Conv2D(4, 3, strides=4, name="conv")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="logits")(x), name="tiny")
