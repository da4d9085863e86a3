"""The decontamination report of a run, from its journal: verdicts and rejects carry what a problem was compared with.

Kept problems are counted column by column; only those nearest to the border become rows. A problem counts once.
"""

from __future__ import annotations

import dataclasses
import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc

from factory import settings
from factory.decontaminate.check import CONTAMINATED, UNDECIDED, Checked, decide
from factory.recipe import Decontaminate
from factory.records import Problem, Reject, Verdict, from_dict
from factory.report.columnar import flat, largest, tables
from factory.report.decontamination import DecontaminationReport
from factory.report.figures import fresh, withdrawn
from factory.store.fs import Store
from factory.store.ids import scoped
from factory.store.outcome import WITHDRAWN
from factory.store.parts import DIRECTORIES, read_info, read_rows
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
    for removed, values in _rejects(run, seen):
        if removed:
            report.add(dataclasses.replace(_decided(from_dict(Problem, values), config), contaminated=True), texts)
            continue
        cosine = max(neighbour["cosine"] for neighbour in values["neighbours"])
        doubt = any(neighbour["verdict"] == UNDECIDED for neighbour in values["neighbours"])
        report.count_kept(np.array([cosine]), int(doubt))
        nearest.offer(cosine + doubt, values)
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
        """The rows themselves, from the journal where they have to be read."""
        kept = [problem for _, _, problem in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]
        places = {key: entry for entry in run.store.list(DIRECTORIES[Verdict]) if (key := entry.key)}
        for problem in kept:
            if isinstance(problem, dict):
                yield from_dict(Problem, problem)
                continue
            key, owner = problem
            info = read_info(run.store, places[key])
            groups = [number for number, owners in enumerate(info.groups) if owner in owners] if info else []
            yield from (verdict.problem for n in groups[:1] for verdict in read_rows(run.store, Verdict, key, n, owner))


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
