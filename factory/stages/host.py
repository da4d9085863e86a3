"""What the programs of one worker share: a journal, admission, and the services that they reach over the network."""

from __future__ import annotations

import asyncio
import uuid

from factory.engines.admission import Admission
from factory.programs.effects import Effects, JournaledWork, Resources
from factory.recipe import Role, RunRecipe
from factory.stages.counting_sandbox import CountingSandbox
from factory.stages.services import Connect, Services
from factory.stages.vitals import Vitals
from factory.store.run import Run
from factory.verify import Checker


class Host:
    """One worker's frame, whatever its programs do. Made anywhere; `ready` is awaited in the worker's own event loop.

    From then on it watches the engines of `role`, to let rows in as fast as they are served, and records the worker's
    vital signs. Without a role up to `in_flight` rows are let in at once.
    """

    def __init__(
        self, run: Run, recipe: RunRecipe, connect: Connect, *, stage: str, role: Role | None, in_flight: int
    ) -> None:
        self.name = f"{stage.replace('_', '-')}-{uuid.uuid4().hex[:8]}"
        self.journal = run.writer(self.name, recipe.journal)
        self.admission = Admission(most=in_flight) if role else Admission(most=in_flight, first=in_flight)
        self._recipe, self._connect, self._stage, self._role = recipe, connect, stage, role
        self._connecting = asyncio.Lock()
        self._services: Services | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def ready(self) -> Services:
        """Connect once; rows that come meanwhile wait."""
        async with self._connecting:
            if self._services is None:
                services = await self._connect()
                self._start(services)
                self._services = services
            return self._services

    def effects(self, owner: str, recorded: JournaledWork) -> Effects:
        """The context of one row's program; the worker must be `ready`."""
        return Effects(owner, self._resources, recorded)

    def _start(self, services: Services) -> None:
        verify, sink = self._recipe.verify, services.metrics
        checker = Checker(
            workers=verify.workers, timeout_s=verify.timeout_s, memory_mb=verify.memory_mb, policy=verify.policy
        )
        sandbox = CountingSandbox(services.sandbox, sink) if services.sandbox else None
        turn_tokens = self._recipe.journal.turn_tokens
        self._resources = Resources(services.models, sandbox, checker.equal, self.journal, turn_tokens, sink)
        vitals = Vitals(
            sink,
            stage=self._stage,
            role=self._role,
            admission=self.admission,
            sandbox=sandbox,
            journal=self.journal,
            checker=checker,
        )
        self._tasks.append(asyncio.create_task(vitals.watch()))
        if self._role:
            engine = services.models[self._role].engine
            watch = self.admission.watch(engine, in_tools=lambda: sandbox.cells_under_way if sandbox else 0)
            self._tasks.append(asyncio.create_task(watch))
