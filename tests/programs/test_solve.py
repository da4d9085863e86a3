"""The rules of solve: which reference is settled, what is too easy, which samples count, and what is never drawn."""

from __future__ import annotations

import pytest

from factory.programs import solve as rules
from factory.recipe import Solve, Verify
from factory.records import Mode, Problem, Reject, Trace, Verdict
from factory.verify import Equivalence, equivalent


class Scripted:
    """A context whose samples answer from a table: mode -> answers, with Python first."""

    def __init__(self, answers, *, samples=8, replies=None, judge="never", **settings):
        self.settings = Solve(samples=samples, **settings)
        self.verification = Verify(judge=judge)
        self.answers, self.replies = answers, replies or {}
        self.drawn, self.asked = [], []

    async def samples(self, problem, mode, settings):
        for number, answer in enumerate(self.answers[mode]):
            tool = number < self.settings.samples
            self.drawn.append(mode)
            yield Trace(
                problem_id=problem.id,
                mode=mode,
                tool=tool,
                sample=number % self.settings.samples,
                uid=f"{mode}{number}",
                token_ids=[],
                mask=[],
                messages=[],
                answer=answer,
                finish_reason="stop",
            )

    async def sample(self, problem, mode, settings):
        return [trace async for trace in self.samples(problem, mode, settings)]

    async def ask(self, role, prompt, variables):
        self.asked.append((role, prompt, variables["predicted"]))
        pair = variables["expected"], variables["predicted"]
        return self.replies[pair] if pair in self.replies else self.replies[variables["predicted"]]

    async def equal(self, gold, prediction):
        return Equivalence(False, "no_answer") if prediction is None else equivalent(gold, prediction)


async def solve(problem, ctx):
    return await rules.solve(problem, ctx, ctx.settings, ctx.verification)


def modes(high=("7",) * 16, medium=("7",) * 16, low=("1",) * 16):
    return {Mode.HIGH: high, Mode.MEDIUM: medium, Mode.LOW: low}


def problem(answer="7"):
    return Problem(id="p", text="What is 3 + 4?", answer=answer, source="s")


async def test_the_source_s_answer_stays_if_one_high_sample_agrees():
    ctx = Scripted(modes(high=("8",) * 15 + ("7",)))
    verdict = await solve(problem(), ctx)
    assert isinstance(verdict, Verdict)
    assert (verdict.reference, verdict.changed_to_majority, verdict.original_reference) == ("7", False, "7")
    assert sum(j.equal is True for j in verdict.judgements) == 1 + 16
    assert verdict.votes == {"8": 15, "7": 1}


async def test_it_is_replaced_by_the_majority_if_none_does():
    verdict = await solve(problem("9"), Scripted(modes(high=("8",) * 9 + ("7",) * 7)))
    assert (verdict.reference, verdict.changed_to_majority, verdict.original_reference) == ("8", True, "9")
    assert {j.uid for j in verdict.judgements if j.equal} == {f"high{n}" for n in range(9)}


async def test_a_vote_below_the_wanted_share_settles_nothing():
    high = ("8",) * 7 + ("5",) * 6 + (None,) * 3  # 7 of 13 votes
    weak = modes(high=high, medium=("9",) + ("8",) * 15)
    enough = await solve(problem("9"), Scripted(weak, min_vote_share=0.5))
    assert (enough.reference, enough.reference_change, enough.vote_share) == ("8", "replaced", 7 / 13)
    kept = await solve(problem("9"), Scripted(weak, min_vote_share=0.6))
    assert (kept.reference, kept.reference_change, kept.reference_votes) == ("9", "kept", 0)
    assert [j.uid for j in kept.judgements if j.equal] == ["medium0"]
    nothing = await solve(problem(None), Scripted(weak, min_vote_share=0.6))
    assert (nothing.reason, nothing.detail) == ("weak_vote", "no answer given, the largest class has 7 of 13 votes")
    assert (await solve(problem(None), Scripted(weak, min_vote_share=0.5))).reference_change == "filled"


async def test_a_weak_vote_does_not_touch_an_answer_that_a_sample_confirms():
    verdict = await solve(problem("7"), Scripted(modes(high=("8",) * 3 + ("7", "1", "2")), min_vote_share=1.0))
    assert (verdict.reference, verdict.reference_change, verdict.reference_votes) == ("7", "kept", 1)


async def test_votes_count_by_meaning_not_by_spelling():
    high = (r"\frac{1}{2}", "0.5", "1/2") * 3 + ("3",) * 4 + (None,) * 3
    verdict = await solve(problem(None), Scripted(modes(high=high)))
    assert equivalent(verdict.reference, "1/2").equal
    assert verdict.changed_to_majority
    assert sorted(verdict.votes.values()) == [4, 9]


@pytest.mark.parametrize(("right", "kept"), [(12, True), (13, False)])
async def test_too_easy_is_thirteen_of_sixteen_low_samples(right, kept):
    ctx = Scripted(modes(low=("7",) * right + ("1",) * (16 - right)))
    outcome = await solve(problem(), ctx)
    if kept:
        assert outcome.difficulty == right / 16
    else:
        assert (outcome.reason, outcome.stage, outcome.kind) == ("too_easy", "solve", "problem")
        assert Mode.MEDIUM not in ctx.drawn


