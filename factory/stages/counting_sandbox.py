"""A sandbox that knows how many cells are under way, so that idle engine time can be told from time lost to tools.

It also records what each cell took."""

from __future__ import annotations

import time
from dataclasses import dataclass

from factory.metrics import CELL_SECONDS, SILENT, Sink
from factory.records import ToolCall
from factory.sandbox.protocol import Sandbox, Session


class CountingSandbox:
    """Another sandbox, and the number of its cells that run or wait to run."""

    def __init__(self, sandbox: Sandbox, sink: Sink = SILENT) -> None:
        self.cells_under_way = 0
        self.sink = sink
        self._sandbox = sandbox

    async def open(self, *, seed: int = 0, trace: str = "") -> Session:
        return _CountingSession(self, await self._sandbox.open(seed=seed, trace=trace))

    async def close(self) -> None:
        await self._sandbox.close()


@dataclass(frozen=True, slots=True)
class _CountingSession:
    counted: CountingSandbox
    session: Session

    async def run(self, code: str, timeout_s: float | None = None) -> ToolCall:
        self.counted.cells_under_way += 1
        started, status = time.monotonic(), "lost"
        try:
            call = await self.session.run(code, timeout_s)
            status = call.status
            return call
        finally:
            self.counted.cells_under_way -= 1
            self.counted.sink.record(CELL_SECONDS, time.monotonic() - started, status=status)

    async def close(self) -> None:
        await self.session.close()
