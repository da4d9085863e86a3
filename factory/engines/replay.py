"""Regenerate a stored trace and compare it token by token.

Each stretch that the model wrote is asked for again after exactly the tokens that stood before it, tool output
included; so no Python runs, and a difference in one stretch does not spread to the next. At temperature 0 an equal
model on an equal engine gives equal tokens (float32; in bfloat16 the size of a batch can tip a near tie).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass

from factory.engines.protocol import Engine, SamplingParams
from factory.records import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTrace:
    """The part of a stored trace that a replay needs, from a journal, a published shard or JSON lines."""

    uid: str
    token_ids: list[int]
    mask: list[int]
    temperature: float
    model: str
    model_revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of it. `first_difference` is an index into the trace's tokens, None if all are equal."""

    uid: str
    identical: bool
    n_generated_tokens: int
    n_equal_tokens: int
    first_difference: int | None
    same_model: bool
    recorded_temperature: float
    engine: str


async def replay(trace: StoredTrace, engine: Engine) -> Replay:
    """Regenerate every stretch of `trace` at temperature 0, all at once."""
    identity = await engine.identity()
    stretches = list(_stretches(trace.mask))
    again = await asyncio.gather(*(_say(engine, trace.token_ids[:start], end - start) for start, end in stretches))
    differences = [
        start + _common(trace.token_ids[start:end], tokens)
        for (start, end), tokens in zip(stretches, again, strict=True)
        if tokens != trace.token_ids[start:end]
    ]
    equal = sum(
        old == new
        for (start, end), tokens in zip(stretches, again, strict=True)
        for old, new in zip(trace.token_ids[start:end], tokens, strict=False)
    )
    return Replay(
        uid=trace.uid,
        identical=not differences,
        n_generated_tokens=sum(end - start for start, end in stretches),
        n_equal_tokens=equal,
        first_difference=min(differences, default=None),
        same_model=identity.revision == trace.model_revision,
        recorded_temperature=trace.temperature,
        engine=identity.engine,
    )


def _stretches(mask: list[int]) -> Iterator[tuple[int, int]]:
    """Start and end of each run of generated tokens."""
    position = 0
    for origin, group in itertools.groupby(mask):
        end = position + len(list(group))
        if origin == Origin.GENERATED:
            yield position, end
        position = end


async def _say(engine: Engine, prompt: list[int], n_tokens: int) -> list[int]:
    sampling = SamplingParams(max_tokens=n_tokens, temperature=0.0)
    async with aclosing(engine.generate(prompt, sampling)) as chunks:
        return [token async for chunk in chunks for token in chunk.token_ids]


def _common(old: list[int], new: list[int]) -> int:
    """Length of the common beginning."""
    return next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
