"""Build a dataset from a recipe: `python jobs/build_dataset.py --recipe jobs/recipes/demo.yaml --out out/demo`.

Runs on the Ray cluster that RAY_ADDRESS names (`ray job submit` sets it), else on this machine alone. Started again
with the same recipe and output it goes on where it stopped.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from factory import recipe as recipes
from factory.errors import FactoryError

DEMO = Path(__file__).parent / "recipes" / "demo.yaml"


def main(
    recipe: Annotated[Path, typer.Option(help="Recipe file (YAML).")] = DEMO,
    out: Annotated[str, typer.Option(help="Where the run lives: a directory or s3://bucket/prefix. [out/NAME]")] = "",
    set_: Annotated[list[str] | None, typer.Option("--set", help="Override a key: a.b=c; may be repeated.")] = None,
) -> None:
    """Build a dataset of reasoning traces: problems in, verified multi-mode traces out."""
    loaded = recipes.load(recipe, set_)
    uri = out or f"out/{loaded.name}"
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    import ray

    from factory import pipeline
    from factory.report.funnel import render

    run = pipeline.prepare(loaded, uri)
    ray.init(address=os.environ.get("RAY_ADDRESS", "local"))
    done = pipeline.build(run, loaded, say=lambda line: print(line, flush=True))
    print("\n" + render(done.stages))
    progress = done.progress
    print(f"\n{progress.tokens_per_second:,.0f} generated tokens/s over {progress.seconds:,.0f} s of solving")
    if shares := done.idle.line():
        print(f"engine time: {shares}")
    print(f"dataset: {run.uri}/dataset ({done.n_traces:,} traces; README.md there is its card)")
    if done.unfinished:
        sys.exit(f"{done.unfinished:,} problems are unfinished: start the same command again")


def mendable(error: BaseException | None) -> FactoryError | None:
    """The `FactoryError` behind an error, which Ray may have wrapped on its way from a worker."""
    while error is not None:
        if type(error) is FactoryError:
            return error
        error = getattr(error, "cause", None) or error.__cause__
    return None


if __name__ == "__main__":
    try:
        typer.run(main)
    except Exception as error:
        known = mendable(error)
        if known is None:
            raise
        sys.exit(f"build_dataset: {known}")
