"""The worker: many rows of one program at once, each over the effects of its own row, each ending in the journal."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from dataclasses import asdict
from typing import Any, Generic, TypeVar

import pyarrow as pa

from factory.arrow import from_table, to_table
from factory.errors import FactoryError, Unavailable
from factory.programs.effects import JournaledWork
from factory.programs.program import Outcome, Program
from factory.recipe import RunRecipe
from factory.records import CuratedThread, Problem, Reject, Thread
from factory.stages.attempts import run_attempt
from factory.stages.host import Host
from factory.stages.services import Connect, Services
from factory.store.ids import owner_key
from factory.store.run import Run

log = logging.getLogger(__name__)

Row = TypeVar("Row")

SUMMARY = pa.schema([("id", pa.string()), ("outcome", pa.string()), ("worker", pa.string()), ("idle", pa.string())])
"""`idle` is what the worker has seen of the pool so far: `admission.Idle` as JSON."""
UNFINISHED, FINISHED_BEFORE = "unfinished", "finished before"


class Worker(Generic[Row]):
    """Rows of `program.reads` in; the rows that it passes on out, or a summary (id, outcome) where it passes none on.

    A row comes out once its ending is in storage. One that was finished before is not touched again. A program that
    raises makes a reject; an engine or sandbox that stays away leaves its row unfinished, for the next pass or the next
    start of the job. `connect` is awaited in the worker's own event loop, at the first batch.
    """

    def __init__(self, run: Run, recipe: RunRecipe, connect: Connect, program: Program[Row], in_flight: int) -> None:
        self._recipe, self._program = recipe, program
        self._host = Host(run, recipe, connect, stage=program.name, role=program.role(recipe), in_flight=in_flight)

    async def __call__(self, batch: pa.Table) -> AsyncGenerator[pa.Table, None]:
        rows = from_table(self._program.reads, batch)
        services = await self._host.ready()
        try:
            ended = await asyncio.gather(*(self._row(row, services) for row in rows))
        except FactoryError:
            await services.make_way(self._host.journal)
            raise
        if self._program.passes_on is not None:
            outcomes = (outcome for outcome in ended if isinstance(outcome, Outcome))
            yield to_table(self._program.passes_on, [row for outcome in outcomes for row in outcome.passed_on])
            return
        idle = json.dumps(asdict(self._host.admission.idle))
        summaries = [
            {"id": self._program.about(row).id, "outcome": _word(outcome), "worker": self._host.name, "idle": idle}
            for row, outcome in zip(rows, ended, strict=True)
        ]
        yield pa.Table.from_pylist(summaries, schema=SUMMARY)

    async def _row(self, row: Row, services: Services) -> Outcome | str:
        """How a row ended, with its ending in storage; `UNFINISHED` or `FINISHED_BEFORE` where it did not end now."""
        about, host = self._program.about(row), self._host
        owner = owner_of(about)

        async def program(recorded: JournaledWork) -> Outcome:
            return await self._program.run(row, host.effects(owner, recorded), self._recipe)

        async with host.admission.program():
            attempt = await services.begin(owner)
            if attempt is None:
                return FINISHED_BEFORE
            try:
                most = self._recipe.programs.max_attempts
                ended = await run_attempt(about, attempt, program, stage=self._program.name, max_attempts=most)
            except Unavailable as error:
                log.warning("%s is left unfinished: %s", about.id, error)
                return UNFINISHED
        outcome = Outcome([ended]) if isinstance(ended, Reject) else ended
        # outside of admission: the next program need not wait for storage
        await host.journal.durable(*[await host.journal.put(journaled) for journaled in outcome.journal])
        return outcome


def worker_class(program: Program[Any]) -> type[Worker[Any]]:
    """The worker under the program's name, as Ray names operators and processes after classes."""
    return type("".join(word.capitalize() for word in program.name.split("_")), (Worker,), {})


def owner_of(about: Problem | Thread) -> str:
    """Under which name the journal knows a thread or problem."""
    return owner_key(about.id, "thread" if isinstance(about, Thread) else "problem")


def _word(outcome: Outcome | str) -> str:
    if isinstance(outcome, str):
        return outcome
    match outcome.journal[-1]:
        case Reject(reason=reason):
            return reason
        case CuratedThread():
            return "curated"
        case ending:
            return type(ending).__name__.lower()
