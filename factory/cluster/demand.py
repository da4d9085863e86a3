"""What a run asks of its machines: the roles that need a model, and the bundles and pools of its actors.

Read from the recipe alone; nothing here has to run. A new kind of actor is added to `bundles`, and to `pools` if it
holds CPUs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from factory import recipe as r

Bundle = tuple[tuple[str, float], ...]
"""What one actor or task asks of one machine: sorted pairs of a resource and its amount."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Actors that hold CPUs: where the recipe says how many there are at least, how many, and the CPUs of each.

    A pool of engines that several roles share stands at several places of the recipe.
    """

    keys: tuple[str, ...]
    least: int
    cpus: float


def roles(recipe: r.Recipe) -> dict[r.Role, r.Teacher]:
    """The roles that a run needs, each with its model; the teacher plays those that the recipe leaves open."""
    needed: dict[r.Role, r.Teacher] = {"teacher": recipe.teacher}
    if any(source.kind != "table" for source in recipe.sources):
        needed["curator"] = recipe.curator or recipe.teacher
    if recipe.verify.judge != "never" or recipe.decontaminate.judge != "never":
        needed["judge"] = recipe.judge or recipe.teacher
    return needed


def bundle(resources: Mapping[str, float]) -> Bundle:
    return tuple(sorted((name, float(n)) for name, n in resources.items() if n))


def bundles(recipe: r.Recipe) -> dict[Bundle, str]:
    """Who asks a machine for what: the bundles of a recipe's actors, in words."""
    engines = [t.engine for t in roles(recipe).values() if isinstance(t.engine, r.VllmEngine)]
    asked = [({"CPU": e.reserved_cpus, "GPU": e.reserved_gpus}, "engine") for e in engines]
    embedding = recipe.decontaminate
    asked += [
        ({"CPU": recipe.sandbox.num_cpus}, "sandbox"),
        ({"CPU": recipe.programs.num_cpus}, "programs"),
        ({"CPU": embedding.reserved_cpus, "GPU": embedding.num_gpus}, "decontamination"),
    ]
    names: dict[Bundle, set[str]] = {}
    for resources, name in asked:
        names.setdefault(bundle(resources), set()).add(name)
    return {asked_for: " or ".join(sorted(who)) for asked_for, who in names.items()}


def pools(recipe: r.Recipe) -> list[Pool]:
    """All pools of a run that hold CPUs."""
    places: dict[str, list[str]] = {}
    engines: dict[str, r.VllmEngine] = {}
    for role, teacher in roles(recipe).items():
        if isinstance(teacher.engine, r.VllmEngine):
            engines[teacher.served] = teacher.engine
            if getattr(recipe, role) is not None:  # else the teacher's engines play this role too
                places.setdefault(teacher.served, []).append(f"{role}.engine.replicas")
    found = [Pool(tuple(places[s]), engine.replicas[0], engine.reserved_cpus) for s, engine in engines.items()]
    found += [
        Pool(("sandbox.actors",), recipe.sandbox.actors[0], recipe.sandbox.num_cpus),
        Pool(("programs.workers",), recipe.programs.workers[0], recipe.programs.num_cpus),
    ]
    if recipe.decontaminate.compares:
        embedding = recipe.decontaminate
        found.append(Pool(("decontaminate.actors",), embedding.actors[0], embedding.reserved_cpus))
    if any(source.kind != "table" for source in recipe.sources):
        found.append(Pool(("curate.actors",), recipe.curate.actors[0], recipe.programs.num_cpus))
    return [pool for pool in found if pool.cpus and pool.least]
