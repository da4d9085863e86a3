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

from factory.decontaminate.check import Checked, check
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.decontaminate.rule import judge_pair
from factory.decontaminate.signals import signals
from factory.errors import FactoryError
from factory.recipe import Decontaminate
from factory.records import Problem

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
) -> Iterator[dict[str, Any]]:
    """Yield {"id", "contaminated", "score", "reason", "nearest"} for each row {"id", "problem"}, in order.

    `observe` sees each checked problem with the index that it was checked against.
    """
    config = config or Decontaminate()
    embedder = Embedder(config.embedding, cache=config.cache)
    rows = _rows(problems, ("id", "problem"), text=("problem",))
    index = BenchmarkIndex.build(benchmarks, embedder)

    def answer(good: list[_Row]) -> list[dict[str, Any]]:
        batch = [Problem(id=str(row.values["id"]), text=row.values["problem"]) for row in good]
        checked = check(batch, index, embedder, config)
        if observe:
            for found in checked:
                observe(found, index)
        return [{"id": row.values["id"], **_as_json(found)} for row, found in zip(good, checked, strict=True)]

    bad: dict[str, Any] = {"contaminated": None, "score": None, "reason": "bad row", "nearest": []}
    yield from _answered(rows, answer, lambda row: {"id": row.values.get("id"), **bad, "error": row.error})


def decontaminate_pairs(pairs: str, config: Decontaminate | None = None) -> Iterator[dict[str, Any]]:
    """Yield {"contaminated", "score", "reason", "signals"} for each {"train_problem", "benchmark_problem"} row."""
    config = config or Decontaminate()
    embedder = Embedder(config.embedding, cache=config.cache)
    keys = ("train_problem", "benchmark_problem")

    def answer(good: list[_Row]) -> list[dict[str, Any]]:
        sides = [[row.values[key] for row in good] for key in keys]
        cosines = np.einsum("ij,ij->i", *(embedder.embed(side) for side in sides))
        return [_judged(one, two, float(c), config) for one, two, c in zip(*sides, cosines, strict=True)]

    bad: dict[str, Any] = {"contaminated": None, "score": None, "reason": "bad row", "signals": {}}
    yield from _answered(_rows(pairs, keys, text=keys), answer, lambda row: {**bad, "error": row.error})


def _judged(train: str, bench: str, cosine: float, config: Decontaminate) -> dict[str, Any]:
    measured = signals(train, bench, cosine)
    verdict = judge_pair(measured, model=config.embedding.model, band=config.band)
    return {
        "contaminated": verdict.decide(config.threshold),
        "score": round(verdict.score, 4),
        "reason": verdict.reason,
        "signals": {name: round(value, 4) for name, value in measured.items()},
    }


def _as_json(checked: Checked) -> dict[str, Any]:
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
