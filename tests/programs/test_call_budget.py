"""Python calls drawn per sample: the same for whoever draws it, told in the prompt of any dialect, enforced."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import ValidationError

from factory.dialects import dialect
from factory.dialects.harmony_message import CONTROL_TOKENS
from factory.dialects.tokenizer import ByteTokenizer
from factory.programs.call_budget import max_calls, told
from factory.programs.effects import seed_of
from factory.recipe import Sampling
from factory.records import Mode, Origin, SampleKey
from factory.settings import fingerprint
from tests.programs.rollouts import Python, call, draw, run, text_of, turns

DRAWN = Sampling(calls=(1, 8))


def seed(sample):
    return seed_of(0, SampleKey(problem_id="p", mode=Mode.HIGH, tool=True, sample=sample))


def test_calls_are_drawn_evenly_and_always_the_same():
    drawn = Counter(max_calls(DRAWN, seed(n)) for n in range(4000))
    assert sorted(drawn) == list(range(1, 9))
    assert all(400 < count < 600 for count in drawn.values())
    assert [max_calls(DRAWN, seed(n)) for n in range(9)] == [max_calls(DRAWN, seed(n)) for n in range(9)]


@pytest.mark.parametrize("name", ["harmony", "fenced"])
def test_the_model_is_told_what_is_enforced(name):
    chat = dialect(name, ByteTokenizer([*CONTROL_TOKENS, "<|im_start|>", "<|im_end|>"]))
    for n in range(20):
        words = told(DRAWN, seed(n), tool=True)
        calls = max_calls(DRAWN, seed(n))
        assert ("at most once" if calls == 1 else f"at most {calls} times") in words
        assert words in chat.tokenizer.decode(chat.prompt("2?", mode=Mode.LOW, tool=True, system=words))


def test_without_a_range_nothing_is_told_and_old_recipes_keep_their_fingerprint():
    assert (told(Sampling(), 5, tool=True), told(DRAWN, 5, tool=False)) == ("", "")
    assert max_calls(Sampling(max_calls=3), 5) == 3
    assert fingerprint(Sampling()) == fingerprint(Sampling(calls=None)) != fingerprint(DRAWN)


@pytest.mark.parametrize("calls", [(3, 2), (0, 4)])
def test_a_range_that_is_none_is_refused(calls):
    with pytest.raises(ValidationError):
        Sampling(calls=calls)


@pytest.mark.parametrize("n", [2, 5])
async def test_a_sample_gets_the_calls_that_were_drawn_for_it(n):
    python = Python()
    trace = await run(turns(call("print(1)")), python, order=draw(calls=(n, n), max_calls=100))
    assert (trace.finish_reason, len(trace.tool_calls)) == ("calls", n)
    assert "No Python calls are left" in text_of(trace, Origin.TOOL)
