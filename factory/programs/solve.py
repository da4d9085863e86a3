"""Solve: one problem in; its verdict with a settled reference out, or the reason why it left. The heart of the factory.

The rules are Nemotron-Math's (arXiv 2512.15489, section 2): high-mode samples settle the reference, a problem that low
mode mostly passes is too easy, and every sample is judged against the settled reference.
"""

from __future__ import annotations

from contextlib import aclosing

from factory.programs.context import Context
from factory.programs.judge import judge, opinion
from factory.programs.program import Outcome, Program, always
from factory.recipe import Recipe, Solve, Verify
from factory.records import STRONGEST_FIRST, Mode, Problem, Reject, Trace, Verdict
from factory.verify import Equivalence, Votes, cluster, is_missing, settle_reference
from factory.verify.difficulty import already_too_easy, decided, pass_rate, regimes, too_easy

STAGE = "solve"


async def solve(problem: Problem, ctx: Context, settings: Solve, verify: Verify) -> Verdict | Reject:
    """Draw samples, settle the reference, drop what is too easy, judge what is left."""
    modes = [mode for mode in STRONGEST_FIRST if mode in settings.modes]
    drawn: dict[Mode, list[Trace]] = {}

    async def sample(mode: Mode) -> list[Trace]:
        if mode not in drawn:
            drawn[mode] = await ctx.sample(problem, mode, settings)
        return drawn[mode]

    async def equal(gold: str, prediction: str) -> Equivalence:
        return (await opinion(problem, gold, prediction, ctx, verify.judge)).equivalence

    if settings.order == "cheap_first" and Mode.LOW in modes:
        drawn[Mode.LOW], certain = await draw_until_certain(problem, ctx, settings)
        if certain:
            return Reject.of(problem, STAGE, "too_easy", f"sealed after {len(drawn[Mode.LOW])} low-mode samples")

    candidates = await sample(modes[0])
    answers = [trace.answer for trace in candidates]
    settled = await settle_reference(problem.answer, answers, equal, settings.min_vote_share)
    if settled.reference is None:
        return Reject.of(problem, STAGE, *without_reference(settled.votes, len(candidates)))

    difficulty = 0.0
    if Mode.LOW in modes:
        judged = await judge(problem, settled.reference, await sample(Mode.LOW), ctx, verify.judge)
        low = [judgement.equal for judgement in judged]
        difficulty, known = pass_rate(low), decided(low)
        if too_easy(sum(known), len(known), settings.max_low_pass_rate):
            rate = f"low-mode pass rate {difficulty:.4g} over {len(known)} samples"
            return Reject.of(problem, STAGE, "too_easy", rate)

    traces = [trace for mode in modes for trace in await sample(mode)]
    majority = with_majority(candidates, settled.votes)
    judgements = await judge(problem, settled.reference, traces, ctx, verify.judge, votes=majority)
    if not any(judgement.equal for judgement in judgements):
        n_open = sum(judgement.equal is None for judgement in judgements)
        if n_open:  # perhaps one of them is right
            return Reject.of(problem, STAGE, "undecided", f"{n_open} of {len(judgements)} samples could not be judged")
        return Reject.of(problem, STAGE, "unsolved", f"none of {len(judgements)} samples reaches {settled.reference!r}")
    return Verdict(
        problem=problem,
        reference=settled.reference,
        original_reference=settled.original,
        changed_to_majority=settled.changed_to_majority,
        votes=settled.votes.counts(),
        regimes=regimes(judgements),
        judgements=judgements,
        difficulty=difficulty,
    )


def without_reference(votes: Votes, samples: int) -> tuple[str, str]:
    """Why neither the forum nor the vote gave a reference: the reject's reason and detail."""
    if votes.doubtful:
        return "undecided", f"the vote of {samples} samples hangs on open comparisons"
    if votes.classes:
        return "weak_vote", f"no answer given, the largest class has {votes.classes[0].count} of {votes.total} votes"
    return "no_reference", f"no answer given, none of {samples} samples has one"


async def draw_until_certain(problem: Problem, ctx: Context, settings: Solve) -> tuple[list[Trace], bool]:
    """Low-mode samples, until so many agree that the problem is too easy whatever the rest would say.

    Only rules compare here: the judge model could only add agreement, and each question to it costs time.
    """
    traces: list[Trace] = []
    certain = False
    total = 2 * settings.samples
    async with aclosing(ctx.samples(problem, Mode.LOW, settings)) as samples:
        async for trace in samples:
            traces.append(trace)
            votes = await cluster([t.answer for t in traces], ctx.equal)
            largest = votes.classes[0].count if votes.classes else 0
            agreeing = None
            if problem.answer is not None and not is_missing(problem.answer):
                agreeing = sum([(await ctx.equal(problem.answer, t.answer)).equal is True for t in traces])
            certain = already_too_easy(agreeing, largest, total, settings.max_low_pass_rate)
            if certain:
                break
    return sorted(traces, key=lambda trace: (not trace.tool, trace.sample)), certain


def with_majority(candidates: list[Trace], votes: Votes) -> dict[str, bool]:
    """Which candidates voted with the winning class; those without an answer voted for nothing."""
    winners = votes.classes[0].members if votes.classes else ()
    return {t.uid: place in winners for place, t in enumerate(candidates) if place not in votes.missing}


async def _solve(problem: Problem, ctx: Context, recipe: Recipe) -> Outcome:
    return Outcome([await solve(problem, ctx, recipe.solve, recipe.verify)])


SOLVE = Program(STAGE, Problem, _solve, role=always("teacher"))
