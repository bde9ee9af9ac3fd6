"""How the commands print."""

import rich.console


def open_console(quiet: bool = False) -> rich.console.Console:
    """Returns a console that prints names as they are: "[x]" and ":x:" in them are no markup."""
    return rich.console.Console(quiet=quiet, markup=False, emoji=False)
