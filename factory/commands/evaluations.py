"""Commands about evaluations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[str, typer.Argument(help="An evaluation: the value of --out.")],
    second: Annotated[str, typer.Argument(help="Another one, of the same problems.")],
    *,
    shared: Annotated[bool, typer.Option("--shared", help="Compare on the problems that both have.")] = False,
    out: Annotated[str | None, typer.Option(help="Page to write (HTML).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of text.")] = False,
) -> None:
    """Compare two evaluations problem by problem: difference with interval, McNemar, problems needed, what changed."""
    from factory.evaluation.compare import compare_runs
    from factory.report import comparison

    pairs = compare_runs(first, second, shared=shared)
    if out:
        Path(out).write_text(comparison.page(pairs, first, second), encoding="utf-8")
    if as_json:
        print("\n".join(json.dumps(pair.to_json(), ensure_ascii=False) for pair in pairs))
    else:
        print(comparison.text(pairs, second))
