"""What journaled rows add up to: sums that each part carries in its footer, and their totals over a journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from typing import NamedTuple, Self

from factory.records import CuratedThread, Trace


@dataclass(frozen=True, slots=True)
class RowCount:
    """Rows, as often as the journal holds them. In a footer a count is the list of its numbers, in this order."""

    rows: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class SampleCount(RowCount):
    """Finished samples and their tokens; regenerated ones were generated twice because an engine died."""

    generated_tokens: int = 0
    tool_tokens: int = 0
    regenerated_tokens: int = 0

    @staticmethod
    def of(trace: Trace) -> SampleCount:
        return SampleCount(1, trace.n_generated_tokens, trace.n_tool_tokens, trace.n_regenerated_tokens)


@dataclass(frozen=True, slots=True)
class CuratedCount(RowCount):
    """Curated threads, the problems of them that continue, and all problems that they state."""

    passed: int = 0
    found: int = 0

    @staticmethod
    def of(thread: CuratedThread) -> CuratedCount:
        return CuratedCount(1, len(thread.problems), thread.n_found)


Tally = Mapping[str, RowCount]
"""Counts by heading: of samples "mode/tool", with "/task/teacher" where these are not the usual ones, of rejects
"kind/stage/reason", of annotations their name, of other kinds the empty string."""


def sums(tallies: Iterable[Tally]) -> dict[str, RowCount]:
    """The sum under each heading. All tallies are of one row kind."""
    found: dict[str, RowCount] = {}
    for tally in tallies:
        for heading, count in tally.items():
            found[heading] = found[heading] + count if heading in found else count
    return found


class RejectReason(NamedTuple):
    """Of what kind the row was (thread, problem, trace), and where and why it left."""

    kind: str
    stage: str
    reason: str

    @staticmethod
    def of(heading: str) -> RejectReason:
        return RejectReason(*heading.split("/", 2))

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalCounts:
    """What a journal holds, rows that it holds twice counted twice; of what is finished, distinct ids."""

    samples: Mapping[str, SampleCount] = field(default_factory=dict)
    """By heading."""
    verdicts: int = 0
    rejects: Mapping[RejectReason, int] = field(default_factory=dict)
    curated: CuratedCount = CuratedCount()
    finished: int = 0
    """Problems and threads."""
    finished_threads: int = 0

    @property
    def finished_problems(self) -> int:
        return self.finished - self.finished_threads

    @property
    def all_samples(self) -> SampleCount:
        """Over all modes, with Python and without."""
        return sum(self.samples.values(), SampleCount())
