"""What a stage is: its worker class, and the pool of actors that runs it. Knows no Ray.

A kind of run lists its stages once. What its machines are asked for, whether that fits, and the graph itself are all
read from that list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from factory.programs.program import Program
from factory.recipe import Decontaminate as Embedding
from factory.recipe import RunRecipe


@dataclass(frozen=True, slots=True)
class Pool:
    """An autoscaled pool of actors: who they are, in words; if the recipe gives their number; what each reserves.

    `keys` are places of the recipe that hold a pair of minimum and maximum. A pool of engines that several roles share
    stands at several of them.
    """

    what: str
    keys: tuple[str, ...]
    actors: tuple[int, int]
    cpus: float = 0.0
    gpus: float = 0.0

    @property
    def min_actors(self) -> int:
        """The minimum number of actors."""
        return self.actors[0]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a graph: rows in, rows out, through a pool of actors that each work off `in_flight` rows at once.

    `worker` is a class that Ray makes in each actor, of the arguments that `graph` hands it. A stage with a `program`
    is run by `stages/worker.py`; any other takes batches of texts, one after the other.
    """

    name: str
    pool: Pool
    worker: type | None = None
    program: Program[Any] | None = None
    in_flight: int | None = None


def program_stage(program: Program[Any], recipe: RunRecipe) -> Stage:
    """A stage of program workers, sized by the recipe's section `programs`."""
    settings = recipe.programs
    pool = Pool(f"{program.name} programs", ("programs.workers",), settings.workers, settings.num_cpus)
    return Stage(program.name, pool, program=program, in_flight=settings.problems_in_flight)


def embedding_pool(settings: Embedding) -> Pool:
    """The actors that embed texts."""
    key = "decontaminate.actors"
    return Pool("decontamination", (key,), settings.actors, settings.reserved_cpus, settings.num_gpus)
