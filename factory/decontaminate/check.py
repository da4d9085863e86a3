"""Compare training problems with the benchmarks: nearest neighbours, every signal, one decision with its reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from factory.decontaminate.benchmarks import BenchmarkId
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.decontaminate.rule import PairDecision, apply_judge, judge_pair
from factory.decontaminate.signals import signals
from factory.errors import FactoryError
from factory.recipe import Decontaminate
from factory.records import Neighbour, Problem

CONTAMINATED, UNDECIDED, CLEAN = "contaminated", "undecided", "clean"


@dataclass(frozen=True, slots=True)
class CheckedProblem:
    """A problem with its nearest benchmark problems, and the decision on it.

    `benchmark`, `benchmark_id`, `rule` and `reason` name the pair that decided: the one with the highest score.
    """

    problem: Problem
    contaminated: bool
    score: float
    rule: str
    reason: str
    benchmark: str
    benchmark_id: str

    @property
    def undecided(self) -> list[Neighbour]:
        """The neighbours inside the band, for the pair check program to settle."""
        return [neighbour for neighbour in self.problem.neighbours if neighbour.verdict == UNDECIDED]


def check(
    problems: Sequence[Problem], index: BenchmarkIndex, embedder: Embedder, config: Decontaminate | None = None
) -> list[CheckedProblem]:
    """Check a batch, in order. Each of the `config.neighbours` nearest benchmark problems becomes a neighbour, once
    per benchmark that holds it; `verdict` is contaminated, undecided or clean."""
    if index.embedding != embedder.key:
        raise FactoryError(
            "the benchmark index was made by another embedding",
            why=f"index: {index.embedding}; recipe: {embedder.key}",
            remedy="build the index again, or restore the recipe's decontaminate.embedding",
        )
    config = config or Decontaminate()
    texts = [problem.text for problem in problems]
    found = index.search(texts, embedder.embed(texts), config.neighbours)
    return [_check_one(p, nearest, index, config) for p, nearest in zip(problems, found, strict=True)]


def settle(
    checked: CheckedProblem, answers: Mapping[BenchmarkId, bool | None], config: Decontaminate | None = None
) -> CheckedProblem:
    """The decision once a judge has answered for undecided neighbours; None (no usable answer) keeps the score."""
    config = config or Decontaminate()
    neighbours = [_answered(n, answers.get(BenchmarkId(n.benchmark, n.id))) for n in checked.problem.neighbours]
    return decide(dataclasses.replace(checked.problem, neighbours=neighbours), config)


def decide(problem: Problem, config: Decontaminate) -> CheckedProblem:
    """The decision from the neighbours on a row, as stored: any contaminated pair decides; if there is none, the
    highest score in the band against the threshold."""
    if not problem.neighbours:
        return CheckedProblem(problem, False, 0.0, "different", "no benchmark problem to compare with", "", "")
    rank = {CONTAMINATED: 2, UNDECIDED: 1, CLEAN: 0}
    worst = max(problem.neighbours, key=lambda n: (rank[n.verdict], n.signals["score"]))
    score = worst.signals["score"]
    above = worst.verdict == UNDECIDED and score >= config.threshold
    verdict = judge_pair(worst.signals, model=config.embedding.model, band=config.band)
    if "judge" in worst.signals:
        verdict = apply_judge(verdict, bool(worst.signals["judge"]))
    contaminated = worst.verdict == CONTAMINATED or above
    return CheckedProblem(problem, contaminated, score, verdict.rule, verdict.reason, worst.benchmark, worst.id)


def _check_one(
    problem: Problem,
    nearest: list[tuple[int, float]],
    index: BenchmarkIndex,
    config: Decontaminate,
) -> CheckedProblem:
    neighbours = []
    for row, cosine in nearest:
        entry = index.problems[row]
        measured = signals(problem.text, entry.text, cosine)
        verdict = judge_pair(measured, model=config.embedding.model, band=config.band)
        measured["score"] = verdict.score
        neighbours += [
            Neighbour(benchmark=p.benchmark, id=p.id, cosine=cosine, verdict=_word(verdict), signals=measured)
            for p in entry.places
        ]
    return decide(dataclasses.replace(problem, neighbours=neighbours), config)


def _answered(neighbour: Neighbour, answer: bool | None) -> Neighbour:
    if neighbour.verdict != UNDECIDED or answer is None:
        return neighbour
    signals = neighbour.signals | {"judge": float(answer)}
    return dataclasses.replace(neighbour, verdict=CONTAMINATED if answer else CLEAN, signals=signals)


def _word(verdict: PairDecision) -> str:
    return {True: CONTAMINATED, False: CLEAN, None: UNDECIDED}[verdict.contaminated]
