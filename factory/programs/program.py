"""What a worker has to know of a program: which rows it reads, how it runs, and whose engines it waits for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from factory.programs.context import Context
from factory.recipe import Role
from factory.records import Problem, Thread

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a row ended: rows for the journal, the one that ends it last, and rows for the next stage."""

    journal: Sequence[Any]
    passed_on: Sequence[Any] = ()


def itself(row: Any) -> Any:
    """A row that is about nothing but itself."""
    return row


def no_role(recipe: Any) -> None:
    """For programs that ask no model."""


def always(role: Role) -> Callable[[Any], Role]:
    """For programs whose work is done by one role, whatever the recipe."""
    return lambda recipe: role


@dataclass(frozen=True, slots=True)
class Program(Generic[Row]):
    """A program, declared once; `stages/worker.py` runs any of them.

    `run` gets the row, its context and the run's recipe, of which it hands sections on as arguments. Whatever it
    raises becomes a reject of the thread or problem that the row is `about`.
    """

    name: str
    """Its stage, as rejects, metrics and journal parts name it."""
    reads: type[Row]
    run: Callable[[Row, Context, Any], Awaitable[Outcome]]
    role: Callable[[Any], Role | None] = no_role
    """The role (of the run's recipe) whose engines let rows in, as fast as they can serve them; None if no engine is
    asked: the limit per worker alone counts."""
    passes_on: type | None = None
    """The kind of row that continues to the next stage; None: the row's way ends here."""
    about: Callable[[Row], Problem | Thread] = field(default=itself)
    """The thread or problem that a row is about: it names the row in the journal."""
