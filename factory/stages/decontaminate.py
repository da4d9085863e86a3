"""Decontaminate: problems with their nearest benchmark problems on the row; those that are too close leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable

import pyarrow as pa

from factory.arrow import from_table, to_table
from factory.decontaminate.check import CheckedProblem, check
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.engines.protocol import EngineError
from factory.errors import FactoryError, Unavailable
from factory.recipe import Recipe
from factory.records import Problem, Reject
from factory.stages.host import Host
from factory.stages.pair_judge import settle_undecided
from factory.stages.services import Connect
from factory.store.run import Run

log = logging.getLogger(__name__)

STAGE = "decontaminate"


class DecontaminateWorker:
    """`Problem` rows in and out. Rejects are in the journal before the batch is handed on.

    Rules decide; if the recipe lets the judge model settle close calls, it is asked about those, and only then
    does this stage `connect`. `index` is called once in the worker: all workers of a node may get one memory's arrays.
    """

    def __init__(self, run: Run, recipe: Recipe, index: Callable[[], BenchmarkIndex], connect: Connect) -> None:
        self._config, self._index = recipe.decontaminate, index()
        self._embedder = Embedder(self._config.embedding, cache=self._config.cache)
        asks = self._config.judge == "undecided"
        in_flight = recipe.programs.problems_in_flight
        self._host = Host(run, recipe, connect, stage=STAGE, role="judge" if asks else None, in_flight=in_flight)

    async def __call__(self, batch: pa.Table) -> AsyncGenerator[pa.Table, None]:
        problems = from_table(Problem, batch)
        checked = await asyncio.to_thread(check, problems, self._index, self._embedder, self._config)
        if self._config.judge == "undecided":
            settled = await asyncio.gather(*map(self._settle, checked))
            checked = [row for row in settled if row is not None]
        journal = self._host.journal
        receipts = [journal.append(contaminated(row)) for row in checked if row.contaminated]
        try:
            await journal.durable(*receipts, now=True)
        except FactoryError:
            await (await self._host.ready()).make_way(journal)
            raise
        yield to_table(Problem, [row.problem for row in checked if not row.contaminated])

    async def _settle(self, checked: CheckedProblem) -> CheckedProblem | None:
        """The problem with its close calls settled; None, for the next pass, where the judge stays away."""
        if not checked.undecided:
            return checked
        services = await self._host.ready()
        async with self._host.admission.program():
            effects = self._host.effects(checked.problem.id, await services.recorded(checked.problem.id))
            try:
                return await settle_undecided(checked, self._index.text_of, effects, self._config)
            except Unavailable as error:
                log.warning("%s is left unfinished: %s", checked.problem.id, error)
                return None
            except EngineError as error:  # a pair that does not fit into the judge's context: the rules' score stands
                log.warning("%s is decided without the judge: %s", checked.problem.id, error)
                return checked


def contaminated(checked: CheckedProblem, stage: str = STAGE) -> Reject:
    """The reject of a contaminated problem: which benchmark problem it is too close to, how close, and why."""
    problem = checked.problem
    cosine = max(
        n.cosine for n in problem.neighbours if (n.benchmark, n.id) == (checked.benchmark, checked.benchmark_id)
    )
    near = f"{checked.benchmark}/{checked.benchmark_id}: {checked.reason}"
    return Reject.of(problem, stage, "contaminated", f"{near} (cosine {cosine:.3f}, score {checked.score:.3f})")
