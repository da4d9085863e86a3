"""What comparing two answers yields: equal, unequal or undecided, and which rule said so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Equivalence:
    """The outcome for one pair. `equal` is None if no rule could decide: never to be counted as correct."""

    equal: bool | None
    method: str
    """The rule that decided, `undecided` where none did."""
    detail: str = ""
    """For `undecided` the cause: timeout, memory, crash, too_long, or what the rules stumbled on."""

    @property
    def decided(self) -> bool:
        return self.equal is not None


Equal = Callable[[str, str], Awaitable[Equivalence]]
"""Compares (gold, prediction); `Checker.equal` is one."""


def undecided(detail: str) -> Equivalence:
    return Equivalence(None, UNDECIDED, detail)
