"""The effects that a program may have on the world. A test gives it a scripted context, a worker the real one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, Protocol

from factory.recipe import Role, Solve, Verify
from factory.records import Mode, Problem, Trace
from factory.verify import Equivalence


class Context(Protocol):
    """What `solve` and the curation programs are written over.

    Every effect is journaled under a deterministic key: asked again after a crash, it answers from the journal and
    does no work twice. Effects raise nothing for what a model may do wrong; that is data.
    """

    settings: Solve
    verification: Verify

    def samples(self, problem: Problem, mode: Mode) -> AsyncGenerator[Trace, None]:
        """All samples of one mode, with Python and without, as they finish. Closing the iterator stops the rest."""
        ...

    async def sample(self, problem: Problem, mode: Mode) -> list[Trace]:
        """The same, all of them, ordered by tool (with Python first) and sample number."""
        ...

    async def ask(self, role: Role, prompt: str, variables: Mapping[str, Any]) -> str:
        """One greedy answer of the model in a role to a prompt file filled in with `variables`."""
        ...

    async def equal(self, gold: str, prediction: str | None) -> Equivalence:
        """Whether two answers mean the same."""
        ...
