"""`factory ...`: the command line. Thin: each command parses its options and calls one function of one room.

Rooms are imported inside the commands, so that `factory --help` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

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

trace_app = typer.Typer(help="Read stored traces back.", no_args_is_help=True)
app.add_typer(trace_app, name="trace")


@app.callback()
def _root() -> None:
    """Build, inspect and audit datasets of mathematical reasoning traces."""


@app.command()
def sandbox(
    file: Annotated[str, typer.Argument(help="JSON lines: {id, cells: [code, ...], timeout_s}.")],
    limits: Annotated[str, typer.Option(help="Limits, e.g. memory_mb=1024,scratch_mb=64,output_chars=10000.")] = "",
) -> None:
    """Run Python cells in isolated sessions: one fresh session per row, one line of results per row, in order."""
    from factory.sandbox import batch

    for line in batch.run_file(file, limits):
        print(line, flush=True)


@app.command()
def doctor() -> None:
    """Print what isolation this machine gives to model-written code; status 1 where an effect is missing."""
    from factory.sandbox import doctor

    report, sound = doctor.examine()
    print(report)
    sys.exit(0 if sound else 1)


@trace_app.command("parse")
def trace_parse(
    file: Annotated[str, typer.Argument(help="JSON lines with the transcript under harmony_text or text.")],
    dialect: Annotated[str, typer.Option(help="Chat format of the transcripts: harmony or fenced.")] = "harmony",
) -> None:
    """Print each transcript as messages in OpenAI form, with its calls, its answer and whether it renders back."""
    from factory.programs import trace_file

    for line in trace_file.parse_file(file, dialect):
        print(line, flush=True)


def main() -> None:
    """Entry point of the console script: a `FactoryError` is three lines and status 2, never a traceback."""
    try:
        app()
    except FactoryError as error:
        print(f"factory: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)
