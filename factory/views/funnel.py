"""A view's own funnel: what it read is what it used and what it left out, each for a reason with a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from factory.errors import FactoryError

Unit = Literal["traces", "problems"]


@dataclass(slots=True)
class Funnel:
    """Counts of one partition, or of a whole export. `rows` are what was written: packs and pairs are no traces."""

    unit: Unit
    read: int = 0
    used: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    """Rows written, by table."""
    notes: Counter[str] = field(default_factory=Counter)
    """Whatever else a view counts: tokens, room in packs."""

    def use(self, n: int = 1) -> None:
        self.used += n

    def leave(self, reason: str, n: int = 1) -> None:
        if n:
            self.left_out[reason] += n

    def note(self, name: str, n: int = 1) -> None:
        self.notes[name] += n

    def leave_trace(self, reason: str) -> None:
        """A trace that no view is shown."""
        if self.unit == "traces":
            self.read += 1
            self.leave(reason)

    def check(self) -> None:
        """Raise `FactoryError` if it does not add up."""
        if self.read != self.used + self.left_out.total():
            raise FactoryError(
                f"the view's funnel does not add up: {self.read:,} {self.unit} read, "
                f"{self.used:,} used, {self.left_out.total():,} left out",
                remedy="this is a bug of the view: each trace or problem must be used or left out exactly once",
            )

    def __add__(self, other: Funnel) -> Funnel:
        return Funnel(
            self.unit,
            self.read + other.read,
            self.used + other.used,
            self.left_out + other.left_out,
            self.rows + other.rows,
            self.notes + other.notes,
        )

    def to_json(self) -> dict[str, Any]:
        counters = {name: dict(sorted(getattr(self, name).items())) for name in ("left_out", "rows", "notes")}
        return {"unit": self.unit, "read": self.read, "used": self.used, **counters}

    @staticmethod
    def of(values: dict[str, Any]) -> Funnel:
        counters = {name: Counter(values[name]) for name in ("left_out", "rows", "notes")}
        return Funnel(values["unit"], values["read"], values["used"], **counters)

    @staticmethod
    def total(unit: Unit, funnels: Iterable[Funnel]) -> Funnel:
        return sum(funnels, Funnel(unit))
