"""Keeps an engine's KV cache out of preemption: a request waits here while the sequences under way hold most of it.

vLLM takes a waiting request in as soon as its prompt fits. Sequences then grow by thousands of tokens, the cache is full,
and the engine evicts one, to compute it again from its first token later: with long traces more than half of all work
can go into that (vllm#54644 reports 79 %). A request that waits costs nothing, and the share of the cache that is left
free keeps the prefixes of traces whose tools are running.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ADMIT_BELOW = 0.8
"""Share of the cache that sequences under way may hold when another request is let in; the rest is room to grow. From 0.7
to 0.9 the bench finds the same rate; at 1, vLLM's own rule, preemption begins (`tests/bench/engine_pools.py --memory`)."""


class MemoryGate:
    """First come, first served. `capacity_tokens` is what the cache holds; a gate of None is always open.

    `observe` takes the engine's word after each of its steps. What was let in since then counts by its prompt.
    """

    def __init__(self, capacity_tokens: int | None, admit_below: float = ADMIT_BELOW) -> None:
        self.usage = 0.0
        self._capacity_tokens, self._admit_below = capacity_tokens, admit_below
        self._let_in = 0  # tokens of prompts that no step of the engine has seen yet
        self._running = 0
        self._line: deque[tuple[asyncio.Future[None], int]] = deque()

    @property
    def waiting(self) -> int:
        """Requests that wait for memory."""
        return sum(not turn.done() for turn, _ in self._line)

    def observe(self, usage: float) -> None:
        """The share of the cache, 0 to 1, that the engine's sequences hold now."""
        self.usage, self._let_in = usage, 0
        self._open()

    @asynccontextmanager
    async def request(self, n_prompt_tokens: int) -> AsyncIterator[None]:
        """Serve a request inside: waits until the cache has room for it. An engine without requests always has."""
        await self._wait(n_prompt_tokens)
        try:
            yield
        finally:
            self._leave()

    async def _wait(self, n_tokens: int) -> None:
        if not self._line and self._has_room(n_tokens):
            self._enter(n_tokens)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append((turn, n_tokens))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # let in and cancelled at once
                self._leave()
            raise

    def _has_room(self, n_tokens: int) -> bool:
        if self._capacity_tokens is None or not self._running:
            return True
        return self.usage + (self._let_in + n_tokens) / self._capacity_tokens < self._admit_below

    def _enter(self, n_tokens: int) -> None:
        self._running += 1
        self._let_in += n_tokens

    def _leave(self) -> None:
        self._running -= 1
        if not self._running:  # no step follows whose report would say so
            self.usage, self._let_in = 0.0, 0
        self._open()

    def _open(self) -> None:
        while self._line and self._has_room(self._line[0][1]):
            turn, n_tokens = self._line.popleft()
            if not turn.done():
                self._enter(n_tokens)
                turn.set_result(None)
