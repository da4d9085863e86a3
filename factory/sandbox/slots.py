"""How many cells run at once, who waits for a core, and for how long: what an actor's load is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SandboxLoad:
    """One sandbox's load now: sessions open, cells running and waiting, and the longest present wait in seconds."""

    sessions: int
    running: int
    waiting: int
    waited_s: float


class CellSlots:
    """At most `count` holders at a time, first come, first served."""

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._waiting: dict[object, float] = {}
        self._running = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold a slot for the length of a block."""
        ticket = object()
        self._waiting[ticket] = time.monotonic()
        try:
            await self._free.acquire()
        finally:
            del self._waiting[ticket]
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._free.release()

    def load(self, sessions: int) -> SandboxLoad:
        """The load now, with the number of sessions that its owner counts."""
        now = time.monotonic()
        waited = max((now - since for since in self._waiting.values()), default=0.0)
        return SandboxLoad(sessions, self._running, len(self._waiting), waited)
