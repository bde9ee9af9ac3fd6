"""The published cost tables, counted again and compared."""

from typing import NamedTuple

from keras_lightnets.design.published import TABLES
from keras_lightnets.errors import UserError


class Cell(NamedTuple):
    """One figure as printed and as counted, and how they agree: "rounded", "cut off" or "differs"."""

    printed: str
    counted: float | int | str
    agreement: str

    def shown(self):
        """The counted figure with one digit more than is printed, and in brackets the printed one if it is another."""
        counted = str(self.counted)
        if isinstance(self.counted, float):
            counted = f"{self.counted:,.{_digits(self.printed) + 1}f}"
        return counted if counted == self.printed else f"{counted} ({self.printed})"


class CheckedRow(NamedTuple):
    """One line of a table. `why` explains what differs."""

    name: str
    cells: tuple[Cell, ...]
    why: str


class CheckedTable(NamedTuple):
    """A published table beside what is counted."""

    name: str
    title: str
    source: str
    columns: tuple[str, ...]
    rows: tuple[CheckedRow, ...]

    def to_markdown(self):
        """Returns the table in Markdown: counted, with what is printed in brackets where it is another figure."""
        lines = [f"| | {' | '.join(self.columns)} | |", f"|---{'|---:' * len(self.columns)}|---|"]
        for row in self.rows:
            cells = (f"**{cell.shown()}**" if cell.agreement == "differs" else cell.shown() for cell in row.cells)
            lines.append(f"| {row.name} | {' | '.join(cells)} | {row.why} |")
        head = f"## {self.title}\n\n{self.source}: `keras-lightnets cost-table {self.name}`\n\n"
        return head + "\n".join(lines) + "\n"

    def to_dict(self):
        """Returns the table as a dict of JSON values."""
        rows = [{**row._asdict(), "cells": [cell._asdict() for cell in row.cells]} for row in self.rows]
        return {**self._asdict(), "rows": rows}


def cost_table(name: str) -> CheckedTable:
    """Counts a published cost table again.

    A printed figure agrees with the count if the count rounds to it, or is cut off to it at its last digit.

    Args:
        name: str, one of `keras_lightnets.design.published.TABLES`, such as "mobilenet-6" or "micronet".

    Returns:
        A `CheckedTable`. Every row that differs says why.

    Raises:
        UserError: for another name.

    Example:

    >>> [cell.agreement for cell in keras_lightnets.design.cost_table("micronet").rows[2].cells]
    ['cut off', 'rounded']
    """
    if name not in TABLES:
        raise UserError(f"There is no cost table {name!r}. There are: {', '.join(TABLES)}.")
    table = TABLES[name]
    rows = []
    for row in table.rows:
        pairs = zip(row.printed, row.count(), strict=True)
        cells = tuple(Cell(printed, counted, _agreement(printed, counted)) for printed, counted in pairs)
        rows.append(CheckedRow(row.name, cells, row.why))
    return CheckedTable(name, table.title, table.source, table.columns, tuple(rows))


def _agreement(printed, counted):
    if isinstance(counted, str):
        return "rounded" if printed == counted else "differs"
    digits = _digits(printed)
    if f"{counted:.{digits}f}" == printed:
        return "rounded"
    return "cut off" if f"{counted - 0.5 * 10**-digits:.{digits}f}" == printed else "differs"


def _digits(printed):
    return len(printed.partition(".")[2])
