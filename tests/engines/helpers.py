"""What several tests of the engines need."""

from __future__ import annotations

from contextlib import aclosing

from factory.engines.protocol import Engine, SamplingParams


async def collect(
    engine: Engine, prompt: list[int], sampling: SamplingParams, affinity: str = "", into: list[int] | None = None
):
    """All tokens of one request and its finish reason; `into` keeps the tokens where the stream breaks."""
    tokens: list[int] = [] if into is None else into
    reason = None
    async with aclosing(engine.generate(prompt, sampling, affinity=affinity)) as chunks:
        async for chunk in chunks:
            assert reason is None, "a chunk came after the one with the finish reason"
            tokens += chunk.token_ids
            reason = chunk.finish_reason
    return tokens, reason
