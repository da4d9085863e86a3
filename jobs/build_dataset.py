"""Build a dataset from a recipe: `python jobs/build_dataset.py --recipe jobs/recipes/demo.yaml --out out/demo`.

Runs on the Ray cluster that RAY_ADDRESS names (`ray job submit` sets it), else on this machine alone. Started again
with the same recipe and output it continues where it stopped. `jobs/run.py` starts runs of every kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factory import launch
from factory import recipe as recipes

DEMO = Path(__file__).parent / "recipes" / "demo.yaml"


def main(
    recipe: Annotated[Path, typer.Option(help="Recipe file (YAML).")] = DEMO,
    out: Annotated[str, typer.Option(help="Where the run lives: a directory or s3://bucket/prefix. [out/NAME]")] = "",
    override: Annotated[
        list[Path] | None, typer.Option(help="File of keys to lay over the recipe (YAML); may be repeated.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Override a key: a.b=c; may be repeated.")] = None,
    verbose: Annotated[bool, typer.Option(help="Show the logs of Ray and of all workers.")] = False,
) -> None:
    """Build a dataset of reasoning traces: problems in, verified multi-mode traces out."""
    launch.launch(recipes.load(recipe, set_, override), out, verbose=verbose)


if __name__ == "__main__":
    launch.run_job(main, "build_dataset")
