"""The decontamination report of a run, from its journal: verdicts and rejects carry what a problem was compared with.

Kept problems are counted column by column; only those nearest to the border become rows. A problem counts once.
"""

from __future__ import annotations

import dataclasses
import heapq
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from factory import settings
from factory.arrow import from_dict
from factory.decontaminate.check import CONTAMINATED, UNDECIDED, CheckedProblem, decide
from factory.recipe import Decontaminate
from factory.records import Problem, Reject, Verdict
from factory.report.columnar import flat, largest
from factory.report.decontamination import DecontaminationReport
from factory.store.fs import Store
from factory.store.outcome import WITHDRAWN
from factory.store.parts import PartInfo
from factory.store.reader import JournalReader
from factory.store.row_kind import OWNER
from factory.store.run import Run

_REMOVING = ("decontaminate", WITHDRAWN)
_CANDIDATES = 60
"""Kept problems whose whole row is looked at: those in doubt first, then by cosine."""


@dataclass(frozen=True, slots=True)
class StoredBenchmarks:
    """The benchmark problems that a run keeps: names with numbers of problems, and the texts."""

    benchmarks: dict[str, int] = field(default_factory=dict)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)

    def text_of(self, benchmark: str, id: str) -> str:
        return self.texts.get((benchmark, id), "(this text is not stored with the run)")

    @staticmethod
    def read(store: Store) -> StoredBenchmarks:
        """Raises `FileNotFoundError` if the run was compared with nothing, or has not come so far."""
        found = StoredBenchmarks()
        for line in store.read("benchmarks/problems.jsonl").decode().split("\n"):
            row = json.loads(line) if line else {"places": []}
            for place in row["places"]:
                found.benchmarks[place["benchmark"]] = found.benchmarks.get(place["benchmark"], 0) + 1
                found.texts[place["benchmark"], place["id"]] = row["text"]
        return found


def of_run(run: Run, journal: JournalReader | None = None) -> dict[str, Any] | None:
    """What `DecontaminationReport.as_dict` gives, over all problems that have ended; None if nothing is compared."""
    try:
        texts = StoredBenchmarks.read(run.store)
    except FileNotFoundError:
        return None
    config = settings.validate(Decontaminate, run.recipe["decontaminate"], "run.json")
    report, nearest, journal = DecontaminationReport(), _Nearest(), journal or run.reader()
    report.compared_with(texts)
    _verdicts(journal, report, nearest)
    kept, in_doubt = list[float](), 0
    for removed, values in _rejects(journal):
        if removed:
            report.add(dataclasses.replace(_decided(from_dict(Problem, values), config), contaminated=True), texts)
            continue
        cosine = max(neighbour["cosine"] for neighbour in values["neighbours"])
        doubt = any(neighbour["verdict"] == UNDECIDED for neighbour in values["neighbours"])
        nearest.offer(cosine + doubt, values)
        kept.append(cosine)
        in_doubt += doubt
    report.count_kept(np.array(kept), in_doubt)
    for problem in nearest.problems(journal):
        checked = _decided(problem, config)
        if not checked.contaminated:
            report.show(checked, texts)
    return report.as_dict()


def _decided(problem: Problem, config: Decontaminate) -> CheckedProblem:
    """The decision read off the row again; its rule is lost where today's rule asks for signals that the row lacks."""
    try:
        return decide(problem, config)
    except KeyError:
        worst = max(problem.neighbours, key=lambda n: (n.verdict == CONTAMINATED, n.signals.get("score", n.cosine)))
        score = worst.signals.get("score", worst.cosine)
        reason = "decided by an earlier version of the rule"
        return CheckedProblem(
            problem, worst.verdict == CONTAMINATED, score, "earlier", reason, worst.benchmark, worst.id
        )


class _Nearest:
    """The kept problems that may be worth reading: as values where they are at hand, else where to find them."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, dict[str, Any] | tuple[str, str]]] = []
        self._offers = 0

    def offer(self, rank: float, problem: dict[str, Any] | tuple[str, str]) -> None:
        """Keep it if it ranks high enough. Among equals the earlier one stays."""
        self._offers += 1
        entry = (rank, -self._offers, problem)
        if len(self._heap) < _CANDIDATES:
            heapq.heappush(self._heap, entry)
        elif rank > self._heap[0][0]:
            heapq.heapreplace(self._heap, entry)

    def problems(self, journal: JournalReader) -> Iterator[Problem]:
        """The rows themselves; those that have a verdict are read from the journal, each part once."""
        kept = [problem for _, _, problem in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]
        yield from (from_dict(Problem, problem) for problem in kept if isinstance(problem, dict))
        by_part: dict[str, set[str]] = defaultdict(set)
        for place in kept:
            if isinstance(place, tuple):
                by_part[place[0]].add(place[1])
        for info in journal.parts(Verdict):
            if owners := by_part.get(info.entry.key):
                yield from _read(journal, info, owners)


def _read(journal: JournalReader, part: PartInfo, owners: set[str]) -> Iterator[Problem]:
    """The problems of these owners in one part of verdicts."""
    for _, _, table in journal.counted(Verdict, ["problem"], [part]):
        wanted = table.filter(pc.is_in(table[OWNER], pa.array(sorted(owners))))
        yield from (from_dict(Problem, row["problem"]) for row in wanted.to_pylist())


def _verdicts(journal: JournalReader, report: DecontaminationReport, nearest: _Nearest) -> None:
    columns = ["problem.id", *(f"problem.neighbours.list.element.{name}" for name in ("cosine", "verdict"))]
    for part, _, table in journal.counted(Verdict, columns):
        neighbours = pc.struct_field(table["problem"], "neighbours")
        each = flat(neighbours)
        cosines = largest(neighbours, np.asarray(pc.struct_field(each, "cosine"), dtype=np.float64), -1.0)
        in_doubt = np.asarray(pc.equal(pc.struct_field(each, "verdict"), UNDECIDED), dtype=np.float64)
        doubt = largest(neighbours, in_doubt, 0.0)
        compared = np.flatnonzero(cosines > -1.0)
        report.count_kept(cosines[compared], int(doubt.sum()))
        ranks = cosines + doubt
        for place in sorted(compared, key=lambda n: -ranks[n])[:_CANDIDATES]:
            nearest.offer(float(ranks[place]), (part.key, table["problem"][place]["id"].as_py()))


def _rejects(journal: JournalReader) -> Iterator[tuple[bool, dict[str, Any]]]:
    """Problems without a verdict that were compared: whether decontamination removed them, and their values."""
    for _, _, table in journal.counted(Reject, ["stage", "reason", "row"]):
        for stage, reason, row in zip(*(table[n].to_pylist() for n in ("stage", "reason", "row")), strict=True):
            if '"neighbours": [{' in row:
                yield stage in _REMOVING and reason == "contaminated", json.loads(row)
