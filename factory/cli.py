"""`factory ...`: the command line. Registers what `commands` holds, and turns a `FactoryError` into three lines."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from factory.commands import answers, blends, cells, decontamination, evaluations, export, imports, runs, transcripts
from factory.errors import FactoryError

app = typer.Typer(
    name="factory",
    help="Build, inspect and audit datasets of mathematical reasoning traces.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
trace = typer.Typer(help="Read stored traces back.", no_args_is_help=True)
app.add_typer(trace, name="trace")


@app.callback()
def _root() -> None:
    """Build, inspect and audit datasets of mathematical reasoning traces."""


COMMANDS: tuple[Callable[..., None], ...] = (
    cells.sandbox,
    cells.doctor,
    answers.verify,
    decontamination.decontaminate,
    decontamination.benchmarks,
    decontamination.add_benchmarks,
    imports.import_,
    blends.blend,
    runs.plan,
    runs.tune,
    runs.status,
    runs.report,
    evaluations.compare,
    runs.why,
    runs.audit,
    runs.push_to_hub,
    runs.disagreement,
    export.export,
)
"""In the order of `factory --help`. A command is called as its function, with dashes for underscores."""
for command in COMMANDS:
    app.command(command.__name__.strip("_").replace("_", "-"))(command)
trace.command()(transcripts.parse)
trace.command()(transcripts.replay)


def main() -> None:
    """Entry point of the console script: a `FactoryError` is three lines and status 2, never a traceback."""
    try:
        app()
    except FactoryError as error:
        print(f"factory: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)
