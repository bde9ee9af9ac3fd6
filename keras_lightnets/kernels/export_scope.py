"""Choice between the form of a primitive that trains well and the form that converts well.

The forms that train fast (matrix products) convert into long chains of small operators. The native operators that run
best on a device have no gradient on some machines. The choice is made while a function is traced: inside
`export_scope()` every layer uses its export form. Nothing of it is serialised.
"""

import contextlib
import contextvars

_arithmetic = contextvars.ContextVar("keras_lightnets_export_arithmetic", default=None)


@contextlib.contextmanager
def export_scope(arithmetic="float"):
    """Traces made inside use the export form of every primitive: inference only, static shapes, batch 1.

    Args:
        arithmetic: "float" or "int8", what the device will compute in. Defaults to "float".
    """
    token = _arithmetic.set(arithmetic)
    try:
        yield
    finally:
        _arithmetic.reset(token)


def exporting(arithmetic=None):
    """Returns whether a trace is made inside `export_scope()`, for `arithmetic` where that is given."""
    return _arithmetic.get() is not None and arithmetic in (None, _arithmetic.get())
