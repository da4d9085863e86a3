"""Solve: many programs at once in one worker, each over the effects of its own row, each ending in the journal."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncGenerator
from dataclasses import asdict

import pyarrow as pa

from factory.arrow import from_table
from factory.engines.admission import Admission
from factory.errors import Unavailable
from factory.programs.effects import Effects, Recorded, Resources
from factory.programs.solve import STAGE, solve
from factory.recipe import Recipe
from factory.records import Problem, Reject, Verdict
from factory.stages.attempts import attempted
from factory.stages.counted import Counted
from factory.stages.ledger import Attempt
from factory.stages.services import Connect, Services
from factory.stages.vitals import Vitals
from factory.store.run import Run
from factory.verify import Checker

log = logging.getLogger(__name__)

SUMMARY = pa.schema([("id", pa.string()), ("outcome", pa.string()), ("worker", pa.string()), ("idle", pa.string())])
"""`idle` is what the worker has seen of the pool so far: `admission.Idle` as JSON."""
UNFINISHED = "unfinished"


class Solve:
    """`Problem` rows in; a summary row (id, outcome) out, once the row's verdict or reject is in storage.

    `connect` is awaited in the worker's own event loop, at the first batch. A program that raises makes a reject; an
    engine or sandbox that stays away leaves its row unfinished, for the next pass or the next start of the job.
    """

    def __init__(self, run: Run, recipe: Recipe, connect: Connect) -> None:
        self._run, self._recipe, self._connect = run, recipe, connect
        self._name = f"solve-{uuid.uuid4().hex[:8]}"
        self._admission = Admission(most=recipe.programs.problems_in_flight)
        self._starting = asyncio.Lock()
        self._services: Services | None = None

    async def __call__(self, batch: pa.Table) -> AsyncGenerator[pa.Table, None]:
        problems = from_table(Problem, batch)
        services = await self._ready()
        outcomes = await asyncio.gather(*(self._row(problem, services) for problem in problems))
        idle = json.dumps(asdict(self._admission.idle))
        rows = [
            {"id": p.id, "outcome": o, "worker": self._name, "idle": idle}
            for p, o in zip(problems, outcomes, strict=True)
        ]
        yield pa.Table.from_pylist(rows, schema=SUMMARY)

    async def _row(self, problem: Problem, services: Services) -> str:
        async with self._admission.program():
            attempt = await services.begin(problem.id)
            if attempt is None:
                return "finished before"
            try:
                outcome = await self._outcome(problem, attempt)
            except Unavailable as error:
                log.warning("%s is left unfinished: %s", problem.id, error)
                return UNFINISHED
        await self._journal.durable(await self._journal.put(outcome))  # the next program need not wait for storage
        return "verdict" if isinstance(outcome, Verdict) else outcome.reason

    async def _outcome(self, problem: Problem, attempt: Attempt) -> Verdict | Reject:
        async def program(recorded: Recorded) -> Verdict | Reject:
            return await solve(problem, Effects(problem.id, self._resources, recorded))

        most = self._recipe.programs.max_attempts
        return await attempted(problem, attempt, program, stage=STAGE, max_attempts=most)

    async def _ready(self) -> Services:
        """Connect once; rows that come meanwhile wait."""
        async with self._starting:
            if self._services is None:
                services = await self._connect()
                verify = self._recipe.verify
                checker = Checker(
                    workers=verify.workers,
                    timeout_s=verify.timeout_s,
                    memory_mb=verify.memory_mb,
                    policy=verify.policy,
                )
                self._journal = self._run.writer(self._name, self._recipe)
                sandbox = Counted(services.sandbox, services.metrics)
                self._resources = Resources(
                    self._recipe, services.models, sandbox, checker.equal, self._journal, services.metrics
                )
                teacher = services.models["teacher"].engine
                self._watch = asyncio.create_task(
                    self._admission.watch(teacher, in_tools=lambda: sandbox.cells_under_way)
                )
                vitals = Vitals(
                    services.metrics,
                    admission=self._admission,
                    sandbox=sandbox,
                    journal=self._journal,
                    checker=checker,
                )
                self._vitals = asyncio.create_task(vitals.watch())
                self._services = services
            return self._services
