"""Start a run from a job script: load its recipe, join a cluster or start Ray here, and say what came of it.

What `jobs/*.py` share. The driver holds no truth: the same command continues where an earlier start stopped.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from factory.errors import FactoryError
from factory.recipe import RunRecipe
from factory.store.driver_lease import EXIT_STATUS, RunLocked

STORAGE_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_REQUEST_CHECKSUM_CALCULATION",
)


def launch(recipe: RunRecipe, out: str = "", *, verbose: bool = False) -> None:
    """Bring the run of a recipe to its end, from wherever it stands. Exits with status 1 where rows are unfinished."""
    from factory import pipeline, runs
    from factory.cluster import demand, region, waiting
    from factory.report.funnel import render

    run = pipeline.prepare(recipe, out or f"out/{recipe.name}")
    if told := region.warning(run.uri):
        emit(told)
    start_ray(verbose=verbose)
    with waiting.reported(emit, demand.bundles(recipe, runs.of_recipe(recipe).stages(recipe))):
        done = pipeline.complete(run, recipe, emit=emit)
    print("\n" + render(done.stages))
    progress = done.progress
    print(f"\n{progress.tokens_per_second:,.0f} generated tokens/s over {progress.seconds:,.0f} s of solving")
    if shares := done.idle.line():
        print(f"engine time: {shares}")
    print(done.published.line)
    if done.unfinished:
        sys.exit(f"{done.unfinished:,} problems are unfinished: start the same command again")


def emit(line: str) -> None:
    print(line, flush=True)


def start_ray(*, verbose: bool) -> None:
    """Join the cluster that RAY_ADDRESS names, or start Ray on this machine. Workers' logs stay in Ray's log folder.

    Workers of a cluster get the variables by which this process reaches its storage; here they inherit them anyway.
    """
    import ray

    from factory.engines.serve import CONTROLLER_VARIABLES

    level = logging.INFO if verbose else logging.WARNING
    logging.getLogger("ray.serve").setLevel(level)
    for handler in logging.getLogger("ray.data").handlers:
        if handler.name == "console":  # what ends the graph is raised as well, and told once; Ray's log folder has all
            handler.setLevel(level if verbose else logging.CRITICAL)
    if (several := _allocated_nodes()) > 1 and "RAY_ADDRESS" not in os.environ:
        raise FactoryError(
            f"this job has {several} nodes and would run on one of them",
            why="RAY_ADDRESS does not say where its Ray cluster is",
            remedy="start Ray on all nodes and set RAY_ADDRESS, as jobs/slurm.sh and jobs/skypilot.yaml do",
        )
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.update(CONTROLLER_VARIABLES)
    variables = CONTROLLER_VARIABLES | storage_variables() if "RAY_ADDRESS" in os.environ else {}
    ray.init(
        address=os.environ.get("RAY_ADDRESS", "local"),
        runtime_env={"env_vars": variables} if variables else None,
        log_to_driver=verbose,
        logging_level=level,
    )
    cpus = ray.cluster_resources().get("CPU", 0)
    print(f"ray: {len(ray.nodes())} nodes, {cpus:g} CPUs (--verbose shows what workers log)", flush=True)


def _allocated_nodes() -> int:
    """Nodes that a scheduler has given to this job; 1 where no scheduler says so."""
    given = os.environ.get("SLURM_JOB_NUM_NODES") or os.environ.get("SKYPILOT_NUM_NODES") or "1"
    return int(given) if given.isdigit() else 1


def storage_variables() -> dict[str, str]:
    """What this process knows of its storage, but for what the submitted job's environment gives to workers already.

    Ray refuses a variable that both give. Roles of machines and pods, and files, are each machine's own: left alone.
    """
    submitted = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    given = (submitted.get("runtime_env") or {}).get("env_vars") or {}
    return {name: os.environ[name] for name in STORAGE_VARIABLES if name in os.environ and name not in given}


def run_job(main: Callable[..., Any], name: str) -> None:
    """Run a job's command line; an error that its user can fix is told in words, without a traceback."""
    import typer

    try:
        typer.run(main)
    except RunLocked as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(EXIT_STATUS)
    except Exception as error:
        known = user_error(error)
        if known is None:
            raise
        sys.exit(f"{name}: {known}")


def user_error(error: BaseException | None) -> FactoryError | None:
    """The `FactoryError` behind an error, which Ray may have wrapped on its way from a worker."""
    while error is not None:
        if type(error) is FactoryError:
            return error
        error = getattr(error, "cause", None) or error.__cause__
    return None
