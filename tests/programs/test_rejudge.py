"""The rules of solve over stored answers: the same verdict without a draw, and no guess where samples are missing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest

from factory.programs.answered import AnsweredProblem, StoredAnswer
from factory.programs.rejudge import rejudge
from factory.programs.solve import solve
from factory.recipe import Solve, Verify
from factory.records import Mode, Problem, Verdict
from tests.programs.test_solve import Scripted, modes

PROBLEM = Problem(id="p", text="What is 3 + 4?", answer="7", source="s")


def stored(answers, per_tool=8, ending="verdict"):
    rows = [
        StoredAnswer(problem_id="p", mode=mode, tool=n < per_tool, sample=n % per_tool, uid=f"{mode}{n}", answer=answer)
        for mode, some in answers.items()
        for n, answer in enumerate(some)
    ]
    return AnsweredProblem(id="p", problem=PROBLEM, answers=rows, ending=ending)


@pytest.mark.parametrize("order", ["paper", "cheap_first"])
@pytest.mark.parametrize("low", [12, 13])
async def test_the_same_rules_end_a_problem_as_the_source_run_did(order, low):
    answers = modes(high=("7",) * 9 + ("8",) * 7, low=("7",) * low + ("1",) * (16 - low))
    settings = Solve(order=order)
    drawing = Scripted(answers, order=order)
    ctx = Scripted({})
    assert await rejudge(stored(answers), ctx, settings, Verify()) == await solve(PROBLEM, drawing, settings, Verify())
    assert not ctx.drawn


@pytest.mark.parametrize("order", ["paper", "cheap_first"])
async def test_what_was_given_up_early_leaves_for_what_is_missing(order):
    answers = modes(low=("7",) * 14 + ("1",) * 2)
    if order == "paper":
        del answers[Mode.MEDIUM]  # never drawn: the problem was too easy
    else:
        answers = {Mode.LOW: ("7",) * 13}
    row = stored(answers, ending="too_easy")
    settings = Solve(order=order)
    assert (await rejudge(row, Scripted({}), settings, Verify())).reason == "too_easy"
    kept = settings.model_copy(update={"max_low_pass_rate": 1.0})
    left = await rejudge(row, Scripted({}), kept, Verify())
    assert (left.stage, left.reason) == ("solve", "missing_samples")
    assert "too_easy" in left.detail


async def test_the_judge_is_asked_where_the_recipe_says_so():
    answers = modes(high=("7", "four more than three") + ("8",) * 14)
    replies = defaultdict(lambda: "Judgement: No", {"four more than three": "Judgement: Yes"})
    verdict = await rejudge(stored(answers), Scripted({}, replies=replies), Solve(), Verify(judge="unequal"))
    assert isinstance(verdict, Verdict)
    assert {j.answer: j.equal for j in verdict.judgements}["four more than three"] is True


async def test_a_problem_without_any_answer_is_no_error():
    row = replace(stored({}), ending="crashes_worker")
    assert (await rejudge(row, Scripted({}), Solve(), Verify())).reason == "missing_samples"
