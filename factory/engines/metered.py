"""An engine whose traffic is recorded as metrics: tokens there and back, and streams that broke."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from factory.engines.protocol import Chunk, Engine, EngineLoad, EngineUnavailable, ModelIdentity, SamplingParams
from factory.metrics import FAILOVERS, TOKENS_GENERATED, TOKENS_PROMPT, TOKENS_REGENERATED, Sink


class MeteredEngine:
    """Another engine, as one role uses it for one mode. Inside `Failover`, it sees every try."""

    def __init__(self, engine: Engine, sink: Sink, *, role: str, mode: str, tool: str) -> None:
        self._engine, self._sink = engine, sink
        self._role, self._mode, self._tool = role, mode, tool

    async def identity(self) -> ModelIdentity:
        return await self._engine.identity()

    async def generate(
        self, prompt_token_ids: list[int], sampling: SamplingParams, *, affinity: str = ""
    ) -> AsyncGenerator[Chunk, None]:
        tags = {"role": self._role, "mode": self._mode, "tool": self._tool}
        self._sink.record(TOKENS_PROMPT, len(prompt_token_ids), **tags)
        try:
            async with aclosing(self._engine.generate(prompt_token_ids, sampling, affinity=affinity)) as chunks:
                async for chunk in chunks:
                    self._sink.record(TOKENS_GENERATED, len(chunk.token_ids), **tags)
                    yield chunk
        except EngineUnavailable as error:
            self._sink.record(FAILOVERS, 1, role=self._role)
            self._sink.record(TOKENS_REGENERATED, error.lost_tokens, role=self._role)
            raise

    async def load(self) -> EngineLoad:
        return await self._engine.load()

    async def close(self) -> None:
        await self._engine.close()
