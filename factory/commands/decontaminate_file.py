"""`factory decontaminate`: the rows of a JSON lines file against benchmark files, or pair by pair; one line per row.

A row that cannot be used gets a line too, with `error` naming file and line: the output always has as many lines as the
input has rows, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from factory import settings
from factory.commands import jsonl
from factory.decontaminate.benchmarks import BenchmarkId
from factory.decontaminate.check import CheckedProblem, check, settle
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.decontaminate.rule import PairDecision, apply_judge, judge_pair
from factory.decontaminate.signals import signals
from factory.errors import FactoryError
from factory.recipe import Decontaminate
from factory.records import Problem

PairJudge = Callable[[Sequence[tuple[str, str]]], Sequence[bool | None]]
"""Says of (training problem, benchmark problem) pairs whether they are the same; None if it cannot tell."""

_ROWS_PER_BATCH = 2048


def answers(
    *,
    problems: str | None = None,
    benchmarks: Sequence[str] = (),
    pairs: str | None = None,
    overrides: Sequence[str] = (),
    observe: Callable[[CheckedProblem, BenchmarkIndex], None] | None = None,
    judge: PairJudge | None = None,
) -> Iterator[dict[str, Any]]:
    """The answers of the form that the options mean. Raises FactoryError where they do not fit together."""
    config = settings.validate(Decontaminate, settings.override({}, overrides), "--set")
    if pairs and not problems and not benchmarks and not observe:
        return decontaminate_pairs(pairs, config, judge)
    if problems and benchmarks and not pairs:
        return decontaminate_file(problems, benchmarks, config, observe, judge)
    raise FactoryError(
        "decontaminate takes either --problems with --benchmarks, or --pairs (of which there is no report)",
        remedy="factory decontaminate --problems A.jsonl --benchmarks B.jsonl C.jsonl --out R.jsonl",
    )


def decontaminate_file(
    problems: str,
    benchmarks: Sequence[str],
    config: Decontaminate | None = None,
    observe: Callable[[CheckedProblem, BenchmarkIndex], None] | None = None,
    judge: PairJudge | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield {"id", "contaminated", "score", "reason", "nearest"} for each row {"id", "problem"}, in order.

    `observe` sees each checked problem with the index that it was checked against; `judge` settles the pairs that the
    rules leave open.
    """
    config = config or Decontaminate()
    embedder = Embedder(config.embedding, cache=config.cache)
    rows = _read(problems, ("id", "problem"), text=("problem",))
    index = BenchmarkIndex.build(benchmarks, embedder)

    def answer(good: list[jsonl.JsonRow]) -> list[dict[str, Any]]:
        batch = [Problem(id=str(row.id), text=row.values["problem"]) for row in good]
        checked = check(batch, index, embedder, config)
        if judge:
            checked = settle_batch(checked, index, judge, config)
        if observe:
            for found in checked:
                observe(found, index)
        return [{"id": row.id, **as_json(found)} for row, found in zip(good, checked, strict=True)]

    bad: dict[str, Any] = {"contaminated": None, "score": None, "reason": "bad row", "nearest": []}
    yield from _answered(rows, answer, lambda row: {"id": row.id, **bad, "error": row.error})


def decontaminate_pairs(
    pairs: str, config: Decontaminate | None = None, judge: PairJudge | None = None
) -> Iterator[dict[str, Any]]:
    """Yield {"contaminated", "score", "reason", "signals"} for each {"train_problem", "benchmark_problem"} row."""
    config = config or Decontaminate()
    embedder = Embedder(config.embedding, cache=config.cache)
    keys = ("train_problem", "benchmark_problem")

    def answer(good: list[jsonl.JsonRow]) -> list[dict[str, Any]]:
        sides = [[row.values[key] for row in good] for key in keys]
        cosines = np.einsum("ij,ij->i", *(embedder.embed(side) for side in sides))
        measured = [signals(one, two, float(c)) for one, two, c in zip(*sides, cosines, strict=True)]
        verdicts = [judge_pair(values, model=config.embedding.model, band=config.band) for values in measured]
        open_rows = [i for i, verdict in enumerate(verdicts) if verdict.contaminated is None] if judge else []
        said = judge([(sides[0][i], sides[1][i]) for i in open_rows]) if judge and open_rows else []
        for i, same in zip(open_rows, said, strict=True):
            verdicts[i] = apply_judge(verdicts[i], same)
        return [_judged(verdict, values, config) for verdict, values in zip(verdicts, measured, strict=True)]

    bad: dict[str, Any] = {"contaminated": None, "score": None, "reason": "bad row", "signals": {}}
    yield from _answered(_read(pairs, keys, text=keys), answer, lambda row: {**bad, "error": row.error})


def settle_batch(
    checked: Sequence[CheckedProblem], index: BenchmarkIndex, judge: PairJudge, config: Decontaminate
) -> list[CheckedProblem]:
    """Every problem decided again, once `judge` has answered for all neighbours that the rules left open."""
    places = [(row, BenchmarkId(n.benchmark, n.id)) for row, found in enumerate(checked) for n in found.undecided]
    texts = [(checked[row].problem.text, index.text_of(place.benchmark, place.id)) for row, place in places]
    distinct = list(dict.fromkeys(texts))
    said = dict(zip(distinct, judge(distinct), strict=True)) if distinct else {}
    answers: dict[int, dict[BenchmarkId, bool | None]] = {}
    for (row, place), pair in zip(places, texts, strict=True):
        answers.setdefault(row, {})[place] = said[pair]
    return [settle(found, answers[row], config) if row in answers else found for row, found in enumerate(checked)]


def _judged(verdict: PairDecision, measured: dict[str, float], config: Decontaminate) -> dict[str, Any]:
    return {
        "contaminated": verdict.decide(config.threshold),
        "score": round(verdict.score, 4),
        "reason": verdict.reason,
        "signals": {name: round(value, 4) for name, value in measured.items()},
    }


def as_json(checked: CheckedProblem) -> dict[str, Any]:
    """What was found of one problem, as a command prints it."""
    return {
        "contaminated": checked.contaminated,
        "score": round(checked.score, 4),
        "reason": checked.reason,
        "nearest": [
            {
                "benchmark": n.benchmark,
                "id": n.id,
                "cosine": round(n.cosine, 4),
                "ngram": round(n.signals["ngram_forward"], 4),
                "score": round(n.signals["score"], 4),
                "verdict": n.verdict,
            }
            for n in checked.problem.neighbours
        ],
    }


def _answered(
    rows: Iterator[jsonl.JsonRow],
    answer: Callable[[list[jsonl.JsonRow]], list[dict[str, Any]]],
    refuse: Callable[[jsonl.JsonRow], dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Answers for the good rows of each batch, refusals for the bad ones, in the order of the rows."""
    while batch := list(islice(rows, _ROWS_PER_BATCH)):
        good = [row for row in batch if not row.error]
        answers = iter(answer(good) if good else [])
        for row in batch:
            yield refuse(row) if row.error else next(answers)


def _read(path: str, keys: tuple[str, ...], text: tuple[str, ...]) -> Iterator[jsonl.JsonRow]:
    def check(values: dict[str, Any]) -> str:
        if problem := jsonl.lacks(values, keys):
            return problem
        bad = [key for key in text if not isinstance(values[key], str) or not values[key].strip()]
        return f"{bad[0]} is not text" if bad else ""

    return jsonl.read(path, check, remedy=f"give a file of JSON lines with {' and '.join(keys)}")
