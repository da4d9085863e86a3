"""The funnel: how many rows entered each stage, left it, and were rejected for which reason. It must add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from factory.store.outcome import WITHDRAWN
from factory.store.report import PUBLISHED, PublishReport

VERDICT, UNFINISHED = "verdict", "unfinished"
ORDER = ("near_duplicates", "decontaminate")  # of the stages between curate and solve


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


def funnel(read: Stage, report: PublishReport, shard_rows: int, threads: int = 0) -> list[Stage]:
    """The stages of a run: how its inputs were read, what became of every thread, of every problem, and of every trace.

    `read` is the account of the ingest, of whose rows `threads` are threads; `report` is the account of the journal,
    `shard_rows` the rows of the published files.
    """
    by_stage = _rejects_by_stage(report)
    stages, rows = [read], read.rows_out - threads
    if threads:
        stages += _curation(threads, report.curated, by_stage)
        rows += stages[-1].rows_out
    solved, verdicts = by_stage.pop(("problem", "solve"), Counter()), report.problems.get(VERDICT, 0)
    withdrawn = by_stage.pop(("problem", WITHDRAWN), Counter())
    in_the_end, verdicts = verdicts, verdicts + withdrawn.total()
    order = sorted(by_stage, key=lambda place: (ORDER.index(place[1]) if place[1] in ORDER else -1, place))
    later = sum(rejects.total() for rejects in by_stage.values()) + solved.total() + verdicts
    for place in order:
        later -= by_stage[place].total()
        stages.append(Stage(name=place[1], unit="problems", rows_in=rows, rows_out=later, rejects=by_stage[place]))
        rows = later
    stages.append(Stage(name="solve", unit="problems", rows_in=rows, rows_out=verdicts, rejects=solved))
    if withdrawn:
        stages.append(Stage(name=WITHDRAWN, unit="problems", rows_in=verdicts, rows_out=in_the_end, rejects=withdrawn))
    dropped = {reason: n for reason, n in report.traces.items() if reason != PUBLISHED}
    stages.append(Stage(name="publish", unit="traces", rows_in=report.generated, rows_out=shard_rows, rejects=dropped))
    return stages


def _curation(
    threads: int, curated: Mapping[str, int], by_stage: dict[tuple[str, str], Counter[str]]
) -> Iterator[Stage]:
    """Threads that state problems, then those of the problems that continue. Takes its rejects out of `by_stage`."""
    for name, unit, rows_in, rows_out, kind in (
        ("extract", "threads", threads, curated.get("threads", 0), "thread"),
        ("curate", "problems", curated.get("found", 0), curated.get("passed", 0), "problem"),
    ):
        rejects = by_stage.pop((kind, "curate"), Counter())
        yield Stage(name=name, unit=unit, rows_in=rows_in, rows_out=rows_out, rejects=rejects)


def _rejects_by_stage(report: PublishReport) -> dict[tuple[str, str], Counter[str]]:
    """Kind and stage -> reason -> rejected rows."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for outcome, n in report.problems.items():
        if outcome not in (VERDICT, UNFINISHED):
            kind, stage, reason = outcome.split("/", 2)
            found.setdefault((kind, stage), Counter())[reason] += n
    return found


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
