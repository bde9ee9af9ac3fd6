"""Reads weight files of every format into arrays by name. The content of a file, not its ending, tells its format."""

from pathlib import Path

from keras_lightnets.errors import UserError
from keras_lightnets.weights.readers.archives import member, members, unzipped
from keras_lightnets.weights.readers.hdf5 import check_hdf5, read_hdf5
from keras_lightnets.weights.readers.paddle import read_paddle
from keras_lightnets.weights.readers.pytorch import read_pytorch
from keras_lightnets.weights.readers.safetensors import read_safetensors
from keras_lightnets.weights.readers.tensors import MissingExtra as MissingExtra
from keras_lightnets.weights.readers.tensors import Tensors as Tensors
from keras_lightnets.weights.readers.tensors import check_values

_HDF5, _ZIP, _PICKLE = b"\x89HDF", b"PK\x03\x04", b"\x80"
# How PyTorch's files began before they were archives.
_PYTORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_FORMATS = ".weights.h5, .h5, .keras, .safetensors, .pth, .pth.tar, .pdparams, or one of them in a .zip"
# Where a `.keras` file has its weights.
_KERAS = "model.weights.h5"


def read(path, called=None):
    """Returns the `Tensors` of a weights file.

    Args:
        path: the file.
        called: what messages call it. Defaults to None: its path.

    Raises:
        MissingExtra: if the library for its format is not installed.
        UserError: if the file is damaged, of no known format, or holds more than tensors of finite numbers, naming it.
    """
    return _with_name(f"The weights file {called or path}", lambda: _read(Path(path).read_bytes()))


def check_archive(path):
    """Refuses a `.keras` or `.h5` file whose weights are not all in the file itself, once and whole.

    To be called before Keras opens a model file that may come from others.

    Args:
        path: the file.

    Raises:
        UserError: if the file is damaged or not of these formats, reaches into other files, or asks for far more memory
            than it fills, naming it.
    """
    _with_name(f"The file {path}", lambda: _check(Path(path).read_bytes()))


def packed_bytes(path, called):
    """Returns the bytes of the one file inside a zip archive. Errors name it as `called`."""
    return _with_name(f"The weights file {called}", lambda: unzipped(Path(path).read_bytes()))


def _with_name(file, function):
    """Returns what a function returns. Whatever it raises becomes one line that begins with the file."""
    try:
        return function()
    except UserError as error:
        raise type(error)(f"{file} cannot be used: {_line(error)}") from error
    except Exception as error:
        raise UserError(f"{file} cannot be read, it may be truncated: {_line(error)}") from error


def _line(error):
    return f"{' '.join(str(error).split()):.400}" or type(error).__name__


def _read(content):
    if content.startswith(_ZIP):
        names = members(content)
        if _KERAS in names:
            content = member(content, _KERAS)
        elif not _is_pytorch(names):
            content = unzipped(content)
            # PyTorch's files are archives themselves.
            if content.startswith(_ZIP) and not _is_pytorch(members(content)):
                raise UserError("it is a .zip inside a .zip")
    tensors = _reader(content)(content)
    check_values(tensors.arrays)
    return tensors


def _is_pytorch(names):
    return any(name.endswith("/data.pkl") for name in names)


def _reader(content):
    if content.startswith(_HDF5):
        return read_hdf5
    if content.startswith(_PICKLE) and not content.startswith(_PYTORCH) and b"numpy" in content:
        return read_paddle
    if content.startswith((_ZIP, _PICKLE)):
        return read_pytorch
    if content[8:9] == b"{":
        return read_safetensors
    kind = "a web page" if content.lstrip()[:1] == b"<" else "neither of " + _FORMATS
    raise UserError(f"it is {kind} (its first bytes are {content[:12]!r})")


def _check(content):
    if content.startswith(_ZIP):
        if _KERAS not in members(content):
            raise UserError(f"it is a .zip without {_KERAS}, and no .keras file")
        content = member(content, _KERAS)
    if not content.startswith(_HDF5):
        raise UserError(f"it is neither a .keras nor an .h5 file of Keras (its first bytes are {content[:12]!r})")
    check_hdf5(content)
