"""An engine that hangs is told from one that has nothing to say, and from one whose queue is long."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from factory.engines.protocol import Chunk, EngineUnavailable, SamplingParams
from factory.engines.scripted import ScriptedEngine
from factory.engines.silence import Silence, unless_silent, with_signs_of_life

PARAMS = SamplingParams(max_tokens=10)
PROMISE = Chunk([], waiting=True)


def engine(**options):
    return ScriptedEngine(lambda prompt, sampling: list(range(6)), chunk_tokens=2, **options)


def test_silence_is_time_with_requests_and_without_a_token():
    now = [0.0]
    silence = Silence(clock=lambda: now[0])
    now[0] = 100.0
    assert silence.seconds == 0, "nobody asked"
    with silence.request():
        now[0] += 5
        with silence.request():
            assert silence.seconds == 5, "a second request does not hide what the first one waits for"
            silence.heard()
            now[0] += 1
        assert silence.seconds == 1
    assert silence.seconds == 0
    now[0] += 50
    with silence.request():
        assert silence.seconds == 0


async def test_a_stream_without_tokens_shows_signs_of_life():
    async with aclosing(with_signs_of_life(engine(delay_s=0.05).generate([1], PARAMS), every_s=0.02)) as chunks:
        heard = [chunk async for chunk in chunks]
    assert [token for chunk in heard for token in chunk.token_ids] == list(range(6))
    assert heard[0] == PROMISE
    assert PROMISE in heard[1:3]
    assert Chunk([]) in heard[3:], "after its first token a request waits for nothing"
    assert heard[-1].finish_reason == "stop"


async def test_closing_the_signs_of_life_closes_the_stream():
    silent = engine(silences=[2])
    stream = silent.generate([1], PARAMS)
    async with aclosing(stream), aclosing(with_signs_of_life(stream, every_s=0.01)) as chunks:
        async for chunk in chunks:
            if chunk == Chunk([]):
                break
    assert (silent.n_aborted, (await silent.load()).running) == (1, 0)


async def test_signs_of_life_keep_a_stream_up_and_their_absence_ends_it():
    slow = with_signs_of_life(engine(delay_s=0.1).generate([1], PARAMS), every_s=0.01)
    assert [c async for c in unless_silent(slow, 0.05)][-1].finish_reason == "stop"
    falls_silent = unless_silent(engine(silences=[3]).generate([1], PARAMS), 0.05)
    assert [(await anext(falls_silent)).token_ids for _ in range(3)] == [[], [0, 1], [2]]
    with pytest.raises(EngineUnavailable, match=r"silent for 0\.05 s"):
        await anext(falls_silent)


async def test_an_error_of_the_engine_stays_what_it_is():
    async def broken():
        yield Chunk([1])
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        _ = [chunk async for chunk in unless_silent(broken(), 5.0)]
    with pytest.raises(TimeoutError, match="of its own"):
        _ = [chunk async for chunk in with_signs_of_life(broken())]


async def test_the_first_chunk_may_take_any_time_and_is_marked():
    stream = unless_silent(engine(delay_s=0.1).generate([1], PARAMS), 10.0)
    assert [await anext(stream), await anext(stream)] == [PROMISE, Chunk([0, 1])]
    queued = unless_silent(engine(delay_s=0.2).generate([1], PARAMS), 0.01)
    async with asyncio.timeout(60):
        assert await anext(queued) == PROMISE
    await stream.aclose()
    await queued.aclose()
