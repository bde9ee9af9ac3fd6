"""Errors that users can mend, and interruptions that libraries make into errors."""

import contextlib


class UserError(ValueError):
    """Bad input, said in one line that names the culprit and the way out."""


class NotWrittenError(UserError):
    """A file that could not be written because of its place, whatever it holds."""


@contextlib.contextmanager
def interruptions():
    """Raises KeyboardInterrupt where a library made an error of its own of it, as C++ code does that calls Python.

    Example:

    >>> with keras_lightnets.errors.interruptions():
    ...     predictions = model.predict(images, verbose=0)
    """
    try:
        yield
    except Exception as error:
        part = error
        while part is not None:
            if isinstance(part, KeyboardInterrupt) or "KeyboardInterrupt" in str(part):
                raise KeyboardInterrupt from error
            part = part.__cause__ or (None if part.__suppress_context__ else part.__context__)
        raise
