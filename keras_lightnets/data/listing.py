"""The image files of every class below a folder, and what else lies there."""

import os
import stat
import unicodedata
from collections import Counter
from pathlib import Path

from keras_lightnets.data.images import suffixes
from keras_lightnets.errors import UserError

# What operating systems, archives and network storage put beside the files of their users, hidden names apart.
_SYSTEM = {
    *("__macosx", "@eadir", "@tmp", "@__thumb", "#recycle", "@recycle", "#snapshot", "$recycle.bin", "lost+found"),
    *("system volume information", "thumbs.db", "desktop.ini"),
}
_HIDDEN, _BESIDE, _NO_ENDING = "hidden or system files", "images beside the class folders", "files without ending"
_NO_FILES = "broken links or special files"


def class_files(folder):
    """Lists the images of every class.

    Args:
        folder: Path of a folder with one folder of images per class, in folders of their own or not.

    Returns:
        A dict from the names of the classes to sorted lists of Paths, and a `Counter` of what was left out. Examples
        are "hidden or system files", and endings such as ".heic" that are not read.

    Raises:
        UserError: if there are no classes, a class has no images, a folder cannot be read, or a name is not text.
    """
    endings, left_out = suffixes(), Counter()
    for _, reason in _files(folder, endings, deep=False):
        # Lists and notes have their place there.
        left_out[_BESIDE if reason is None else reason] += reason in (None, _HIDDEN)
    files = {}
    for child in subfolders(folder):
        _check_name(child)
        paths, others = files_below(child, endings)
        if not paths:
            but = f" but {listed(others)}" if others else ""
            raise UserError(f"{child} holds no images{but}. Put some there, or remove the folder.")
        files[child.name] = paths
        left_out += others
    if not files:
        raise UserError(f"{folder} holds no folders of images. Put one folder of images per class there.")
    return files, +left_out


def files_below(folder, endings):
    """Returns the sorted Paths of the files with one of some endings below a folder, and a `Counter` of what else is.

    Raises:
        UserError: if a folder cannot be read, or a name is not text.
    """
    found = list(_files(folder, endings))
    paths = sorted(path for path, reason in found if reason is None)
    for path in paths:
        _check_name(path)
    return paths, Counter(reason for _, reason in found if reason)


def subfolders(folder):
    """Returns the sorted Paths of the folders in a folder, without hidden folders and system folders."""
    return [Path(entry) for entry in _entries(folder) if _is(stat.S_ISDIR, entry) and not _is_hidden(entry)]


def listed(counts):
    """Returns counts by reason as text, the largest first."""
    return ", ".join(f"{count} {reason}" for reason, count in Counter(counts).most_common())


def _files(folder, endings, deep=True, hidden=False, visited=()):
    """Yields the files below a folder, and why each is left out or None. Links are followed, loops are not."""
    place = os.path.realpath(folder)
    if place in visited:
        return
    for entry in _entries(folder, hidden):
        own = hidden or _is_hidden(entry)
        if _is(stat.S_ISDIR, entry):
            if deep or own:
                yield from _files(entry.path, endings, True, own, (*visited, place))
            continue
        path = Path(entry)
        suffix = path.suffix.lower()
        if own:
            yield path, _HIDDEN
        elif suffix not in endings:
            yield path, suffix or _NO_ENDING
        else:
            yield path, None if _is(stat.S_ISREG, entry) else _NO_FILES


def _entries(folder, hidden=False):
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        # System folders may be closed.
        if hidden:
            return []
        raise UserError(f"{folder} cannot be read: {error.strerror}.") from error


def _is(kind, entry):
    """Whether an entry, or what it links to, is of a kind: only links need a look at the disk."""
    if not entry.is_symlink():
        return entry.is_dir() if kind is stat.S_ISDIR else entry.is_file()
    try:
        return kind(os.stat(entry).st_mode)
    except OSError:
        return False


def _is_hidden(entry):
    return entry.name.startswith(".") or entry.name.lower() in _SYSTEM


def _check_name(path):
    # Surrogates stand for bytes that are not UTF-8.
    text = str(path)
    if not text.isprintable() and any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        name = os.fsencode(path).decode("utf-8", "backslashreplace")
        shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)
        raise UserError(f"{shown} is not a name in UTF-8, or has control characters. Rename it.")
