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
from factory.decontaminate.check import CONTAMINATED, UNDECIDED, Checked, decide
from factory.recipe import Decontaminate
from factory.records import Problem, Reject, Verdict
from factory.report.columnar import flat, largest, tables
from factory.report.decontamination import DecontaminationReport
from factory.report.figures import fresh, withdrawn
from factory.store.fs import Entry, Store
from factory.store.ids import scoped
from factory.store.outcome import WITHDRAWN
from factory.store.parts import DIRECTORIES, read_info
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
        """Raises `FileNotFoundError` where the run was compared with nothing, or has not come so far."""
        found = StoredBenchmarks()
        for line in store.read("benchmarks/problems.jsonl").decode().split("\n"):
            row = json.loads(line) if line else {"places": []}
            for place in row["places"]:
                found.benchmarks[place["benchmark"]] = found.benchmarks.get(place["benchmark"], 0) + 1
                found.texts[place["benchmark"], place["id"]] = row["text"]
        return found


def of_run(run: Run) -> dict[str, Any] | None:
    """What `DecontaminationReport.as_dict` gives, over all problems that have ended; None where nothing is compared."""
    try:
        texts = StoredBenchmarks.read(run.store)
    except FileNotFoundError:
        return None
    config = settings.validate(Decontaminate, run.recipe["decontaminate"], "run.json")
    report, nearest, gone = DecontaminationReport(), _Nearest(), withdrawn(run)
    report.compared_with(texts)
    seen = set(gone)
    _verdicts(run, report, nearest, seen)
    seen -= gone
    kept, in_doubt = list[float](), 0
    for removed, values in _rejects(run, seen):
        if removed:
            report.add(dataclasses.replace(_decided(from_dict(Problem, values), config), contaminated=True), texts)
            continue
        cosine = max(neighbour["cosine"] for neighbour in values["neighbours"])
        doubt = any(neighbour["verdict"] == UNDECIDED for neighbour in values["neighbours"])
        nearest.offer(cosine + doubt, values)
        kept.append(cosine)
        in_doubt += doubt
    report.count_kept(np.array(kept), in_doubt)
    for problem in nearest.problems(run):
        checked = _decided(problem, config)
        if not checked.contaminated:
            report.show(checked, texts)
    return report.as_dict()


def _decided(problem: Problem, config: Decontaminate) -> Checked:
    """The decision read off the row again; its rule is lost where today's rule asks for signals that the row lacks."""
    try:
        return decide(problem, config)
    except KeyError:
        worst = max(problem.neighbours, key=lambda n: (n.verdict == CONTAMINATED, n.signals.get("score", n.cosine)))
        score = worst.signals.get("score", worst.cosine)
        reason = "decided by an earlier version of the rule"
        return Checked(problem, worst.verdict == CONTAMINATED, score, "earlier", reason, worst.benchmark, worst.id)


class _Nearest:
    """The kept problems that may be worth reading: as values where they are at hand, else where their verdict lies."""

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

    def problems(self, run: Run) -> Iterator[Problem]:
        """The rows themselves; those that have a verdict are read from the journal, each part once."""
        kept = [problem for _, _, problem in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]
        yield from (from_dict(Problem, problem) for problem in kept if isinstance(problem, dict))
        by_part: dict[str, set[str]] = defaultdict(set)
        for place in kept:
            if isinstance(place, tuple):
                by_part[place[0]].add(place[1])
        for entry in run.store.list(DIRECTORIES[Verdict]):
            if owners := by_part.get(entry.key):
                yield from _read(run, entry, owners)


def _read(run: Run, entry: Entry, owners: set[str]) -> Iterator[Problem]:
    """The problems of these owners in one part of verdicts."""
    info = read_info(run.store, entry)
    with run.store.parquet(entry.key, entry.size) as file:
        for number, group in enumerate(info.groups if info else []):
            if mine := owners.intersection(group):
                owners -= mine
                table = file.read_row_group(number, columns=["problem"])
                ids = pc.struct_field(table["problem"], "id")
                wanted = table.filter(pc.is_in(ids, pa.array(sorted(mine))))
                yield from (from_dict(Problem, row["problem"]) for row in wanted.slice(0, len(mine)).to_pylist())


def _verdicts(run: Run, report: DecontaminationReport, nearest: _Nearest, seen: set[int]) -> None:
    columns = ["problem.id", *(f"problem.neighbours.list.element.{name}" for name in ("cosine", "verdict"))]
    for key, table in tables(run, Verdict, columns):
        mine = table.filter(fresh(pc.struct_field(table["problem"], "id").to_pylist(), seen))
        neighbours = pc.struct_field(mine["problem"], "neighbours")
        each = flat(neighbours)
        cosines = largest(neighbours, np.asarray(pc.struct_field(each, "cosine"), dtype=np.float64), -1.0)
        in_doubt = np.asarray(pc.equal(pc.struct_field(each, "verdict"), UNDECIDED), dtype=np.float64)
        doubt = largest(neighbours, in_doubt, 0.0)
        compared = np.flatnonzero(cosines > -1.0)
        report.count_kept(cosines[compared], int(doubt.sum()))
        ranks = cosines + doubt
        for place in sorted(compared, key=lambda n: -ranks[n])[:_CANDIDATES]:
            nearest.offer(float(ranks[place]), (key, mine["problem"][place]["id"].as_py()))


def _rejects(run: Run, seen: set[int]) -> Iterator[tuple[bool, dict[str, Any]]]:
    """Problems without a verdict that were compared: whether decontamination removed them, and their values."""
    for _, table in tables(run, Reject, ["id", "kind", "stage", "reason", "row"]):
        names = [table[name].to_pylist() for name in ("id", "kind")]
        mine = table.filter(fresh([scoped(*pair) for pair in zip(*names, strict=True)], seen))
        for stage, reason, row in zip(*(mine[n].to_pylist() for n in ("stage", "reason", "row")), strict=True):
            if '"neighbours": [{' in row:
                yield stage in _REMOVING and reason == "contaminated", json.loads(row)
