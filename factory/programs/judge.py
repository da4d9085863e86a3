"""Judging: compare one answer with a reference, by rules and, if the recipe says so, by the judge model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from factory.programs.context import Context
from factory.records import Judgement, Problem, Trace
from factory.verify import Equivalence
from factory.verify.judge import parse_judgement, prefilter

Pairs = Literal["never", "undecided", "unequal"]
_ASKED: dict[Pairs, tuple[bool | None, ...]] = {"never": (), "undecided": (None,), "unequal": (None, False)}


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the rules say about a pair and, if it was asked, the judge model, which then decides."""

    rules: Equivalence
    judge: bool | None = None

    @property
    def equivalence(self) -> Equivalence:
        if self.judge is None:
            return self.rules
        return Equivalence(self.judge, "judge", detail=f"rules: {self.rules.method}")


async def opinion(problem: Problem, gold: str, prediction: str | None, ctx: Context, asked: Pairs) -> Opinion:
    """Whether `prediction` is the answer `gold` to `problem`.

    `asked` (the recipe's `verify.judge`) says which pairs the judge model sees: none, those that the rules leave
    undecided, or also those that the rules call unequal.
    """
    rules = await ctx.equal(gold, prediction)
    if prediction is None or rules.equal not in _ASKED[asked]:
        return Opinion(rules)
    shortcut = prefilter(gold, prediction)
    if shortcut is not None:
        return Opinion(rules, shortcut)
    text = await ctx.ask("judge", "judge", {"problem": problem.text, "expected": gold, "predicted": prediction})
    return Opinion(rules, parse_judgement(text))


async def judge(
    problem: Problem,
    reference: str,
    traces: Sequence[Trace],
    ctx: Context,
    asked: Pairs,
    *,
    votes: dict[str, bool] | None = None,
) -> list[Judgement]:
    """Judge every trace against the settled reference, in order. `votes`: uid -> whether it voted with the majority."""
    opinions = await asyncio.gather(*(opinion(problem, reference, trace.answer, ctx, asked) for trace in traces))
    return [
        _judgement(trace, found, (votes or {}).get(trace.uid)) for trace, found in zip(traces, opinions, strict=True)
    ]


def _judgement(trace: Trace, opinion: Opinion, majority: bool | None) -> Judgement:
    return Judgement(
        mode=trace.mode,
        tool=trace.tool,
        sample=trace.sample,
        task=trace.task,
        teacher=trace.teacher,
        uid=trace.uid,
        answer=trace.answer,
        equal=opinion.equivalence.equal,
        method=opinion.equivalence.method,
        symbolic=opinion.rules.equal,
        rule=opinion.rules.method,
        judge=opinion.judge,
        majority=majority,
        n_generated_tokens=trace.n_generated_tokens,
    )
