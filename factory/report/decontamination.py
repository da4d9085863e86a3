"""What decontamination did and whether to believe it: counts per benchmark, the threshold curve, pairs to read.

Takes checked problems one by one and keeps counts and the few pairs that are shown, so that its memory does not grow
with the run. JSON for programs, one HTML page without network for people.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from factory.decontaminate.benchmarks import missing
from factory.decontaminate.check import CheckedProblem
from factory.errors import FactoryError
from factory.report.decontamination_page import page

STEPS = 50
"""The threshold curve has this many steps between cosine 0 and 1."""
_PAIRS_SHOWN = 25


class Benchmarks(Protocol):
    """What problems are compared with: names with numbers of problems, and the texts. `BenchmarkIndex` is one."""

    @property
    def benchmarks(self) -> dict[str, int]: ...

    def text_of(self, benchmark: str, id: str) -> str: ...


@dataclass(order=True)
class _ExamplePair:
    """A pair to read; ordered by how much it deserves to be read."""

    weight: float
    number: int
    pair: dict[str, Any] = field(compare=False)


@dataclass
class _BenchmarkHits:
    """What one benchmark has to do with the removed problems."""

    problems: set[str] = field(default_factory=set)
    removed: int = 0
    rules: Counter[str] = field(default_factory=Counter)


class DecontaminationReport:
    """`add` every checked problem, then `write` report.json and report.html."""

    def __init__(self) -> None:
        self._count = self._removed = self._undecided = 0
        self._benchmarks: dict[str, int] = {}
        self._hits: dict[str, _BenchmarkHits] = {}
        self._kept_at = Counter[int]()
        self._removed_at = Counter[int]()
        self._closest_kept: list[_ExamplePair] = []
        self._farthest_removed: list[_ExamplePair] = []

    def compared_with(self, benchmarks: Benchmarks) -> None:
        """List these benchmarks, hit or not."""
        self._benchmarks.update(
            {} if benchmarks.benchmarks.keys() <= self._benchmarks.keys() else benchmarks.benchmarks
        )

    def add(self, checked: CheckedProblem, index: Benchmarks) -> None:
        """Count one problem. `index` is what it was checked against: its texts are shown."""
        self._count += 1
        self.compared_with(index)
        self._undecided += bool(checked.undecided)
        nearest = max((n.cosine for n in checked.problem.neighbours), default=0.0)
        (self._removed_at if checked.contaminated else self._kept_at)[_step(nearest)] += 1
        if checked.contaminated:
            self._removed += 1
            self._hit(checked, index)
        self.show(checked, index)

    def count_kept(self, nearest: npt.NDArray[np.float64], undecided: int) -> None:
        """Count many kept problems by the cosine of the nearest benchmark problem; `show` those worth reading."""
        steps = np.clip((nearest * STEPS + 1e-9).astype(np.int64), 0, STEPS)
        self._kept_at.update(dict(enumerate(np.bincount(steps, minlength=STEPS + 1).tolist())))
        self._count += len(nearest)
        self._undecided += undecided

    def as_dict(self) -> dict[str, Any]:
        """The whole report as JSON values."""
        return {
            "problems": self._count,
            "removed": self._removed,
            "with_undecided_pairs": self._undecided,
            "benchmarks": {name: self._benchmark(name) for name in sorted(self._benchmarks)},
            "evaluated_on_but_not_compared": [b.name for b in missing(self._benchmarks)],
            "threshold_curve": self._curve(),
            "closest_kept": [shown.pair for shown in sorted(self._closest_kept, reverse=True)],
            "farthest_removed": [shown.pair for shown in sorted(self._farthest_removed, reverse=True)],
        }

    def write(self, target: str | Path) -> None:
        """The page at `target` and its numbers beside it as JSON; in a folder they are report.html and report.json.

        Raises `FactoryError` if the place cannot be written.
        """
        html = Path(target) if Path(target).suffix == ".html" else Path(target) / "report.html"
        report = self.as_dict()
        try:
            html.parent.mkdir(parents=True, exist_ok=True)
            html.with_suffix(".json").write_text(json.dumps(report, indent=1), encoding="utf-8")
            html.write_text(page(report), encoding="utf-8", errors="replace")
        except OSError as error:
            raise FactoryError(f"cannot write {html}", why=error.strerror or str(error)) from None

    def _hit(self, checked: CheckedProblem, index: Benchmarks) -> None:
        """Count for every benchmark that holds the text which decided: a problem may stand in several."""
        decided = index.text_of(checked.benchmark, checked.benchmark_id)
        names = set()
        for neighbour in checked.problem.neighbours:
            if index.text_of(neighbour.benchmark, neighbour.id) == decided:
                names.add(neighbour.benchmark)
                self._hits.setdefault(neighbour.benchmark, _BenchmarkHits()).problems.add(neighbour.id)
        for name in names:
            self._hits[name].removed += 1
            self._hits[name].rules[checked.rule] += 1

    def _benchmark(self, name: str) -> dict[str, Any]:
        hits = self._hits.get(name, _BenchmarkHits())
        return {
            "problems": self._benchmarks[name],
            "problems_found_in_training": len(hits.problems),
            "training_problems_removed": hits.removed,
            "by_rule": dict(sorted(hits.rules.items())),
        }

    def _curve(self) -> list[dict[str, float]]:
        """At each cosine threshold: what it alone would remove, and how much of that the verdict agrees to."""
        curve, removed, agreed = [], 0, 0
        for step in range(STEPS, -1, -1):
            removed += self._kept_at[step] + self._removed_at[step]
            agreed += self._removed_at[step]
            curve.append({"cosine": step / STEPS, "removed": removed, "agreed": agreed})
        return curve[::-1]

    def show(self, checked: CheckedProblem, index: Benchmarks) -> None:
        """Keep this pair to read if it lies nearer to the border than those kept so far. Counts nothing."""
        if not checked.benchmark:
            return
        shelf = self._farthest_removed if checked.contaminated else self._closest_kept
        weight = -checked.score if checked.contaminated else checked.score
        if len(shelf) == _PAIRS_SHOWN and weight <= shelf[0].weight:
            return
        pair = {
            "id": checked.problem.id,
            "problem": checked.problem.text,
            "benchmark": checked.benchmark,
            "benchmark_id": checked.benchmark_id,
            "benchmark_problem": index.text_of(checked.benchmark, checked.benchmark_id),
            "score": checked.score,
            "rule": checked.rule,
            "reason": checked.reason,
            "signals": _signals_of(checked),
        }
        add = heapq.heappush if len(shelf) < _PAIRS_SHOWN else heapq.heapreplace
        add(shelf, _ExamplePair(weight, -self._count, pair))


def _signals_of(checked: CheckedProblem) -> dict[str, float]:
    """The signals of the pair that decided."""
    place = (checked.benchmark, checked.benchmark_id)
    return next(n.signals for n in checked.problem.neighbours if (n.benchmark, n.id) == place)


def _step(cosine: float) -> int:
    return max(0, min(STEPS, int(cosine * STEPS + 1e-9)))
