"""Clients of a pool of replicas, and how to find and await its replicas."""

from __future__ import annotations

import asyncio
import time

from factory.engines.protocol import SamplingParams
from tests.engines.helpers import collect

GREEDY = SamplingParams(max_tokens=600, temperature=0.0)
PROMPTS = [[i, 100 + i, 7] for i in range(20)]


class Traffic:
    """Greedy requests, n at a time without a pause; each answer must be what is expected of it."""

    def __init__(self, engine, n, expected):
        self._engine, self._n, self._expected = engine, n, expected

    async def __aenter__(self):
        self._open = True
        self._clients = [asyncio.create_task(self._client(i)) for i in range(self._n)]
        await asyncio.sleep(0.3)  # so that requests are under way

    async def __aexit__(self, *error):
        self._open = False
        assert sum(await asyncio.gather(*self._clients)) >= self._n

    async def _client(self, i):
        n_done = 0
        while self._open:
            assert await collect(self._engine, PROMPTS[i], GREEDY, affinity=f"t{i}") == self._expected[i]
            n_done += 1
        return n_done


async def location(pool, affinity):
    return await pool._handle.options(method_name="location", session_id=affinity).remote()


async def until(measure, wanted, limit_s=900.0):
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        value = await measure()
        if wanted(value):
            return value
        await asyncio.sleep(0.5)
    raise AssertionError(f"waited {limit_s} s, the last value is {value}")
