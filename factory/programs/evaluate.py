"""Evaluate: one problem with its answer in; the measured model's samples judged, and the classes of their answers.

Nothing is filtered and no reference is settled: the answer that is given counts. What `solve` leaves out as too easy or
unsolved is a result here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from factory.programs.context import Context
from factory.programs.judge import judge, opinion
from factory.programs.program import Outcome, Program, always
from factory.recipe import Attempts, Evaluate, Verify
from factory.records import EVALUATE, STRONGEST_FIRST, STUDENT, Annotation, Mode, Problem, Reject, Trace, Verdict
from factory.verify import Equivalence, Votes, cluster, is_missing
from factory.verify.difficulty import pass_rate, regimes

ANSWER_CLASS = "answer_class"
"""Annotation of a sample: `value` is the number of its answer's equivalence class among all samples of the problem, the
largest class first; `text` is the class's usual spelling. A sample without an answer has none."""


async def evaluate(
    problem: Problem, ctx: Context, settings: Attempts, verify: Verify
) -> tuple[list[Annotation], Verdict | Reject]:
    """Draw every sample, judge each against the problem's answer, and sort the answers into classes.

    A problem without an answer is a reject: nothing can be right or wrong there.
    """
    reference = problem.answer
    if reference is None or is_missing(reference):
        return [], Reject.of(problem, EVALUATE, "no_answer", "its source gives no answer to compare with")
    modes = [mode for mode in STRONGEST_FIRST if mode in settings.modes]
    drawn = await asyncio.gather(*(ctx.sample(problem, mode, settings) for mode in modes))
    traces = [trace for of_mode in drawn for trace in of_mode]

    async def equal(gold: str, prediction: str) -> Equivalence:
        return (await opinion(problem, gold, prediction, ctx, verify.judge)).equivalence

    votes = await cluster([trace.answer for trace in traces], equal)
    judgements = await judge(problem, reference, traces, ctx, verify.judge)
    verdict = Verdict(
        problem=problem,
        reference=reference,
        original_reference=reference,
        changed_to_majority=False,
        votes=votes.counts(),
        regimes=regimes(judgements),
        judgements=judgements,
        difficulty=pass_rate([judgement.equal for judgement in judgements if judgement.mode is Mode.LOW]),
    )
    return _classes(problem, traces, votes), verdict


def _classes(problem: Problem, traces: Sequence[Trace], votes: Votes) -> list[Annotation]:
    return [
        Annotation(
            owner=problem.id,
            uid=traces[place].uid,
            name=ANSWER_CLASS,
            value=float(number),
            text=of_votes.representative,
        )
        for number, of_votes in enumerate(votes.classes)
        for place in of_votes.members
    ]


async def _evaluate(problem: Problem, ctx: Context, recipe: Evaluate) -> Outcome:
    classes, ending = await evaluate(problem, ctx, recipe.attempts, recipe.verify)
    return Outcome([*classes, ending])


EVALUATION = Program(EVALUATE, Problem, _evaluate, role=always(STUDENT))
