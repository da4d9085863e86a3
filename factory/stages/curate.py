"""Curate: many threads at once in one worker; their problems go on once the thread's ending is in the journal."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncGenerator

import pyarrow as pa

from factory.arrow import from_table, to_table
from factory.engines.admission import Admission
from factory.errors import Unavailable
from factory.programs.curate import STAGE, curate
from factory.programs.effects import Effects, Recorded, Resources
from factory.recipe import Recipe
from factory.records import Curated, Problem, Reject, Thread
from factory.stages.attempts import attempted
from factory.stages.services import Connect, Services, no_checker
from factory.store.ids import scoped
from factory.store.run import Run

log = logging.getLogger(__name__)


class Curate:
    """`Thread` rows in, their `Problem` rows out.

    A thread ends in the journal before its problems are handed on: as `Curated`, with a reject for each problem that
    does not go on, or as a reject itself. One that has ended before yields nothing here; its problems are read from the
    journal. An engine that stays away leaves a thread unfinished, for the next pass or the next start of the job.
    """

    def __init__(self, run: Run, recipe: Recipe, connect: Connect) -> None:
        self._recipe, self._connect = recipe, connect
        self._journal = run.writer(f"curate-{uuid.uuid4().hex[:8]}", recipe)
        self._admission = Admission(most=recipe.curate.threads_in_flight)
        self._starting = asyncio.Lock()
        self._services: Services | None = None

    async def __call__(self, batch: pa.Table) -> AsyncGenerator[pa.Table, None]:
        services = await self._ready()
        found = await asyncio.gather(*(self._row(thread, services) for thread in from_table(Thread, batch)))
        yield to_table(Problem, [problem for problems in found for problem in problems])

    async def _row(self, thread: Thread, services: Services) -> list[Problem]:
        owner = scoped(thread.id, "thread")

        async def program(recorded: Recorded) -> list[Problem | Reject]:
            return await curate(thread, Effects(owner, self._resources, recorded), self._recipe.curate)

        async with self._admission.program():
            attempt = await services.begin(owner)
            if attempt is None:
                return []
            try:
                most = self._recipe.programs.max_attempts
                ended = await attempted(thread, attempt, program, stage=STAGE, max_attempts=most)
            except Unavailable as error:
                log.warning("%s is left unfinished: %s", thread.id, error)
                return []
        return await self._end(thread, [ended] if isinstance(ended, Reject) else ended)

    async def _end(self, thread: Thread, rows: list[Problem | Reject]) -> list[Problem]:
        """Put a thread's ending into storage; the problems that go on."""
        problems = [row for row in rows if isinstance(row, Problem)]
        rejects = [row for row in rows if isinstance(row, Reject)]
        receipts = [await self._journal.put(reject) for reject in rejects]
        if not any(reject.kind == "thread" for reject in rejects):
            ending = Curated(thread_id=thread.id, source=thread.source, problems=problems, n_found=len(rows))
            receipts.append(await self._journal.put(ending))
        await self._journal.durable(*receipts)
        return problems

    async def _ready(self) -> Services:
        """Connect once; threads that come meanwhile wait."""
        async with self._starting:
            if self._services is None:
                services = await self._connect()
                self._resources = Resources(
                    self._recipe, services.models, None, no_checker, self._journal, services.metrics
                )
                self._watch = asyncio.create_task(self._admission.watch(services.models["curator"].engine))
                self._services = services
            return self._services
