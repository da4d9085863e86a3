"""What a client makes of a replica's failures, without a cluster."""

from __future__ import annotations

import pytest
from ray.exceptions import ActorUnavailableError, RayTaskError

from factory import recipe
from factory.engines.failover import Failover
from factory.engines.protocol import Chunk, EngineError, EngineLoad, EngineUnavailable, SamplingParams
from factory.engines.serve_pool import ChunkReport, ServePool
from tests.engines.helpers import collect

BUG = RayTaskError("generate", "Traceback (most recent call last):\nKeyError: 'no such block'", KeyError("x"))
LOAD = EngineLoad(running=1, waiting=0, capacity=8)


class Stream:
    """What Ray Serve gives for one request: items, then perhaps an error."""

    def __init__(self, items: list, error: Exception | None) -> None:
        self._items, self._error = items, error

    async def __aiter__(self):
        for item in self._items:
            yield item
        if self._error:
            raise self._error

    def cancel(self) -> None:
        pass


class Handle:
    """A deployment whose replicas answer one request after the other."""

    def __init__(self, *streams: Stream) -> None:
        self._streams, self.prompts = list(streams), []

    def options(self, **_: object) -> Handle:
        return self

    def remote(self, prompt: list[int], _: SamplingParams) -> Stream:
        self.prompts.append(prompt)
        return self._streams.pop(0)


def said(*token_ids: int, finish_reason: str | None = None) -> ChunkReport:
    return ChunkReport(Chunk(list(token_ids), finish_reason), "replica", LOAD)


def pool(handle: Handle) -> ServePool:
    return ServePool(handle, "pool", "run", recipe.VllmSettings(chunk_tokens=16))


@pytest.mark.parametrize("error", [BUG, ActorUnavailableError("gone", b"0" * 16)], ids=["raised", "gone"])
async def test_a_replica_that_fails_costs_a_chunk_and_no_sample(error):
    handle = Handle(Stream([said(7, 8)], error), Stream([said(9, finish_reason="stop")], None))
    guarded = Failover(pool(handle), first_pause_s=0.0)
    assert await collect(guarded, [1, 2], SamplingParams(max_tokens=10)) == ([7, 8, 9], "stop")
    assert handle.prompts == [[1, 2], [1, 2, 7, 8]]
    assert guarded.regenerated_tokens == 16


async def test_where_all_replicas_fail_alike_nothing_is_decided():
    guarded = Failover(pool(Handle(*[Stream([], BUG)] * 3)), first_pause_s=0.0, tries=2)
    with pytest.raises(EngineUnavailable, match="the replica failed: KeyError: 'no such block'"):
        await collect(guarded, [1], SamplingParams(max_tokens=10))


async def test_a_refusal_of_the_engine_is_none_of_the_replica():
    handle = Handle(Stream([EngineError("the prompt has 9 tokens, the context window 8")], None))
    with pytest.raises(EngineError, match="9 tokens"):
        await collect(Failover(pool(handle), first_pause_s=0.0), [1] * 9, SamplingParams(max_tokens=10))
