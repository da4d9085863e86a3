"""Commands about answers: are they equal?"""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer


def verify(
    file: Annotated[str, typer.Argument(help="JSON lines: {id, gold, prediction}; a prediction may be running text.")],
    workers: Annotated[int, typer.Option(min=1, help="Killable checker processes.")] = 1,
    timeout_s: Annotated[
        float, typer.Option(min=0.01, help="Budget of one pair; past it the pair is undecided.")
    ] = 5.0,
) -> None:
    """Compare answers: one line {id, equal, method, extracted, seconds} per row, in order; null means undecided."""
    from factory.commands.verify_file import verify_file

    async def stream() -> None:
        async for line in verify_file(file, workers=workers, timeout_s=timeout_s):
            print(line, flush=True)

    asyncio.run(stream())
