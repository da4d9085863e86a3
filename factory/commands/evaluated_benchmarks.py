"""`factory benchmarks`: which of the benchmarks that the project evaluates on lie in a folder; how to get the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from factory import sources
from factory.decontaminate.benchmarks import Benchmark, evaluated, place_of, read
from factory.errors import FactoryError
from factory.recipe import Columns, Source
from factory.records import Problem

FORMAT = 'JSON lines in UTF-8, one object a problem: {"id": "...", "problem": "..."}; to evaluate on it, also "answer"'


def listing(folder: str) -> tuple[list[str], bool]:
    """A line for each evaluated benchmark, and whether all are there. A file that cannot be read says why."""
    lines, complete = [], True
    for benchmark in evaluated():
        state, sound = _state(folder, benchmark)
        complete &= sound
        lines.append(f"{benchmark.name:<22} {benchmark.file + '.jsonl':<22} {state}")
    return [*lines, "", f"Format: {FORMAT}"], complete


def fetch(folder: str, emit: Callable[[str], None]) -> None:
    """Write the files that `folder` lacks and the Hub has; one that cannot be had is named, the others still come."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for benchmark in evaluated():
        path = Path(place_of(folder, benchmark))
        if path.exists() or not benchmark.hub:
            continue
        try:
            rows = [json.dumps(_line(problem), ensure_ascii=False) for problem in _rows(benchmark)]
        except FactoryError as error:
            emit(f"{benchmark.name}: {error.what}; {error.why}")
            continue
        aside = path.with_suffix(".part")  # a benchmark file is whole or not there
        aside.write_text("\n".join(rows) + "\n", encoding="utf-8")
        aside.rename(path)
        emit(f"{benchmark.name}: {len(rows):,} problems to {path}")


def _line(problem: Problem) -> dict[str, str]:
    """One line of a benchmark's file. Answers are for evaluation; decontamination reads the problems alone."""
    answer = {} if problem.answer is None else {"answer": problem.answer}
    return {"id": problem.id, "problem": problem.text, **answer}


def _state(folder: str, benchmark: Benchmark) -> tuple[str, bool]:
    path = place_of(folder, benchmark)
    try:
        n = sum(len(problem.places) for problem in read([path]))
    except FactoryError as error:
        if "://" not in folder and not Path(path).exists():
            return f"missing; {benchmark.source}", False
        return f"{error.what}: {error.why}", False
    if benchmark.problems not in (None, n):
        return f"{n:,} problems, but {benchmark.problems:,} are expected", True
    return f"{n:,} problems", True


def _rows(benchmark: Benchmark) -> Iterator[Problem]:
    """The problems of a benchmark on the Hub. Raises `FactoryError` for a row that is none."""
    columns = Columns(problem=benchmark.column, answer=benchmark.answer)
    source = Source(
        path=benchmark.hub,
        split=benchmark.split,
        columns=columns,
        name=benchmark.file,
        answer_in=benchmark.answer_in,
    )
    for split in sources.splits(source):
        for row in sources.read(split):
            if not isinstance(row, Problem):
                raise FactoryError(
                    f"{benchmark.hub} holds a row that is no problem", why=getattr(row, "detail", "it is a thread")
                )
            yield row
