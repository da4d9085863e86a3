"""The benchmark side: which benchmarks this project evaluates on, and how their files are read.

A benchmark file must be whole: decontamination against a file that lost a row would pass that row's copies in silence,
so a bad line is an error and never a skipped row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from factory.decontaminate.text import normalise
from factory.errors import FactoryError

_TEXT_KEYS = ("problem", "question", "prompt")
"""Where `problem` is absent the first of these is read: the names that public benchmark files use."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a benchmark problem stands: the benchmark (the file's stem) and the problem's id in it."""

    benchmark: str
    id: str


@dataclass(frozen=True, slots=True)
class BenchmarkProblem:
    """One distinct problem; `places` are all the benchmarks and ids under which it occurs."""

    text: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark that the project evaluates on, and where a user obtains it. Its data are not shipped."""

    name: str
    file: str
    problems: int | None
    obtain: str


def evaluated() -> list[Benchmark]:
    """Every benchmark that published models are evaluated on: a run that leaves one out says so in its report."""
    listed = yaml.safe_load((files(__package__) / "benchmarks.yaml").read_text(encoding="utf-8"))
    return [Benchmark(**entry) for entry in listed]


def missing(paths: Iterable[str | Path]) -> list[Benchmark]:
    """The evaluated benchmarks that no file of `paths` holds, by the file names of benchmarks.yaml."""
    present = {Path(path).stem for path in paths}
    return [benchmark for benchmark in evaluated() if benchmark.file not in present]


def read(paths: Sequence[str | Path]) -> list[BenchmarkProblem]:
    """Distinct problems of the files in the order of their first occurrence. Equal after normalisation is one."""
    texts: dict[str, str] = {}
    places: dict[str, list[Place]] = {}
    for path in paths:
        for place, text in _read_file(Path(path)):
            key = normalise(text) or text
            texts.setdefault(key, text)
            places.setdefault(key, []).append(place)
    return [BenchmarkProblem(texts[key], tuple(places[key])) for key in texts]


def _read_file(path: Path) -> list[tuple[Place, str]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FactoryError(
            f"cannot read the benchmark {path}",
            why=str(error),
            remedy="give a UTF-8 JSON lines file with the keys id and problem",
        ) from None
    rows = [(Place(path.stem, *_row(path, n, line)[:1]), _row(path, n, line)[1])
            for n, line in enumerate(lines, 1) if line.strip()]  # fmt: skip
    if not rows:
        raise FactoryError(f"the benchmark {path} holds no problems", remedy="give the whole file, or leave it out")
    return rows


def _row(path: Path, number: int, line: str) -> tuple[str, str]:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise _bad(path, number, f"not JSON ({error})") from None
    if not isinstance(row, dict):
        raise _bad(path, number, f"a {type(row).__name__}, not an object")
    text = next((row[key] for key in _TEXT_KEYS if key in row), None)
    if not isinstance(text, str) or not text.strip():
        raise _bad(path, number, f"no problem text under {' or '.join(_TEXT_KEYS)}; keys: {', '.join(row)}")
    identity = row.get("id", number)
    if not isinstance(identity, str | int) or isinstance(identity, bool):
        raise _bad(path, number, f"id is {identity!r}, not a string or an integer")
    return str(identity), text


def _bad(path: Path, number: int, why: str) -> FactoryError:
    return FactoryError(
        f"{path}:{number} is not a benchmark problem",
        why=why,
        remedy="mend the line: a benchmark that lost a row would let that row's copies pass",
    )
