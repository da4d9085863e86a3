"""`factory decontaminate`: the rows of a JSON lines file against benchmark files, or pair by pair; one line per row.

A row that cannot be used gets a line too, with `error` naming file and line: the output always has as many lines as the
input has rows, in order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from factory.decontaminate.benchmarks import Place
from factory.decontaminate.check import Checked, check, settle
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.decontaminate.rule import PairVerdict, judge_pair, settled_by_judge
from factory.decontaminate.signals import signals
from factory.errors import FactoryError
from factory.recipe import Decontaminate
from factory.records import Problem

PairJudge = Callable[[Sequence[tuple[str, str]]], Sequence[bool | None]]
"""Says of (training problem, benchmark problem) pairs whether they are the same; None where it cannot tell."""

_ROWS_PER_BATCH = 2048


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the input: its values, or what is wrong with it."""

    values: dict[str, Any]
    error: str = ""


def decontaminate_file(
    problems: str,
    benchmarks: Sequence[str],
    config: Decontaminate | None = None,
    observe: Callable[[Checked, BenchmarkIndex], None] | None = None,
    judge: PairJudge | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield {"id", "contaminated", "score", "reason", "nearest"} for each row {"id", "problem"}, in order.

    `observe` sees each checked problem with the index that it was checked against; `judge` settles the pairs that the
    rules leave open.
    """
    config = config or Decontaminate()
    embedder = Embedder(config.embedding, cache=config.cache)
    rows = _rows(problems, ("id", "problem"), text=("problem",))
    index = BenchmarkIndex.build(benchmarks, embedder)

    def answer(good: list[_Row]) -> list[dict[str, Any]]:
        batch = [Problem(id=str(row.values["id"]), text=row.values["problem"]) for row in good]
        checked = check(batch, index, embedder, config)
        if judge:
            checked = settle_batch(checked, index, judge, config)
        if observe:
            for found in checked:
                observe(found, index)
        return [{"id": row.values["id"], **as_json(found)} for row, found in zip(good, checked, strict=True)]

    bad: dict[str, Any] = {"contaminated": None, "score": None, "reason": "bad row", "nearest": []}
    yield from _answered(rows, answer, lambda row: {"id": row.values.get("id"), **bad, "error": row.error})


def decontaminate_pairs(
    pairs: str, config: Decontaminate | None = None, judge: PairJudge | None = None
) -> Iterator[dict[str, Any]]:
    """Yield {"contaminated", "score", "reason", "signals"} for each {"train_problem", "benchmark_problem"} row."""
    config = config or Decontaminate()
    embedder = Embedder(config.embedding, cache=config.cache)
    keys = ("train_problem", "benchmark_problem")

    def answer(good: list[_Row]) -> list[dict[str, Any]]:
        sides = [[row.values[key] for row in good] for key in keys]
        cosines = np.einsum("ij,ij->i", *(embedder.embed(side) for side in sides))
        measured = [signals(one, two, float(c)) for one, two, c in zip(*sides, cosines, strict=True)]
        verdicts = [judge_pair(values, model=config.embedding.model, band=config.band) for values in measured]
        open_rows = [i for i, verdict in enumerate(verdicts) if verdict.contaminated is None] if judge else []
        said = judge([(sides[0][i], sides[1][i]) for i in open_rows]) if judge and open_rows else []
        for i, same in zip(open_rows, said, strict=True):
            verdicts[i] = settled_by_judge(verdicts[i], same)
        return [_judged(verdict, values, config) for verdict, values in zip(verdicts, measured, strict=True)]

    bad: dict[str, Any] = {"contaminated": None, "score": None, "reason": "bad row", "signals": {}}
    yield from _answered(_rows(pairs, keys, text=keys), answer, lambda row: {**bad, "error": row.error})


def settle_batch(
    checked: Sequence[Checked], index: BenchmarkIndex, judge: PairJudge, config: Decontaminate
) -> list[Checked]:
    """Every problem decided again, once `judge` has answered for all neighbours that the rules left open."""
    places = [(row, Place(n.benchmark, n.id)) for row, found in enumerate(checked) for n in found.undecided]
    texts = [(checked[row].problem.text, index.text_of(place.benchmark, place.id)) for row, place in places]
    distinct = list(dict.fromkeys(texts))
    said = dict(zip(distinct, judge(distinct), strict=True)) if distinct else {}
    answers: dict[int, dict[Place, bool | None]] = {}
    for (row, place), pair in zip(places, texts, strict=True):
        answers.setdefault(row, {})[place] = said[pair]
    return [settle(found, answers[row], config) if row in answers else found for row, found in enumerate(checked)]


def _judged(verdict: PairVerdict, measured: dict[str, float], config: Decontaminate) -> dict[str, Any]:
    return {
        "contaminated": verdict.decide(config.threshold),
        "score": round(verdict.score, 4),
        "reason": verdict.reason,
        "signals": {name: round(value, 4) for name, value in measured.items()},
    }


def as_json(checked: Checked) -> dict[str, Any]:
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
    rows: Iterator[_Row],
    answer: Callable[[list[_Row]], list[dict[str, Any]]],
    refuse: Callable[[_Row], dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Answers for the good rows of each batch, refusals for the bad ones, in the order of the rows."""
    while batch := list(islice(rows, _ROWS_PER_BATCH)):
        good = [row for row in batch if not row.error]
        answers = iter(answer(good) if good else [])
        for row in batch:
            yield refuse(row) if row.error else next(answers)


def _rows(path: str, keys: Sequence[str], text: Sequence[str]) -> Iterator[_Row]:
    try:
        file = Path(path).open("rb")  # noqa: SIM115 (read lazily; closed with the generator)
    except OSError as error:
        raise FactoryError(
            f"cannot read {path}",
            why=error.strerror or str(error),
            remedy=f"give a file of JSON lines with {' and '.join(keys)}",
        ) from None
    return (_row(f"{path}:{number}", line, keys, text) for number, line in enumerate(file, 1) if line.strip())


def _row(where: str, line: bytes, keys: Sequence[str], text: Sequence[str]) -> _Row:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        return _Row({}, f"{where}: not JSON ({error})")
    if not isinstance(values, dict):
        return _Row({}, f"{where}: not a JSON object")
    if missing := [key for key in keys if key not in values]:
        return _Row(values, f"{where}: no {' and no '.join(missing)}")
    for key in text:
        if not isinstance(values[key], str) or not values[key].strip():
            return _Row(values, f"{where}: {key} is no text")
    return _Row(values)
