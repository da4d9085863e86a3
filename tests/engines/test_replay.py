"""A stored trace is regenerated, stretch by stretch."""

from __future__ import annotations

import pytest

from factory.engines.protocol import SamplingParams
from factory.engines.replay import StoredTrace, replay
from factory.engines.scripted import ScriptedEngine
from factory.records import Origin
from tests.engines.helpers import collect

P, G, T = Origin.PROMPT, Origin.GENERATED, Origin.TOOL


def successor(prompt, sampling):
    """A model that counts on from the last token."""
    return range(prompt[-1] + 1, 10_000)


def recorded(token_ids, mask, **values):
    defaults = {"uid": "u", "temperature": 0.0, "model": "scripted", "model_revision": "0"}
    return StoredTrace(token_ids=token_ids, mask=mask, **defaults | values)


async def test_each_stretch_is_asked_for_after_the_tokens_before_it():
    engine = ScriptedEngine(successor)
    result = await replay(recorded([1, 2, 3, 4, 50, 51, 52], [P, P, G, G, T, G, G]), engine)
    assert (result.identical, result.n_generated_tokens, result.n_equal_tokens) == (True, 4, 4)
    assert (result.first_difference, result.same_model) == (None, True)
    assert [r.prompt_token_ids for r in engine.requests] == [[1, 2], [1, 2, 3, 4, 50]]
    assert [r.sampling.max_tokens for r in engine.requests] == [2, 2]
    assert {r.sampling.temperature for r in engine.requests} == {0.0}


@pytest.mark.parametrize(
    ("token_ids", "first", "n_equal"),
    [([1, 2, 9, 4, 50, 51, 52], 2, 3), ([1, 2, 3, 4, 50, 51, 99], 6, 3), ([1, 2, 9, 9, 50, 9, 9], 2, 0)],
)
async def test_the_first_difference_is_located(token_ids, first, n_equal):
    result = await replay(recorded(token_ids, [P, P, G, G, T, G, G]), ScriptedEngine(successor))
    assert (result.identical, result.first_difference, result.n_equal_tokens) == (False, first, n_equal)


async def test_an_answer_that_ends_early_is_a_difference():
    engine = ScriptedEngine(lambda prompt, sampling: [2])
    result = await replay(recorded([1, 2, 3], [P, G, G]), engine)
    assert (result.identical, result.first_difference) == (False, 2)


async def test_another_model_is_noticed():
    result = await replay(recorded([1, 2], [P, G], model_revision="other"), ScriptedEngine(successor))
    assert (result.identical, result.same_model) == (True, False)


@pytest.mark.engine
@pytest.mark.timeout(1200)
@pytest.mark.asyncio(loop_scope="session")
async def test_a_greedy_trace_of_a_real_engine_repeats(engine):
    tokens, _ = await collect(engine, [1, 2, 3], SamplingParams(max_tokens=150, temperature=0.0))
    more, _ = await collect(engine, [1, 2, 3, *tokens, 9, 9], SamplingParams(max_tokens=150, temperature=0.0))
    mask = [P] * 3 + [G] * len(tokens) + [T] * 2 + [G] * len(more)
    identity = await engine.identity()
    trace = recorded([1, 2, 3, *tokens, 9, 9, *more], mask, model_revision=identity.revision)
    assert (await replay(trace, engine)).identical
    sampled, _ = await collect(engine, [1, 2, 3], SamplingParams(max_tokens=150, temperature=1.0, seed=1))
    assert not (await replay(recorded([1, 2, 3, *sampled], [P] * 3 + [G] * len(sampled)), engine)).identical
