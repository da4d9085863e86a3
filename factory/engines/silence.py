"""Silence is death: telling an engine that hangs from one that has nothing to say.

An engine core that hangs, or a process that was stopped, answers no request, raises no error and may well pass its
health checks. So both sides watch the clock. A replica counts the time in which it had requests and no token came
(`Silence`), and sends a sign of life with every stream that has no tokens to show (`with_signs_of_life`). A client
takes a stream without either for broken (`unless_silent`), and continues elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager

from factory.engines.protocol import Chunk, EngineUnavailable

SILENCE_S = 300.0
"""Longer than any step that vLLM makes: its own limit for a worker of a tensor-parallel engine is the same."""
SIGN_OF_LIFE_S = 10.0


class Silence:
    """How long an engine has had requests without a token for any of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._heard = clock, clock()
        self._under_way = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """The life of one request."""
        if not self._under_way:
            self.heard()
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def heard(self) -> None:
        """A token has come."""
        self._heard = self._clock()

    @property
    def seconds(self) -> float:
        return self._clock() - self._heard if self._under_way else 0.0


async def with_signs_of_life(
    chunks: AsyncGenerator[Chunk, None], every_s: float = SIGN_OF_LIFE_S
) -> AsyncGenerator[Chunk, None]:
    """`chunks`, with an empty one in front (the request has arrived) and whenever none came for `every_s`."""
    waiting = True
    yield Chunk([], waiting=waiting)
    coming: asyncio.Future[Chunk | None] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(chunks, None))
            while not (await asyncio.wait({coming}, timeout=every_s))[0]:
                yield Chunk([], waiting=waiting)
            if (chunk := coming.result()) is None:
                return
            waiting = False
            yield chunk
    finally:
        if coming is not None and not coming.done():
            coming.cancel()
            await asyncio.wait({coming})  # `chunks` can only be closed once nobody waits for its next item


async def unless_silent(chunks: AsyncGenerator[Chunk, None], limit_s: float) -> AsyncGenerator[Chunk, None]:
    """`chunks`, or `EngineUnavailable` where the next one stays away for `limit_s`.

    The first one may take any time: until then a request may be queued, or wait for a replica to come. So it is
    preceded by an empty one that says `waiting`.
    """
    limit: float | None = None
    while True:
        try:
            async with asyncio.timeout(limit) as timer:
                chunk = await anext(chunks, None)
        except TimeoutError:
            if not timer.expired():
                raise
            raise EngineUnavailable(f"the engine has been silent for {limit_s:g} s") from None
        if chunk is None:
            return
        if limit is None and not chunk.waiting:
            yield Chunk([], waiting=True)
        limit = limit_s
        yield chunk
