"""Commands about Python cells: run some, and ask what isolates them here."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def sandbox(
    file: Annotated[str, typer.Argument(help="JSON lines: {id, cells: [code, ...], timeout_s}.")],
    limits: Annotated[str, typer.Option(help="Limits, e.g. memory_mb=1024,scratch_mb=64,output_chars=10000.")] = "",
) -> None:
    """Run Python cells in isolated sessions: one fresh session per row, one line of results per row, in order."""
    from factory.commands import sandbox_file

    for line in sandbox_file.run_file(file, limits):
        print(line, flush=True)


def doctor() -> None:
    """Print what isolation this machine gives to model-written code; exit status 1 if any effect is missing."""
    from factory.sandbox import doctor

    report, sound = doctor.examine()
    print(report)
    sys.exit(0 if sound else 1)
