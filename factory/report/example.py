"""One problem to read: a trace of each mode, with Python and without, side by side."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from factory.arrow import from_table
from factory.records import Judgement, SampleKey, Trace, Verdict
from factory.store.fs import Entry
from factory.store.ids import owner_of
from factory.store.parts import DIRECTORIES, read_info, read_rows
from factory.store.run import Run

_PARTS, _VERDICTS = 8, 100
"""How many parts, and verdicts of each, are looked through for a problem worth reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A problem and its traces: of each mode and tool one, a right one where there is one, with its judgement."""

    verdict: Verdict
    traces: list[tuple[Trace, Judgement]]


def example(run: Run) -> Example | None:
    """The problem among the latest that modes and tools agree on least; None before there is a verdict."""
    entries = [entry for entry in run.store.list(DIRECTORIES[Verdict]) if entry.key.endswith(".parquet")]
    for entry in reversed(entries[-_PARTS:]):
        candidates = sorted(_verdicts(run, entry), key=_worth_reading, reverse=True)[:3]
        for verdict in candidates:
            traces = _traces(run, entry.key, verdict)
            if traces:
                return Example(verdict=verdict, traces=traces)
    return None


def _verdicts(run: Run, entry: Entry) -> list[Verdict]:
    if read_info(run.store, entry, run.fingerprint) is None:
        return []
    try:
        with run.store.parquet(entry.key, entry.size) as file:
            return from_table(Verdict, file.read_row_group(0).slice(0, _VERDICTS))
    except (pa.ArrowException, OSError):
        return []


def _worth_reading(verdict: Verdict) -> tuple[bool, float, int]:
    """Every mode right at times, and far apart in how often; then the longest problem."""
    rates = [regime.accuracy for regime in verdict.regimes]
    return min(rates, default=0.0) > 0, max(rates, default=0.0) - min(rates, default=0.0), len(verdict.problem.text)


def _traces(run: Run, verdict_key: str, verdict: Verdict) -> list[tuple[Trace, Judgement]]:
    """One trace of each mode and tool that this verdict judged, from the parts of the worker that wrote it."""
    worker = "-".join(verdict_key.rsplit("/", 1)[1].split("-")[1:-2])
    wanted = _chosen(verdict)
    owner = owner_of(verdict)
    found: dict[SampleKey, Trace] = {}
    for entry in run.store.list(DIRECTORIES[Trace]):
        if f"-{worker}-" not in entry.key or len(found) == len(wanted):
            continue
        info = read_info(run.store, entry, run.fingerprint)
        groups = [n for n, owners in enumerate(info.groups) if owner in owners] if info else []
        for trace in (t for n in groups for t in read_rows(run.store, Trace, entry.key, n, owner)):
            if trace.key in wanted and wanted[trace.key].uid == trace.uid:
                found[trace.key] = trace
    return [(found[key], judgement) for key, judgement in wanted.items() if key in found]


def _chosen(verdict: Verdict) -> dict[SampleKey, Judgement]:
    order = {"high": 0, "medium": 1, "low": 2}
    best: dict[tuple[int, bool], Judgement] = {}
    for judgement in verdict.judgements:
        place = (order[judgement.mode], not judgement.tool)
        if place not in best or (judgement.equal is True and best[place].equal is not True):
            best[place] = judgement
    return {
        SampleKey(problem_id=verdict.problem.id, mode=j.mode, tool=j.tool, sample=j.sample): j
        for _, j in sorted(best.items(), key=lambda item: item[0])
    }
