"""Goes on at another replica when one dies: prompt + tokens so far, with what is left of the budget.

What is lost is one prefill and at most one chunk, for a rollout's turn as for a judge's verdict.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from factory.engines.protocol import Chunk, Engine, EngineLoad, EngineUnavailable, ModelIdentity, SamplingParams
from factory.engines.silence import SILENCE_S, unless_silent


class Failover:
    """An `Engine` around another whose requests survive `EngineUnavailable`.

    A request is re-issued up to `tries` times in a row without a new token (every token starts the count again), after
    a pause that doubles from `first_pause_s` to `longest_pause_s` and is drawn between half of it and all of it, so
    that the orphans of one replica do not arrive at the next all at once. Then `EngineUnavailable` is raised. A stream
    that has begun and then says nothing for `silence_s` counts as broken.

    `regenerated_tokens` counts tokens that were generated twice, as far as the engine can tell, and `failovers` the
    requests that were re-issued, over the life of this object.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        tries: int = 8,
        first_pause_s: float = 0.5,
        max_pause_s: float = 30.0,
        silence_s: float = SILENCE_S,
        on_failover: Callable[[EngineUnavailable], None] | None = None,
    ) -> None:
        self.regenerated_tokens = 0
        self.failovers = 0
        self._engine, self._tries = engine, tries
        self._first_pause_s, self._longest_pause_s, self._silence_s = first_pause_s, max_pause_s, silence_s
        self._on_failover = on_failover

    async def identity(self) -> ModelIdentity:
        return await self._engine.identity()

    async def generate(
        self, prompt_token_ids: list[int], sampling: SamplingParams, *, affinity: str = ""
    ) -> AsyncGenerator[Chunk, None]:
        said: list[int] = []
        failures = 0
        while True:
            n_before = len(said)
            request = (prompt_token_ids + said, _rest(sampling, len(said)))
            try:
                async with (
                    aclosing(self._engine.generate(*request, affinity=affinity)) as stream,
                    aclosing(unless_silent(stream, self._silence_s)) as chunks,
                ):
                    async for chunk in chunks:
                        if chunk.finish_reason == "abort":
                            raise EngineUnavailable("the engine aborted the request")
                        said += chunk.token_ids
                        yield chunk
                        if chunk.finish_reason is not None:
                            return
                raise EngineUnavailable("the stream ended without a finish reason")
            except EngineUnavailable as error:
                self.regenerated_tokens += error.lost_tokens
                failures = 1 if len(said) > n_before else failures + 1
                if said and said[-1] in sampling.stop_token_ids:  # it died between the last token and saying so
                    yield Chunk([], "stop")
                    return
                if len(said) == sampling.max_tokens:
                    yield Chunk([], "length")
                    return
                if failures > self._tries:
                    raise
                self.failovers += 1
                if self._on_failover is not None:
                    self._on_failover(error)
            await asyncio.sleep(self._pause(failures))

    async def load(self) -> EngineLoad:
        return await self._engine.load()

    async def close(self) -> None:
        await self._engine.close()

    def _pause(self, failures: int) -> float:
        longest = min(self._first_pause_s * 2 ** (failures - 1), self._longest_pause_s)
        return random.uniform(longest / 2, longest)


def _rest(sampling: SamplingParams, n_said: int) -> SamplingParams:
    """What is left to draw. The seed moves with the position, or the continuation would throw the same dice again."""
    if n_said == 0:
        return sampling
    seed = None if sampling.seed is None else (sampling.seed + 1_000_003 * n_said) % 2**31
    return replace(sampling, max_tokens=sampling.max_tokens - n_said, seed=seed)
