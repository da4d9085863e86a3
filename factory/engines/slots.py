"""The places of an engine that takes only so many requests at once: the others wait, and both are counted."""

from __future__ import annotations

import asyncio

from factory.engines.protocol import EngineLoad


class EngineSlots:
    """An async context manager around each request, which waits for its turn; first come, first served."""

    def __init__(self, capacity: int) -> None:
        self._capacity, self._free = capacity, asyncio.Semaphore(capacity)
        self._running = self._waiting = 0

    def load(self) -> EngineLoad:
        return EngineLoad(running=self._running, waiting=self._waiting, capacity=self._capacity)

    async def __aenter__(self) -> None:
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        self._running += 1

    async def __aexit__(self, *error: object) -> None:
        self._running -= 1
        self._free.release()
