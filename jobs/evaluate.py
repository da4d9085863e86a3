"""Measure a model: `python jobs/evaluate.py --recipe jobs/recipes/evaluate.yaml --out out/evaluation`.

Runs on the Ray cluster that RAY_ADDRESS names (`ray job submit` sets it), else on this machine alone. Started again
with the same recipe and output it goes on where it stopped. `jobs/run.py` starts runs of every kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factory import launch

DEMO = Path(__file__).parent / "recipes" / "evaluate.yaml"


def main(
    recipe: Annotated[Path, typer.Option(help="Recipe file (YAML) of kind evaluate.")] = DEMO,
    out: Annotated[str, typer.Option(help="Where the run lives: a directory or s3://bucket/prefix. [out/NAME]")] = "",
    override: Annotated[
        list[Path] | None, typer.Option(help="File of keys to lay over the recipe (YAML); may be repeated.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Override a key: a.b=c; may be repeated.")] = None,
    verbose: Annotated[bool, typer.Option(help="Show the logs of Ray and of all workers.")] = False,
) -> None:
    """Measure a model in six configurations: accuracies with intervals, tokens, votes."""
    from factory import runs
    from factory.errors import FactoryError
    from factory.recipe import Evaluate

    loaded = runs.load(recipe, set_, override)
    if not isinstance(loaded, Evaluate):
        raise FactoryError(f"{recipe} is no evaluation", remedy="write `kind: evaluate` into it, or use jobs/run.py")
    launch.launch(loaded, out, verbose=verbose)


if __name__ == "__main__":
    launch.run_job(main, "evaluate")
