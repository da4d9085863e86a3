"""The funnel: how many rows entered each stage, left it, and were rejected for which reason. It must add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from factory.store.report import PUBLISHED, PublishReport

VERDICT, UNFINISHED = "verdict", "unfinished"


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


def funnel(read: Stage, report: PublishReport, shard_rows: int) -> list[Stage]:
    """The stages of a run: how its inputs were read, what became of every problem, and of every trace.

    `read` is the account of the ingest, `report` that of the journal, `shard_rows` what lies in the published files.
    """
    outcomes = report.problems
    by_stage: dict[str, Counter[str]] = {}
    for outcome, n in outcomes.items():
        if outcome not in (VERDICT, UNFINISHED):
            _kind, stage, reason = outcome.split("/", 2)
            by_stage.setdefault(stage, Counter())[reason] += n
    solved, verdicts = by_stage.pop("solve", Counter()), outcomes.get(VERDICT, 0)
    stages, rows = [read], read.rows_out
    later = sum(map(sum, (c.values() for c in by_stage.values()))) + solved.total() + verdicts
    for name, rejects in by_stage.items():
        later -= rejects.total()
        stages.append(Stage(name=name, unit="problems", rows_in=rows, rows_out=later, rejects=rejects))
        rows = later
    stages.append(Stage(name="solve", unit="problems", rows_in=rows, rows_out=verdicts, rejects=solved))
    dropped = {reason: n for reason, n in report.traces.items() if reason != PUBLISHED}
    stages.append(Stage(name="publish", unit="traces", rows_in=report.generated, rows_out=shard_rows, rejects=dropped))
    return stages


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
