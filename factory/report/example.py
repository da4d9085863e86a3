"""One problem to read: a trace of each mode, with Python and without, side by side."""

from __future__ import annotations

from dataclasses import dataclass

from factory.arrow import from_table
from factory.records import Judgement, SampleKey, Trace, Verdict
from factory.store.kinds import owner_of
from factory.store.parts import PartInfo
from factory.store.reader import JournalReader

_PARTS, _VERDICTS = 8, 100
"""How many parts, and verdicts of each, are looked through for a problem worth reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A problem and its traces: of each mode and tool one, a right one if there is one, with its judgement."""

    verdict: Verdict
    traces: list[tuple[Trace, Judgement]]


def example(journal: JournalReader) -> Example | None:
    """The problem among the latest that modes and tools agree on least; None before there is a verdict."""
    for part in reversed(journal.parts(Verdict)[-_PARTS:]):
        candidates = sorted(_verdicts(journal, part), key=_worth_reading, reverse=True)[:3]
        for verdict in candidates:
            traces = _traces(journal, verdict)
            if traces:
                return Example(verdict=verdict, traces=traces)
    return None


def _verdicts(journal: JournalReader, part: PartInfo) -> list[Verdict]:
    _, _, table = next(journal.counted(Verdict, parts=[part]), (None, None, None))
    return [] if table is None else from_table(Verdict, table.slice(0, _VERDICTS))


def _worth_reading(verdict: Verdict) -> tuple[bool, float, int]:
    """Every mode right at times, and far apart in how often; then the longest problem."""
    rates = [regime.accuracy for regime in verdict.regimes]
    return min(rates, default=0.0) > 0, max(rates, default=0.0) - min(rates, default=0.0), len(verdict.problem.text)


def _traces(journal: JournalReader, verdict: Verdict) -> list[tuple[Trace, Judgement]]:
    """One trace of each mode and tool that this verdict judged."""
    wanted = _chosen(verdict)
    found = {
        trace.key: trace
        for trace in journal.rows(Trace, owner_of(verdict))
        if trace.key in wanted and wanted[trace.key].uid == trace.uid
    }
    return [(found[key], judgement) for key, judgement in wanted.items() if key in found]


def _chosen(verdict: Verdict) -> dict[SampleKey, Judgement]:
    order = {"high": 0, "medium": 1, "low": 2}
    best: dict[tuple[int, bool], Judgement] = {}
    for judgement in verdict.judgements:
        place = (order[judgement.mode], not judgement.tool)
        if place not in best or (judgement.equal is True and best[place].equal is not True):
            best[place] = judgement
    return {j.key(verdict.problem.id): j for _, j in sorted(best.items(), key=lambda item: item[0])}
