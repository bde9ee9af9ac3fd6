"""The names of the classes, one a line in a text file."""

from keras_lightnets.errors import UserError
from keras_lightnets.files import reading

# A thousand classes take 20 kB.
_LARGEST = 1_000_000
# Characters of a name.
_LONGEST = 200


def read_text(path, largest):
    """Returns the text of a file. A UserError names it if it is damaged or has more than `largest` bytes."""
    with reading(path, "Mend or remove it."):
        if path.stat().st_size > largest:
            raise UserError(f"{path} has {path.stat().st_size / 1e6:.0f} MB: it is no annotation file. Remove it.")
        return path.read_text("utf-8-sig")


def read_names(path):
    """Returns the names of classes in a text file, a tuple. Raises a UserError if there are none, or two are equal."""
    names = [line.strip() for line in read_text(path, _LARGEST).splitlines()]
    while names and not names[-1]:
        names.pop()
    return checked_names(names, path)


def is_name(name):
    """Whether something can be the name of a class."""
    return isinstance(name, str) and name.isprintable() and 0 < len(name) <= _LONGEST


def checked_names(names, path):
    """Returns the names as a tuple. A UserError names `path` if there are none, one is empty, or two are equal."""
    if not names:
        raise UserError(f"{path} names no classes. Write one name a line.")
    for number, name in enumerate(names):
        if not is_name(name):
            raise UserError(f"{path}: the name of class {number}, {name!r:.40}, is no name. Give it one.")
        if name in names[:number]:
            raise UserError(f"{path} names two classes {name!r}. Rename one of them.")
    return tuple(names)
