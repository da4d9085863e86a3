"""What a worker reaches over the network, and how it gets there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from factory.engines.connect import Model
from factory.metrics import SILENT, Sink
from factory.programs.effects import JournaledWork
from factory.recipe import Role
from factory.sandbox.protocol import Sandbox
from factory.stages.ledger import Attempt
from factory.store.journal import JournalWriter


@dataclass(frozen=True, slots=True)
class Services:
    """Models by role, Python sessions, what the ledger knows of a row, and where measurements go."""

    models: Mapping[Role, Model]
    sandbox: Sandbox | None
    begin: Callable[[str], Awaitable[Attempt | None]]
    recorded: Callable[[str], Awaitable[JournaledWork]]
    metrics: Sink = SILENT
    leave: Callable[[], Awaitable[None]] | None = None
    """Ends this worker for one elsewhere, if there is any that can write; returns if there is none."""

    async def make_way(self, journal: JournalWriter) -> None:
        """Call when an error was caught: a worker with a broken journal leaves if another machine can write."""
        if journal.failed and self.leave is not None:
            await self.leave()


Connect = Callable[[], Awaitable[Services]]
"""Awaited in the worker's own event loop, when the worker first needs its services."""
