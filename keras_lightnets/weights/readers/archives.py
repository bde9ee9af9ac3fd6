"""Zip archives: a `.keras` file is one, PyTorch's files are, and any weights file may be packed in one."""

import io
import zipfile

from keras_lightnets.errors import UserError
from keras_lightnets.weights.readers.tensors import check_size


def members(content):
    """Returns the names in a zip archive, given its bytes.

    Raises:
        UserError: if the archive is damaged, asks for too much memory, or has two members of one name.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        names = [info.filename for info in infos]
        check_size(sum(info.file_size for info in infos), len(content))
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UserError(f"it is a .zip with two members of the name {twice!r}")
        if damaged := archive.testzip():
            raise UserError(f"it is damaged: the checksum of its member {damaged!r} is wrong")
    return names


def member(content, name):
    """Returns the bytes of one member of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(name)


def unzipped(content):
    """Returns the bytes of the one file inside a zip archive.

    Raises:
        UserError: if there is not exactly one, or the archive is damaged.
    """
    names = members(content)
    if len(names) != 1:
        raise UserError(f"a .zip must hold one weights file, and this has {len(names)}")
    return member(content, names[0])
