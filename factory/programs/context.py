"""The effects that a program may have on the world. A test gives it a scripted context, a worker the real one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from factory.programs.asking import Asker
from factory.recipe import Role, Sampling
from factory.records import Mode, Problem, Trace
from factory.verify import Equivalence


class SamplingPlan(Protocol):
    """The part of a recipe that says how samples are drawn; `Solve` and `Attempts` are two."""

    @property
    def samples(self) -> int:
        """Per mode and tool."""
        ...

    @property
    def tools(self) -> tuple[bool, ...]:
        """Whether each mode is sampled with Python, without, or both."""
        ...

    @property
    def task(self) -> str:
        """What the samples are drawn for; part of their keys."""
        ...

    @property
    def role(self) -> Role:
        """Whose model draws them; part of their keys."""
        ...

    @property
    def sampling(self) -> Sampling: ...

    @property
    def seed(self) -> int: ...


class Context(Asker, Protocol):
    """What programs are written over.

    Every effect is journaled under a deterministic key: asked again after a crash, it answers from the journal and
    does no work twice. Effects raise nothing for what a model may do wrong; that is data.
    """

    def samples(self, problem: Problem, mode: Mode, settings: SamplingPlan) -> AsyncGenerator[Trace, None]:
        """All samples of one mode, with each tool, as they finish. Closing the iterator stops the rest."""
        ...

    async def sample(self, problem: Problem, mode: Mode, settings: SamplingPlan) -> list[Trace]:
        """The same, all of them, ordered by tool (with Python first) and sample number."""
        ...

    async def equal(self, gold: str, prediction: str | None) -> Equivalence:
        """Whether two answers mean the same."""
        ...
