"""`factory blend`: how much of which datasets a training takes, phase by phase."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def blend(
    recipe: Annotated[Path, typer.Argument(help="The blend's phases and sources (YAML): docs/blends.md.")],
    out: Annotated[str | None, typer.Option(help="Where it is stored; without it the table is all.")] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Also write the rows, each as often as it is taken.")] = False,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="A key of it: fraction=0.1.")] = None,
) -> None:
    """Print weight, tokens and epochs of each source of a blend; store which rows it takes, or the rows themselves."""
    from factory import settings
    from factory.errors import FactoryError
    from factory.views.blend import Blend, plan, table
    from factory.views.blend_files import write

    given = settings.load(Blend, recipe, overrides)
    if rows and out is None:
        raise FactoryError("--rows needs a place", remedy="give --out")
    print("\n".join(table(write(given, out, rows=rows) if out else plan(given))))
