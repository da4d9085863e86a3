"""Rejudge: the rules of `solve` over the answers that a run has drawn already. Nothing is drawn again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from factory.programs.answered import AnsweredProblem
from factory.programs.context import Context, SamplingPlan
from factory.programs.program import Outcome, Program
from factory.programs.solve import STAGE, solve
from factory.recipe import Role, Solve, Verify
from factory.recipe.rejudge import Rejudge
from factory.records import Mode, Problem, Reject, Trace, Verdict
from factory.verify import Equivalence


async def rejudge(row: AnsweredProblem, ctx: Context, settings: Solve, verify: Verify) -> Verdict | Reject:
    """The problem's verdict under `verify`, or the reason why it leaves.

    A problem may now stay that the run had given up before all of its samples were drawn. What they would say is not
    guessed: it leaves as `missing_samples`.
    """
    try:
        return await solve(row.problem, _StoredContext(row, ctx), settings, verify)
    except _MissingSamples as missing:
        return Reject.of(row.problem, STAGE, "missing_samples", str(missing))


class _MissingSamples(Exception):
    """The rules ask for samples that were never drawn."""


class _StoredContext:
    """A context whose samples are the stored ones; it asks and compares through another."""

    def __init__(self, row: AnsweredProblem, ctx: Context) -> None:
        self._row, self._ctx = row, ctx

    async def samples(self, problem: Problem, mode: Mode, settings: SamplingPlan) -> AsyncGenerator[Trace, None]:
        stored = [answer.trace() for answer in self._row.answers if answer.mode == mode]
        for trace in sorted(stored, key=lambda trace: (not trace.tool, trace.sample)):
            yield trace
        if len(stored) < 2 * settings.samples:
            raise _MissingSamples(
                f"{len(stored)} of {2 * settings.samples} samples in {mode} mode are stored; the source run "
                f"ended the problem as {self._row.ending} before it drew the others"
            )

    async def sample(self, problem: Problem, mode: Mode, settings: SamplingPlan) -> list[Trace]:
        return [trace async for trace in self.samples(problem, mode, settings)]

    async def ask(self, role: Role, prompt: str, variables: Mapping[str, Any]) -> str:
        return await self._ctx.ask(role, prompt, variables)

    async def equal(self, gold: str, prediction: str | None) -> Equivalence:
        return await self._ctx.equal(gold, prediction)


async def _rejudge(row: AnsweredProblem, ctx: Context, recipe: Rejudge) -> Outcome:
    assert recipe.solve is not None, "a recipe is completed from its source before its run is opened"
    return Outcome([await rejudge(row, ctx, recipe.solve, recipe.verify)])


REJUDGE = Program(
    "rejudge",
    AnsweredProblem,
    _rejudge,
    role=lambda recipe: "judge" if recipe.roles else None,
    about=lambda row: row.problem,
)
