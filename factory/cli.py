"""`factory ...`: the command line. Thin: each command parses its options and calls one function of one room.

Rooms are imported inside the commands, so that `factory --help` answers at once.
"""

from __future__ import annotations

import sys

import typer

from factory.errors import FactoryError

app = typer.Typer(
    name="factory",
    help="Build, inspect and audit datasets of mathematical reasoning traces.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _root() -> None:
    """Build, inspect and audit datasets of mathematical reasoning traces."""


def main() -> None:
    """Entry point of the console script: a `FactoryError` is three lines and status 2, never a traceback."""
    try:
        app()
    except FactoryError as error:
        print(f"factory: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)
