"""A request survives the death of the replica that serves it, token for token."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from factory.engines.failover import Failover
from factory.engines.protocol import Chunk, EngineError, EngineUnavailable, SamplingParams
from factory.engines.scripted import ScriptedEngine
from tests.engines.helpers import collect


def count_up(prompt, sampling):
    return list(range(100, 200))


def failover(engine, **options):
    return Failover(engine, first_pause_s=0.0, **options)


@pytest.mark.parametrize("deaths", [[0], [40], [16, 32], [0, 1, 50], [5] * 12])
async def test_an_interrupted_request_says_what_an_undisturbed_one_says(deaths):
    engine = ScriptedEngine(count_up, deaths=deaths, chunk_tokens=7)
    guarded = failover(engine)
    assert await collect(guarded, [1, 2], SamplingParams(max_tokens=100)) == (list(range(100, 200)), "stop")
    assert guarded.failovers == len(deaths)


async def test_a_continuation_asks_for_the_rest_of_the_budget_with_other_dice():
    engine = ScriptedEngine(count_up, deaths=[30])
    await collect(failover(engine), [1, 2], SamplingParams(max_tokens=50, seed=5, stop_token_ids=[9]), affinity="t")
    first, second = engine.requests
    assert second.prompt_token_ids == [1, 2, *range(100, 130)]
    assert (second.sampling.max_tokens, second.sampling.stop_token_ids, second.affinity) == (20, [9], "t")
    assert first.sampling.seed == 5
    assert second.sampling.seed not in (None, 5)


async def test_tries_without_progress_are_bounded():
    engine = ScriptedEngine(count_up, deaths=[10] + [0] * 9)
    said: list[int] = []
    with pytest.raises(EngineUnavailable):
        await collect(failover(engine, tries=3), [1], SamplingParams(max_tokens=100), into=said)
    assert len(engine.requests) == 4
    assert said == list(range(100, 110))


async def test_a_request_that_can_never_succeed_is_not_tried_again():
    engine = ScriptedEngine(count_up, max_model_len=4)
    with pytest.raises(EngineError):
        await collect(failover(engine), [1] * 4, SamplingParams(max_tokens=5))
    assert len(engine.requests) == 1


class Broken:
    """Yields what it is given, one list of chunks per request, then breaks."""

    def __init__(self, *streams, lost_tokens=0):
        self.streams, self.lost_tokens, self.n_requests = list(streams), lost_tokens, 0

    async def generate(self, prompt_token_ids, sampling, *, affinity=""):
        self.n_requests += 1
        for chunk in self.streams.pop(0):
            yield chunk
        if self.streams:
            raise EngineUnavailable("gone", lost_tokens=self.lost_tokens)


@pytest.mark.parametrize(("last", "reason"), [(9, "stop"), (8, "length")])
async def test_a_death_after_the_last_token_asks_for_nothing_more(last, reason):
    engine = Broken([Chunk([7, last])], [])
    result = await collect(failover(engine), [1], SamplingParams(max_tokens=2, stop_token_ids=[9]))
    assert result == ([7, last], reason)
    assert engine.n_requests == 1


async def test_an_aborted_or_cut_stream_counts_as_a_death():
    engine = Broken([Chunk([1]), Chunk([2], "abort")], [Chunk([3])], [Chunk([4], "stop")], [])
    engine.streams.pop()
    assert await collect(failover(engine), [0], SamplingParams(max_tokens=9)) == ([1, 3, 4], "stop")


async def test_lost_tokens_are_counted_and_announced():
    heard = []
    engine = Broken([Chunk([1])], [Chunk([2])], [Chunk([3], "stop")], lost_tokens=5)
    guarded = failover(engine, on_failover=heard.append)
    await collect(guarded, [0], SamplingParams(max_tokens=9))
    assert (guarded.regenerated_tokens, guarded.failovers, len(heard)) == (10, 2, 2)


async def test_closing_early_closes_the_inner_request():
    engine = ScriptedEngine(count_up)
    async with aclosing(failover(engine).generate([1], SamplingParams(max_tokens=100))) as chunks:
        await anext(chunks)
    assert engine.n_aborted == 1


async def test_pauses_grow_and_differ(monkeypatch):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    engine = Broken(*[[] for _ in range(8)])
    with pytest.raises(EngineUnavailable):
        await collect(Failover(engine, tries=6, first_pause_s=1.0, max_pause_s=8.0), [1], SamplingParams(max_tokens=9))
    for pause, longest in zip(pauses, [1, 2, 4, 8, 8, 8], strict=True):
        assert longest / 2 <= pause <= longest
