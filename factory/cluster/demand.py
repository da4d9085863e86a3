"""What a run asks of its machines: the bundles and pools of its engines and sandboxes, and those of its stages.

Read from the recipe and the stages alone; nothing here has to run. A kind of run adds its stages, no line here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from factory.recipe import RunRecipe, VllmSettings
from factory.stages.stage import Pool, Stage

Bundle = tuple[tuple[str, float], ...]
"""What one actor or task asks of one machine: sorted pairs of a resource and its amount."""


def bundle(resources: Mapping[str, float]) -> Bundle:
    return tuple(sorted((name, float(n)) for name, n in resources.items() if n))


def bundles(recipe: RunRecipe, stages: Iterable[Stage]) -> dict[Bundle, str]:
    """Who asks a machine for what: the bundles of a run's actors, in words."""
    names: dict[Bundle, set[str]] = {}
    for pool in _all(recipe, stages):
        names.setdefault(bundle({"CPU": pool.cpus, "GPU": pool.gpus}), set()).add(pool.what)
    return {asked: " or ".join(sorted(who)) for asked, who in names.items() if asked}


def pools(recipe: RunRecipe, stages: Iterable[Stage]) -> list[Pool]:
    """All pools of a run that hold CPUs."""
    return [pool for pool in _all(recipe, stages) if pool.cpus and pool.min_actors]


def _all(recipe: RunRecipe, stages: Iterable[Stage]) -> list[Pool]:
    found = _engines(recipe)
    if recipe.python is not None:
        found.append(Pool("sandbox", ("sandbox.actors",), recipe.python.actors, recipe.python.num_cpus))
    return found + [stage.pool for stage in stages]


def _engines(recipe: RunRecipe) -> list[Pool]:
    """One pool for all roles whose models and engines are equal, at every place that says how large it is."""
    places: dict[str, list[str]] = {}
    engines: dict[str, VllmSettings] = {}
    for role, section in recipe.roles.items():
        if isinstance(section.engine, VllmSettings):
            engines[section.served] = section.engine
            if getattr(recipe, role, None) is not None:  # else it plays the part of another role's section
                places.setdefault(section.served, []).append(f"{role}.engine.replicas")
    return [
        Pool("engine", tuple(places[served]), engine.replicas, engine.reserved_cpus, engine.reserved_gpus)
        for served, engine in engines.items()
    ]
