"""Choice between the form of a primitive that trains well and the form that converts well.

The forms that train fast (matrix products) convert into long chains of small operators, and the single native
operators that run best on a device have no gradient on some machines. Which one is laid down is decided while a
function is traced: inside `export_scope()` every layer lays down its export form. Nothing of it is serialised.
"""

import contextlib
import contextvars

_exporting = contextvars.ContextVar("keras_lightnets_exporting", default=False)


@contextlib.contextmanager
def export_scope():
    """Traces made inside use the export form of every primitive: inference only, static shapes, batch 1."""
    token = _exporting.set(True)
    try:
        yield
    finally:
        _exporting.reset(token)


def exporting():
    """Returns True inside `export_scope()`."""
    return _exporting.get()
