"""The scripted engine keeps the contract that programs are tested against."""

from __future__ import annotations

import asyncio

import pytest

from factory.engines.protocol import Chunk, EngineError, EngineUnavailable, SamplingParams
from factory.engines.scripted import ScriptedEngine, by_text
from tests.engines.helpers import collect


def count_up(prompt, sampling):
    return list(range(100, 200))


class Letters:
    """One token per character; <|end|> is a control token."""

    def __init__(self):
        self.control = {"<|end|>": 7}

    def encode(self, text):
        return [ord(c) for c in text]

    def decode(self, token_ids):
        return "".join("<|end|>" if i == 7 else chr(i) for i in token_ids)


async def test_chunks_come_in_order_and_only_the_last_has_a_reason():
    engine = ScriptedEngine(count_up, chunk_tokens=30)
    chunks = [c async for c in engine.generate([1], SamplingParams(max_tokens=500))]
    assert [len(c.token_ids) for c in chunks] == [30, 30, 30, 10]
    assert [c.finish_reason for c in chunks] == [None, None, None, "stop"]
    assert [token for c in chunks for token in c.token_ids] == list(range(100, 200))


@pytest.mark.parametrize(
    ("sampling", "expected", "reason"),
    [
        (SamplingParams(max_tokens=5), [100, 101, 102, 103, 104], "length"),
        (SamplingParams(max_tokens=50, stop_token_ids=[103]), [100, 101, 102, 103], "stop"),
        (SamplingParams(max_tokens=3, stop_token_ids=[103]), [100, 101, 102], "length"),
        (SamplingParams(max_tokens=100), list(range(100, 200)), "stop"),
    ],
)
async def test_budget_and_stop_tokens(sampling, expected, reason):
    assert await collect(ScriptedEngine(count_up), [1], sampling) == (expected, reason)


async def test_an_empty_answer_still_ends_with_a_reason():
    assert await collect(ScriptedEngine(lambda p, s: []), [1], SamplingParams(max_tokens=5)) == ([], "stop")


async def test_the_context_window_limits_prompt_and_answer():
    engine = ScriptedEngine(count_up, max_model_len=8)
    assert await collect(engine, [1] * 6, SamplingParams(max_tokens=50)) == ([100, 101], "length")
    with pytest.raises(EngineError, match="8 tokens, the context window 8"):
        await collect(engine, [1] * 8, SamplingParams(max_tokens=1))


@pytest.mark.parametrize("death", [0, 1, 16, 17, 99])
async def test_a_planned_death_breaks_the_stream_and_the_continuation_goes_on(death):
    engine = ScriptedEngine(count_up, deaths=[death], chunk_tokens=16)
    so_far: list[int] = []
    with pytest.raises(EngineUnavailable):
        await collect(engine, [1, 2], SamplingParams(max_tokens=100), into=so_far)
    assert so_far == list(range(100, 100 + death))
    rest, reason = await collect(engine, [1, 2, *so_far], SamplingParams(max_tokens=100 - death))
    assert (so_far + rest, reason) == (list(range(100, 200)), "stop")


async def test_requests_beyond_capacity_wait_and_load_says_so():
    engine = ScriptedEngine(count_up, capacity=2, delay_s=0.01)
    tasks = [asyncio.create_task(collect(engine, [i], SamplingParams(max_tokens=50))) for i in range(5)]
    await asyncio.sleep(0.005)
    load = await engine.load()
    assert (load.running, load.waiting, load.capacity) == (2, 3, 2)
    await asyncio.gather(*tasks)
    assert (await engine.load()).running == 0


async def test_closing_the_stream_early_frees_the_slot():
    engine = ScriptedEngine(count_up, capacity=1)
    stream = engine.generate([1], SamplingParams(max_tokens=100))
    assert isinstance(await anext(stream), Chunk)
    await stream.aclose()
    assert engine.n_aborted == 1
    assert (await collect(engine, [1], SamplingParams(max_tokens=1)))[1] == "length"


async def test_text_rules_deal_replies_by_seed():
    engine = ScriptedEngine(by_text(Letters(), [("two", ["2<|end|>", "two<|end|>"]), (".", "?")]))
    ask = Letters().encode("one and two")
    for seed, text in ((0, "2<|end|>"), (1, "two<|end|>"), (2, "2<|end|>")):
        tokens, _ = await collect(engine, ask, SamplingParams(max_tokens=9, seed=seed, stop_token_ids=[7]))
        assert Letters().decode(tokens) == text


async def test_a_prompt_without_a_rule_is_loud():
    engine = ScriptedEngine(by_text(Letters(), [("never", "x")]))
    with pytest.raises(LookupError, match="ends in 'hello'"):
        await collect(engine, Letters().encode("hello"), SamplingParams(max_tokens=9))
