"""The funnel: how many rows entered each stage, left it, and were rejected for which reason. It must add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage's account. `rows_out` is counted where the rows arrive, never computed from the other two."""

    name: str
    unit: str  # what a row is: problems, traces, threads
    rows_in: int
    rows_out: int
    rejects: Mapping[str, int] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        return sum(self.rejects.values())

    @property
    def missing(self) -> int:
        """Rows that entered and are neither out nor rejected: under way, or lost if the run is finished."""
        return self.rows_in - self.rows_out - self.rejected


def render(stages: Iterable[Stage]) -> str:
    """The funnel as a table for a terminal, one line a stage and one per reason below it."""
    lines = [f"{'stage':<15} {'unit':<9} {'rows in':>10} {'rows out':>10} {'rejects':>10}  adds up"]
    lines.append("-" * len(lines[0]))
    for stage in stages:
        adds_up = "yes" if stage.missing == 0 else f"NO, {stage.missing:+,} unaccounted"
        counts = f"{stage.rows_in:>10,} {stage.rows_out:>10,} {stage.rejected:>10,}"
        lines.append(f"{stage.name:<15} {stage.unit:<9} {counts}  {adds_up}")
        lines += [f"{'':<15} {'':<9} {'':>10} {'':>10} {n:>10,}    {reason}" for reason, n in _by_count(stage.rejects)]
    return "\n".join(lines)


def as_markdown(stages: Iterable[Stage]) -> str:
    """The funnel as a Markdown table, for the card."""
    lines = ["| stage | unit | rows in | rows out | rejects | reasons |", "|---|---|---:|---:|---:|---|"]
    for stage in stages:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in _by_count(stage.rejects)) or "-"
        lines.append(
            f"| {stage.name} | {stage.unit} | {stage.rows_in:,} | {stage.rows_out:,} | {stage.rejected:,} | {reasons} |"
        )
    return "\n".join(lines)


def _by_count(rejects: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(rejects.items(), key=lambda item: (-item[1], item[0]))
