"""Decontaminate: problems with their nearest benchmark problems on the row; those that are too close leave."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable

import pyarrow as pa

from factory.arrow import from_table, to_table
from factory.decontaminate.check import Checked, check
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.programs.effects import Effects, Resources
from factory.recipe import Recipe
from factory.records import Problem, Reject
from factory.stages.pair_judge import settle_undecided
from factory.stages.services import Connect, Services, no_checker
from factory.store.run import Run

STAGE = "decontaminate"


class Decontaminate:
    """`Problem` rows in and out. Rejects are in the journal before the batch is handed on.

    Rules decide; where the recipe lets the judge model settle close calls, it is asked about those, and only then
    does this stage `connect`. `index` is called once in the worker: all workers of a node may get one memory's arrays.
    """

    def __init__(self, run: Run, recipe: Recipe, index: Callable[[], BenchmarkIndex], connect: Connect) -> None:
        self._recipe, self._config, self._index, self._connect = recipe, recipe.decontaminate, index(), connect
        self._embedder = Embedder(self._config.embedding, cache=self._config.cache)
        self._journal = run.writer(f"decontaminate-{uuid.uuid4().hex[:8]}", recipe)
        self._starting = asyncio.Lock()
        self._services: Services | None = None

    async def __call__(self, batch: pa.Table) -> AsyncGenerator[pa.Table, None]:
        problems = from_table(Problem, batch)
        checked = await asyncio.to_thread(check, problems, self._index, self._embedder, self._config)
        if self._config.judge == "undecided":
            checked = list(await asyncio.gather(*map(self._settle, checked)))
        receipts = [self._journal.append(contaminated(row)) for row in checked if row.contaminated]
        await self._journal.durable(*receipts, now=True)
        yield to_table(Problem, [row.problem for row in checked if not row.contaminated])

    async def _settle(self, checked: Checked) -> Checked:
        if not checked.undecided:
            return checked
        services = await self._ready()
        recorded = await services.recorded(checked.problem.id)
        resources = Resources(self._recipe, services.models, None, no_checker, self._journal, services.metrics)
        effects = Effects(checked.problem.id, resources, recorded)
        return await settle_undecided(checked, self._index.text_of, effects, self._config)

    async def _ready(self) -> Services:
        async with self._starting:
            if self._services is None:
                self._services = await self._connect()
            return self._services


def contaminated(checked: Checked, stage: str = STAGE) -> Reject:
    """The reject of a contaminated problem: which benchmark problem it is too close to, how close, and why."""
    problem = checked.problem
    cosine = max(
        n.cosine for n in problem.neighbours if (n.benchmark, n.id) == (checked.benchmark, checked.benchmark_id)
    )
    near = f"{checked.benchmark}/{checked.benchmark_id}: {checked.reason}"
    return Reject.of(problem, stage, "contaminated", f"{near} (cosine {cosine:.3f}, score {checked.score:.3f})")
