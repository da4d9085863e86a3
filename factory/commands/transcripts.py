"""Commands about stored traces: read them back, and regenerate them."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer


def parse(
    file: Annotated[str, typer.Argument(help="JSON lines with the transcript under harmony_text or text.")],
    dialect: Annotated[str, typer.Option(help="Chat format of the transcripts, e.g. fenced.")] = "harmony",
) -> None:
    """Print each transcript as messages in OpenAI form, with its calls, its answer and whether it renders back."""
    from factory.commands import trace_file

    for line in trace_file.parse_file(file, dialect):
        print(line, flush=True)


def replay(
    file: Annotated[str, typer.Argument(help="Stored traces: Parquet (journal or dataset) or JSON lines.")],
    uid: Annotated[str | None, typer.Option(help="Only the trace with this uid.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many traces.")] = 1,
    recipe: Annotated[str | None, typer.Option(help="Recipe whose teacher answers; else the trace's model.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="A recipe setting.")] = None,
) -> None:
    """Regenerate stored traces at temperature 0, after exactly the tokens they saw; say whether they are identical."""
    from factory.commands import replay_file
    from factory.recipe import load

    teacher = load(recipe, overrides).teacher if recipe else None

    async def stream() -> None:
        async for line in replay_file.replay_file(file, uid, limit, teacher):
            print(line, flush=True)

    asyncio.run(stream())
