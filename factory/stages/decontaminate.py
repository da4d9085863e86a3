"""Decontaminate: problems with their nearest benchmark problems on the row; those that are too close leave."""

from __future__ import annotations

import json
import uuid

import pyarrow as pa

from factory.decontaminate.check import UNDECIDED, Checked, check
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.recipe import Recipe
from factory.records import Problem, Reject, from_table, to_dict, to_table
from factory.store.run import Run

STAGE = "decontaminate"


class Decontaminate:
    """`Problem` rows in and out. Rejects are in the journal before the batch is handed on.

    Where the recipe lets a judge settle close calls, problems in the band go on; the next stage asks.
    """

    def __init__(self, run: Run, recipe: Recipe, index: BenchmarkIndex) -> None:
        self._config = recipe.decontaminate
        self._index = index
        self._embedder = Embedder(self._config.embedding, cache=self._config.cache)
        self._journal = run.writer(f"decontaminate-{uuid.uuid4().hex[:8]}", recipe)

    def __call__(self, batch: pa.Table) -> pa.Table:
        checked = check(from_table(Problem, batch), self._index, self._embedder, self._config)
        kept = [c for c in checked if not c.contaminated or self._asks_judge(c)]
        out = [c for c in checked if c.contaminated and not self._asks_judge(c)]
        for row in out:
            self._journal.append(contaminated(row))
        if out:
            self._journal.flush()
        return to_table(Problem, [c.problem for c in kept])

    def _asks_judge(self, checked: Checked) -> bool:
        certain = any(n.verdict == "contaminated" for n in checked.problem.neighbours)
        return self._config.judge == "undecided" and bool(checked.undecided) and not certain


def undecided(problem: Problem) -> bool:
    """Whether a judge has still to say something about this problem."""
    return any(neighbour.verdict == UNDECIDED for neighbour in problem.neighbours)


def contaminated(checked: Checked) -> Reject:
    """The reject of a contaminated problem: which benchmark problem it is too close to, how close, and why."""
    problem = checked.problem
    cosine = max(
        n.cosine for n in problem.neighbours if (n.benchmark, n.id) == (checked.benchmark, checked.benchmark_id)
    )
    return Reject(
        id=problem.id,
        kind="problem",
        stage=STAGE,
        reason="contaminated",
        detail=f"{checked.benchmark}/{checked.benchmark_id}: {checked.reason} "
        f"(cosine {cosine:.3f}, score {checked.score:.3f})",
        row=json.dumps(to_dict(problem), ensure_ascii=False),
        position=problem.position,
    )
