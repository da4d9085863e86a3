"""`factory import`: a released dataset of solutions as a run, in this process."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def import_(
    path: Annotated[str, typer.Argument(help="Parquet or JSON lines: a file, a folder such as a hub snapshot, a URI.")],
    *,
    out: Annotated[str, typer.Option(help="Where the run goes: a directory or s3://bucket/prefix.")],
    tokenizer: Annotated[str, typer.Option(help="Directory or hub name whose tokenizer writes the tokens.")],
    dialect: Annotated[str, typer.Option(help="The chat format in which messages are written.")] = "harmony",
    layout: Annotated[str, typer.Option(help="nemotron_math or open_math_reasoning.")] = "nemotron_math",
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Another key of the recipe: mode=high, source.limit=1000.")
    ] = None,
) -> None:
    """Read a released dataset back as a run, for `export` and all commands that read runs; killed, it goes on.

    Messages are written as tokens by the dialect; rows that it cannot express are rejects with their reason.
    """
    from factory import ingest, settings
    from factory.recipe import Import
    from factory.report.funnel import render
    from factory.runs.imported import ImportRun
    from factory.store.fs import Store
    from factory.store.publish import in_process, publish
    from factory.store.run import Run

    values = {
        "name": path.rstrip("/").rsplit("/", 1)[-1],
        "source": {"path": path},
        "layout": layout,
        "teacher": {"model": tokenizer, "dialect": dialect},
    }
    recipe = settings.validate(Import, settings.override(values, overrides or []), "factory import")
    kind = ImportRun()
    kind.check(recipe, Store.open(out))
    run = Run.open(out, recipe)
    inputs = ingest.load(run.store) or kind.read_inputs(run, recipe, in_process)
    print(f"{inputs.rows:,} rows, {inputs.samples:,} solutions", file=sys.stderr, flush=True)
    manifest = publish(run, recipe.publish, kind.view, card=lambda m: kind.card(run, m, kind.funnel(inputs, m)))
    ingest.publish_rejects(run.store, inputs)
    print(render(kind.funnel(inputs, manifest)))
