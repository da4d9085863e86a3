"""Judging: one answer against a reference, by rules first and, where the recipe asks for it, by the judge model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from factory.programs.context import Context
from factory.records import Judgement, Problem, Trace
from factory.verify import Equivalence
from factory.verify.judge import parse_judgement, prefilter


async def judged_equal(problem: Problem, gold: str, prediction: str | None, ctx: Context) -> Equivalence:
    """Whether `prediction` is the answer `gold` to `problem`.

    The recipe's `verify.judge` says which pairs the judge model sees: none, those that the rules leave undecided, or
    also those that the rules call unequal. Its yes then counts; the method tells who decided.
    """
    verdict = await ctx.equal(gold, prediction)
    asked = {"never": (), "undecided": (None,), "unequal": (None, False)}[ctx.verification.judge]
    if prediction is None or verdict.equal not in asked:
        return verdict
    shortcut = prefilter(gold, prediction)
    if shortcut is not None:
        return replace(verdict, equal=shortcut, method="judge_prefilter")
    text = await ctx.ask("judge", "judge", {"problem": problem.text, "expected": gold, "predicted": prediction})
    return Equivalence(parse_judgement(text), "judge", detail=f"rules: {verdict.method}")


async def judge(problem: Problem, reference: str, traces: Sequence[Trace], ctx: Context) -> list[Judgement]:
    """Every trace against the settled reference, in order."""
    return list(await asyncio.gather(*(_judge_one(problem, reference, trace, ctx) for trace in traces)))


async def _judge_one(problem: Problem, reference: str, trace: Trace, ctx: Context) -> Judgement:
    verdict = await judged_equal(problem, reference, trace.answer, ctx)
    asked = verdict.method == "judge"
    return Judgement(
        mode=trace.mode,
        tool=trace.tool,
        sample=trace.sample,
        uid=trace.uid,
        answer=trace.answer,
        equal=verdict.equal,
        method=verdict.method,
        judge=("yes" if verdict.equal else "no") if asked else None,
        n_generated_tokens=trace.n_generated_tokens,
    )
