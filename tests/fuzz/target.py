"""What the fuzzer must know of one kind of input."""

from collections.abc import Callable
from typing import NamedTuple


class Target(NamedTuple):
    """One kind of input.

    Attributes:
        samples: function of a folder that returns a dict from file name to good content; it may use the folder.
        check: function of the path of a damaged file, the other samples whole beside it. It raises a `UserError` that
            refuses the file, or an `AssertionError` if what was read is wrong; anything else is a fault.
        quick: int, how many files the default tests open.
        named: bool, whether an error must name the file.
    """

    samples: Callable
    check: Callable
    quick: int = 200
    named: bool = True


def expect(holds, what):
    """Raises an `AssertionError` that says `what` is wrong, unless it holds."""
    if not holds:
        raise AssertionError(what)
