"""Tokens read again: a row that its tokens bear out passes, and each kind of contradiction is found and named."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from factory.dialects.harmony import Harmony
from factory.dialects.tokenizer import HfTokenizer
from factory.inspection.audit import REREAD, Audit, audit, render
from factory.prompts.loader import prompt
from factory.recipe import Teacher
from factory.records import Message, Mode, Problem, SampleKey, Trace, uid_of
from factory.store.publish import publish
from factory.store.run import Run
from tests.conftest import ROOT
from tests.programs.rollouts import Python, call, draw, run, turns
from tests.store.rows import verdict
from tests.store.test_publish import SETTINGS, VIEW
from tests.store.test_run import recipe

TEACHER = ROOT / "jobs" / "demo" / "teacher"
SUM = Problem(id="sum", text="What is 2 + 2?", answer="4")
RIGHT = "<|channel|>final<|message|>It is \\boxed{4}.<|return|>"


def a_trace() -> Trace:
    """A sample with a Python call, drawn by the real program in the real dialect of the demo's teacher."""
    tokenizer = HfTokenizer(TEACHER)
    harmony, words = Harmony(tokenizer), prompt("solve")
    order = replace(
        draw(dialect=harmony),
        key=SampleKey(problem_id=SUM.id, mode=Mode.LOW, tool=True, sample=0),
        prompt=harmony.prompt(words.render({"problem": SUM.text}), mode=Mode.LOW, tool=True),
        prompt_fingerprint=words.fingerprint,
    )
    script = turns(call("print(2 + 2)"), RIGHT, dialect=harmony, tokenizer=tokenizer)
    return asyncio.run(run(script, Python(), order=order, dialect=harmony))


def audited(place, trace: Trace, of: Problem = SUM, model: str = str(TEACHER)) -> Audit:
    """The audit of a run that published this trace."""
    made = recipe(teacher=Teacher(model=model))
    opened = Run.open(str(place), made)
    writer = opened.writer("w1", made.journal)
    for row in (trace, verdict(replace(of, answer=trace.answer), [trace])):
        writer.append(row)
    writer.close()
    publish(opened, SETTINGS, VIEW)
    return audit(opened.uri, cells=0)


def reread(place, trace: Trace, of: Problem = SUM) -> list[str]:
    found = audited(place, trace, of)
    assert found.checked[REREAD] == 1, render(found)
    return found.examples.get(REREAD, [])


def test_a_trace_that_its_tokens_bear_out(tmp_path):
    trace = a_trace()
    assert trace.tool_calls[0].stdout == "4\n"
    assert reread(tmp_path, trace) == []


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda t: replace(t, messages=[*t.messages[:-1], replace(t.messages[-1], content="\\boxed{4}!")]), "message"),
        (lambda t: replace(t, messages=[*t.messages, Message(role="user", content="and?")]), "message"),
        (lambda t: replace(t, answer="04"), "answer"),
        (lambda t: replace(t, uid=uid_of(t.key, t.token_ids[:-1])), "uid"),
        (lambda t: replace(t, token_ids=t.token_ids[:-2], mask=t.mask[:-2]), "uid"),
    ],
)
def test_a_trace_that_says_something_else_than_its_tokens(tmp_path, damage, says):
    (found,) = reread(tmp_path, damage(a_trace()))
    assert found.startswith("sum/low/python/0: ")
    assert says in found


def test_a_trace_of_another_problem(tmp_path):
    (found,) = reread(tmp_path, a_trace(), replace(SUM, text="What is 3 + 1?"))
    assert "the prompt is not" in found


def test_without_the_tokenizer_the_audit_says_so(tmp_path):
    found = audited(tmp_path / "run", a_trace(), model=str(tmp_path / "nowhere"))
    assert found.checked[REREAD] == 0
    assert any("tokens were not read again" in notice for notice in found.notices)
