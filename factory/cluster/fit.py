"""Fitting a run to its cluster: before the graph starts, every pool's minimum fits, or minimums are lowered.

Every pool holds the CPUs of its minimum of actors all run long. If some pools filled the cluster, another one
would never get its first actor, and all would wait for each other forever. Three rules rule that out:

* engines on GPUs ask for GPUs alone, all else for CPUs alone (`VllmSettings.reserved_cpus`);
* tasks of the graph, which come and go beside the actors, ask for no CPU (`factory.graph`);
* the minimums of all pools are tried here at once, as one placement group, which an autoscaler also sees as one
  demand. Where no more machines are coming, minimums are lowered, to one actor of each pool at the lowest.

Beyond its minimum a pool grows only with work, and work there is only where every pool has an actor.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import ray
from ray.autoscaler.v2.sdk import get_cluster_status
from ray.util.placement_group import placement_group, remove_placement_group

from factory.cluster.demand import pools
from factory.errors import FactoryError
from factory.recipe import RunRecipe
from factory.stages.stage import Pool, Stage

Recipe = TypeVar("Recipe", bound=RunRecipe)

PATIENCE_S = 60.0
"""A cluster that has not grown for this long, and sets no machine up, is as large as it gets for now."""


def fit(recipe: Recipe, stages: Callable[[Recipe], Iterable[Stage]], emit: Callable[[str], None]) -> Recipe:
    """The recipe with minimums that fit the cluster all at once; waits while the cluster grows.

    Raises `FactoryError` if Ray runs on this machine alone, which no other will ever join, and is too small for one
    of each.
    """
    wanted = pools(recipe, stages(recipe))
    cpus = _try_out(wanted, fixed="RAY_ADDRESS" not in os.environ)
    if cpus is None:
        return recipe
    lowest = lowered(wanted, cpus)
    changes = [
        f"{' and '.join(pool.keys)} {pool.min_actors} -> {n}" for pool, n in lowest.items() if n < pool.min_actors
    ]
    emit(f"the cluster has {cpus:g} CPUs and does not grow; minimum pool sizes lowered: {', '.join(changes)}")
    counts: dict[str, int] = {}
    for pool, n in lowest.items():
        for key in pool.keys:  # several pools may be sized by one key of the recipe
            counts[key] = min(n, counts.get(key, n))
    return with_minimum(recipe, counts)


def lowered(pools: Sequence[Pool], cpus: float) -> dict[Pool, int]:
    """How many of each pool fit into `cpus`: one of each, then one more wherever the smallest share is met."""
    min_actors = dict.fromkeys(pools, 1)
    free = cpus - one_of_each(pools)
    while True:
        open_ = [pool for pool in pools if min_actors[pool] < pool.min_actors and pool.cpus <= free]
        if not open_:
            return min_actors
        pool = min(open_, key=lambda p: min_actors[p] / p.min_actors)
        min_actors[pool] += 1
        free -= pool.cpus


def one_of_each(pools: Sequence[Pool]) -> float:
    return sum(pool.cpus for pool in pools)


def with_minimum(recipe: Recipe, min_actors: Mapping[str, int]) -> Recipe:
    """The recipe with other minimums of actors; the maximums, and so the fingerprint, stay."""
    values = recipe.model_dump()
    for key, n in min_actors.items():
        *path, name = key.split(".")
        section: Any = values
        for step in path:
            section = section[step]
        section[name] = (n, max(n, section[name][1]))
    return type(recipe).model_validate(values)


def _try_out(wanted: Sequence[Pool], *, fixed: bool) -> float | None:
    """None if the minimum actors of all pools fit at once; else the CPUs of a cluster that has stopped growing."""
    bundles = [{"CPU": pool.cpus} for pool in wanted for _ in range(pool.min_actors)]
    if not bundles:
        return None
    gang = placement_group(bundles)
    try:
        still_since, before = time.monotonic(), 0.0
        while not gang.wait(2):
            cpus = ray.cluster_resources().get("CPU", 0.0)
            # machines that were only asked for do not count: a market that has none is asked again and again
            if cpus > before or get_cluster_status(ray.get_runtime_context().gcs_address).pending_nodes:
                still_since, before = time.monotonic(), cpus
            if fixed and cpus < one_of_each(wanted):
                raise _too_small(wanted, cpus)
            if cpus >= one_of_each(wanted) and (fixed or time.monotonic() - still_since > PATIENCE_S):
                return float(cpus)
        return None
    finally:
        remove_placement_group(gang)


def _too_small(wanted: Sequence[Pool], cpus: float) -> FactoryError:
    each = ", ".join(f"{pool.keys[0].rpartition('.')[0]} {pool.cpus:g}" for pool in wanted)
    return FactoryError(
        f"this machine has too few CPUs for the recipe: {cpus:g} of {one_of_each(wanted):g}",
        why=f"one actor of each pool has to fit beside the others: {each}",
        remedy="make the `num_cpus` of these sections smaller, or run on a cluster",
    )
