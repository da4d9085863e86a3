"""Start a run of any kind, as its recipe's `kind` says: `python jobs/run.py --recipe my.yaml --out s3://bucket/run`.

Runs on the Ray cluster that RAY_ADDRESS names (`ray job submit` sets it), else on this machine alone. Started again
with the same recipe and output it continues where it stopped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factory import launch


def main(
    recipe: Annotated[Path, typer.Option(help="Recipe file (YAML); its key `kind` says what kind of run it is.")],
    out: Annotated[str, typer.Option(help="Where the run lives: a directory or s3://bucket/prefix. [out/NAME]")] = "",
    override: Annotated[
        list[Path] | None, typer.Option(help="File of keys to lay over the recipe (YAML); may be repeated.")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Override a key: a.b=c; may be repeated.")] = None,
    verbose: Annotated[bool, typer.Option(help="Show the logs of Ray and of all workers.")] = False,
) -> None:
    """Start a run, or continue with one."""
    from factory import runs

    launch.launch(runs.load(recipe, set_, override), out, verbose=verbose)


if __name__ == "__main__":
    launch.run_job(main, "run")