async def test_every_regime_has_its_pass_rate():
    medium = ("7",) * 8 + ("7",) * 3 + ("5",) * 5
    verdict = await solve(problem(), Scripted(modes(medium=medium)))
    rates = {regime.name: (regime.count, regime.passed) for regime in verdict.regimes}
    assert rates == {
        "reason_low_with_tool": (8, 0),
        "reason_low_no_tool": (8, 0),
        "reason_medium_with_tool": (8, 8),
        "reason_medium_no_tool": (8, 3),
        "reason_high_with_tool": (8, 8),
        "reason_high_no_tool": (8, 8),
    }


async def test_nobody_has_an_answer():
    nothing = modes(high=(None,) * 16, medium=(None,) * 16, low=(None,) * 16)
    assert (await solve(problem(None), Scripted(nothing))).reason == "no_reference"
    unsolved = await solve(problem("7"), Scripted(nothing))
    assert isinstance(unsolved, Reject)
    assert unsolved.reason == "unsolved"
    assert "What is 3 + 4?" in unsolved.row


class CheckerAway(Scripted):
    """What would have to be compared by more than sight stays open, for the answers named."""

    def __init__(self, answers, open_answers, **settings):
        super().__init__(answers, **settings)
        self.open_answers = open_answers

    async def equal(self, gold, prediction):
        if gold != prediction and (gold in self.open_answers or prediction in self.open_answers):
            return Equivalence(None, "undecided", "crash")
        return await super().equal(gold, prediction)


async def test_what_nobody_could_judge_is_not_wrong():
    low = ("7",) * 6 + ("x",) * 8 + ("1",) * 2
    verdict = await solve(problem(), CheckerAway(modes(low=low), {"x"}))
    assert verdict.difficulty == 6 / 8
    by_name = {regime.name: (regime.count, regime.passed) for regime in verdict.regimes}
    assert (by_name["reason_low_with_tool"], by_name["reason_low_no_tool"]) == ((6, 6), (2, 0))
    easy = await solve(problem(), CheckerAway(modes(low=("7",) * 7 + ("x",) * 8 + ("1",)), {"x"}))
    assert easy.reason == "too_easy"


async def test_a_problem_is_not_called_unsolved_while_a_sample_is_open():
    nobody = modes(high=("x",) * 16, medium=("1",) * 16)
    outcome = await solve(problem(), CheckerAway(nobody, {"x"}))
    assert (outcome.reason, outcome.detail) == ("undecided", "16 of 48 samples could not be judged")


async def test_a_vote_that_hangs_on_open_comparisons_settles_nothing():
    high = ("1",) * 6 + ("x",) * 5 + ("y",) * 5
    outcome = await solve(problem(None), CheckerAway(modes(high=high), {"x", "y"}))
    assert outcome.reason == "undecided"


async def test_cheap_first_stops_drawing_once_the_problem_is_too_easy():
    ctx = Scripted(modes(low=("7",) * 14 + ("1",) * 2), order="cheap_first")
    assert (await solve(problem(), ctx)).reason == "too_easy"
    assert ctx.drawn == [Mode.LOW] * 13


async def test_cheap_first_without_an_answer_of_the_source():
    ctx = Scripted(modes(low=("7",) * 13 + ("1",) * 3), order="cheap_first")
    assert (await solve(problem(None), ctx)).reason == "too_easy"
    assert set(ctx.drawn) == {Mode.LOW}


async def test_cheap_first_and_paper_agree_on_what_survives():
    answers = modes(high=("8",) * 9 + ("7",) * 7, low=("7",) * 12 + ("1",) * 4)
    paper = await solve(problem(), Scripted(answers))
    cheap = await solve(problem(), Scripted(answers, order="cheap_first"))
    assert paper == cheap


async def test_the_judge_sees_only_what_the_recipe_sends_it():
    answers = modes(high=("7", "four more than three") + ("8",) * 14)
    replies = {
        "four more than three": "Same.\nJudgement: Yes",
        "7": "Judgement: No",
        "8": "Judgement: No",
        "1": "no verdict at all",
        ("8", "four more than three"): "Judgement: No",
        ("four more than three", "7"): "Judgement: Yes",
    }
    never = Scripted(answers, replies=replies)
    await solve(problem(), never)
    assert not never.asked
    asked = Scripted(answers, replies=replies, judge="unequal")
    verdict = await solve(problem(), asked)
    judged = {j.answer: (j.equal, j.method, j.symbolic is True, j.judge) for j in verdict.judgements}
    assert judged["four more than three"] == (True, "judge", False, True)
    assert judged["8"] == (False, "judge", False, False)
    assert judged["1"] == (False, "judge", False, False)
    assert judged["7"][0] is True
    assert judged["7"][3] is None
    votes = {j.answer: j.majority for j in verdict.judgements if j.mode == Mode.HIGH}
    assert votes == {"7": False, "four more than three": False, "8": True}
    assert all(j.majority is None for j in verdict.judgements if j.mode != Mode.HIGH)


async def test_one_mode_alone_is_enough():
    verdict = await solve(problem(), Scripted(modes(), modes=["medium"]))
    assert {j.mode for j in verdict.judgements} == {Mode.MEDIUM}
