"""Settings that check themselves: a dataclass declares the range or the choices of a value beside its type."""

import dataclasses
import json
import math
import numbers
import os
import types
import typing

from keras_lightnets.errors import UserError

# For settings without a bound of their own. Counts in TensorFlow have 32 bits here and there.
_LARGEST = 2**31 - 1


def within(interval, default):
    """Declares a number in an interval such as "[0, 1)" or "(0, inf)", and its default."""
    return dataclasses.field(default=default, metadata={"interval": interval})


def one_of(choices, default=dataclasses.MISSING):
    """Declares a value among some, and its default."""
    return dataclasses.field(default=default, metadata={"choices": choices})


def check(settings):
    """Checks every value of a dataclass, and gives it its declared type.

    Raises:
        UserError: names the first value of another type, or out of its range.
    """
    for field in dataclasses.fields(settings):
        value = typed(field.name, getattr(settings, field.name), field.type)
        object.__setattr__(settings, field.name, value)
        if value is None:
            continue
        received = f"Received: {field.name}={value!r:.80}"
        if (choices := field.metadata.get("choices")) and value not in choices:
            raise UserError(f"`{field.name}` must be one of {', '.join(choices)}. {received}")
        if (interval := field.metadata.get("interval")) and not _inside(value, interval):
            raise UserError(f"`{field.name}` must be {_described(interval)}. {received}")
        if isinstance(value, int) and value > _LARGEST and "inf" in (interval or "inf"):
            raise UserError(f"`{field.name}` must be at most {_LARGEST}. {received}")


def typed(name, value, kind, origin="the arguments"):
    """Returns a value as the type that is declared for it. For another type, a UserError names the origin."""
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        (kind,) = set(typing.get_args(kind)) - {types.NoneType}
    try:
        return _CONVERTED[typing.get_origin(kind) or kind](value)
    except (TypeError, ValueError, OverflowError):
        shown = getattr(kind, "__name__", str(kind))
        raise UserError(f"{origin}: {name} must be of type {shown}. Received: {name}={value!r:.80}") from None


def _exactly(kind):
    def converted(value):
        if not isinstance(value, kind):
            raise TypeError
        return value

    return converted


def _number(kind):
    def converted(value):
        # NaN is unequal to itself.
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or kind(value) != value:
            raise TypeError
        if kind is float and not math.isfinite(value):
            raise ValueError
        return kind(value)

    return converted


def _table(value):
    # It is written into reports: no NaN, and no date.
    json.dumps(_exactly(dict)(value), allow_nan=False)
    return value


def _text(value):
    return _exactly(str)(os.fspath(value))


_CONVERTED = {
    bool: _exactly(bool),
    dict: _table,
    int: _number(int),
    float: _number(float),
    str: _text,
    tuple: lambda value: tuple(map(_text, _exactly((tuple, list))(value))),
}


def _ends(interval):
    low, high = map(float, interval[1:-1].split(","))
    return low, high


def _inside(value, interval):
    low, high = _ends(interval)
    above = value > low or (interval[0] == "[" and value == low)
    return above and (value < high or (interval[-1] == "]" and value == high))


def _described(interval):
    low, high = _ends(interval)
    if high < math.inf:
        return f"in {interval}"
    return f"at least {low:g}" if interval[0] == "[" else "positive" if low == 0 else f"above {low:g}"
