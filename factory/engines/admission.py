"""Admission by load: how many programs may be under way so that the pool of engines is full and memory is bounded.

A program asks engines for tokens only part of its time; how large a part depends on its tools, its mode and the
model, so no constant fits. What can be measured is whether requests wait at the pool. `Admission` keeps a few of
them waiting: fewer, and it lets in more programs; many, and it lets in none until the queue is short again.

Each process that runs programs has an `Admission` of its own over the shared pool. They need no common state: all see
the same queue and scale their own number of programs by the same factor.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass

from factory.engines.protocol import Engine, EngineLoad, EngineUnavailable

MEMORY_FULL = 0.8
"""Share of the KV cache from which requests that wait are taken to wait for memory: engines keep a tenth of it free
(`vllm_engine.WATERMARK`), and a long prompt needs some room beside that."""


@dataclass(slots=True)
class Idle:
    """Where the pool's time went, in pool-seconds: one second of a pool that is 30 % idle adds 0.3 to one cause."""

    busy: float = 0.0
    loading: float = 0.0
    """No replica was up."""
    tools: float = 0.0
    """Traces were waiting for Python."""
    ramp: float = 0.0
    """More programs were being let in, or were between two requests."""
    limit: float = 0.0
    """As many programs as are allowed were under way, and more were waiting to be let in."""
    memory: float = 0.0
    """Requests waited although slots were free: sequences held the KV cache."""
    engine: float = 0.0
    """Requests waited although slots and memory were free: prefills had the turn."""
    tail: float = 0.0
    """Nothing was left to let in, the last programs ran."""
    no_work: float = 0.0
    """No program was there to run."""

    @property
    def total(self) -> float:
        return float(sum(astuple(self)))


class Admission:
    """Lets programs in while the pool wants more, at most `most` of them at once, starting with `first`.

    `target` is the number of programs wanted under way; it moves with each `observe`. `idle` accounts for the time
    between observations, `load` is the last one.
    """

    def __init__(self, *, most: int, first: int = 4, clock: Callable[[], float] = time.monotonic) -> None:
        self.target = min(first, most)
        self.in_flight = 0
        self.idle = Idle()
        self.load = EngineLoad(running=0, waiting=0, capacity=0)
        self._most, self._clock = most, clock
        self._gate: deque[asyncio.Future[None]] = deque()
        self._observed: float | None = None

    @asynccontextmanager
    async def program(self) -> AsyncIterator[None]:
        """Run a program inside: waits until there is room for it."""
        await self._wait_for_room()
        try:
            yield
        finally:
            self.in_flight -= 1
            self._open_gate()

    @property
    def queued(self) -> int:
        """Programs that are here and wait to be let in."""
        return sum(not entry.done() for entry in self._gate)

    def observe(self, load: EngineLoad, *, in_tools: int = 0) -> None:
        """Take a measurement of the pool; `in_tools` is the number of this process's traces that wait for a tool."""
        self.load = load
        self._account(load, in_tools)
        self.target = self._next_target(load)
        self._open_gate()

    async def watch(self, engine: Engine, *, in_tools: Callable[[], int] = lambda: 0, every_s: float = 2.0) -> None:
        """Observe an engine forever; run it as a task beside the programs."""
        while True:
            try:
                self.observe(await engine.load(), in_tools=in_tools())
            except EngineUnavailable:
                self.observe(EngineLoad(running=0, waiting=0, capacity=0), in_tools=in_tools())
            await asyncio.sleep(every_s)

    def _next_target(self, load: EngineLoad) -> int:
        """Proportional control of the queue into a band of 5 to 25 % of the pool's capacity.

        Growth is bounded by half per observation, since programs just let in have not asked for anything yet, and
        starts from what is really under way. Nothing grows while programs are missing or no engine is up.
        """
        low = max(1, math.ceil(0.05 * load.capacity))
        high = max(low + 1, math.ceil(0.25 * load.capacity))
        demand = load.running + load.waiting
        if load.capacity == 0 or self.in_flight == 0:
            return self.target
        if load.waiting > high:
            wanted = (load.running + (low + high) / 2) / demand
            return max(1, math.floor(self.in_flight * max(wanted, 0.5)))
        if load.waiting < low and self.in_flight >= self.target:
            wanted = (load.capacity + (low + high) / 2) / max(demand, 1)
            grown = math.ceil(self.in_flight * min(max(wanted, 1.0), 1.5))
            return min(self._most, grown)
        return self.target

    def _account(self, load: EngineLoad, in_tools: int) -> None:
        now = self._clock()
        seconds = 0.0 if self._observed is None else now - self._observed
        self._observed = now
        if load.capacity == 0:
            if self.in_flight or self.queued:
                self.idle.loading += seconds
            else:
                self.idle.no_work += seconds
            return
        busy = min(load.running / load.capacity, 1.0)
        free = load.capacity - min(load.running, load.capacity)
        self.idle.busy += busy * seconds
        lost = (1.0 - busy) * seconds
        if free <= 0:
            return
        stuck = min(load.waiting, free) / free
        calls = min(in_tools, free) / free * (1.0 - stuck)
        rest = (1.0 - stuck - calls) * lost
        if load.kv_usage >= MEMORY_FULL:
            self.idle.memory += stuck * lost
        else:
            self.idle.engine += stuck * lost
        self.idle.tools += calls * lost
        if self.queued and self.in_flight >= self._most:
            self.idle.limit += rest
        elif self.queued:
            self.idle.ramp += rest
        elif self.in_flight:
            self.idle.tail += rest
        else:
            self.idle.no_work += rest

    async def _wait_for_room(self) -> None:
        if not self._gate and self.in_flight < self.target:
            self.in_flight += 1
            return
        entry: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._gate.append(entry)
        try:
            await entry
        except asyncio.CancelledError:
            if entry.done() and not entry.cancelled():  # let in and cancelled at once: give the place back
                self.in_flight -= 1
                self._open_gate()
            raise

    def _open_gate(self) -> None:
        while self._gate and self.in_flight < self.target:
            entry = self._gate.popleft()
            if not entry.done():
                self.in_flight += 1
                entry.set_result(None)
