"""The benchmark side: which benchmarks this project evaluates on, and how their files are read.

A benchmark file must be whole: decontamination against a file that lost a row would pass that row's copies in silence,
so a bad line is an error and never a skipped row.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePath
from typing import Any, Literal

import yaml
from pyarrow import ArrowException, fs

from factory.decontaminate.text import normalise
from factory.errors import FactoryError
from factory.recipe import Decontaminate

_TEXT_KEYS = ("problem", "question", "prompt")
"""Where `problem` is absent the first of these is read: the names that public benchmark files use."""


@dataclass(frozen=True, slots=True)
class BenchmarkId:
    """Where a benchmark problem stands: the benchmark (the file's stem) and the problem's id in it."""

    benchmark: str
    id: str


@dataclass(frozen=True, slots=True)
class BenchmarkProblem:
    """One distinct problem; `places` are all the benchmarks and ids under which it occurs."""

    text: str
    places: tuple[BenchmarkId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """A benchmark that the project evaluates on, and where a user obtains it. Its data are not shipped."""

    name: str
    file: str
    problems: int | None = None
    obtain: str = ""
    hub: str = ""
    split: str = ""
    column: str = "problem"
    answer: str = "answer"
    answer_in: Literal["boxed", "hash"] | None = None
    held: str = ""
    """When the contest was held, or the set published: a model trained later may have seen it."""
    license: str = ""
    """As its page on the Hub states it; empty where this project has not read it."""

    @property
    def source(self) -> str:
        """Where to get it, to read."""
        return f"hub: {self.hub}, split {self.split}" if self.hub else self.obtain


def evaluated() -> list[Benchmark]:
    """Every benchmark that published models are evaluated on: a run that leaves one out says so in its report."""
    listed = yaml.safe_load((files(__package__) / "benchmarks.yaml").read_text(encoding="utf-8"))
    return [Benchmark(**entry) for entry in listed]


def named(names: Iterable[str]) -> list[Benchmark]:
    """Benchmarks by their names or their files' stems. Raises `FactoryError` for one that is not listed."""
    known = {key: benchmark for benchmark in evaluated() for key in (benchmark.name, benchmark.file)}
    if unknown := [name for name in names if name not in known]:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"they are {', '.join(b.name for b in evaluated())}"
        raise FactoryError(f"there is no benchmark {unknown[0]!r}", remedy=hint)
    return [known[name] for name in names]


def missing(paths: Iterable[str | Path]) -> list[Benchmark]:
    """The evaluated benchmarks that no file of `paths` holds, by the file names of benchmarks.yaml."""
    present = {PurePath(path).stem for path in paths}
    return [benchmark for benchmark in evaluated() if benchmark.file not in present]


def chosen(config: Decontaminate) -> list[str]:
    """The benchmark files of a recipe: those it lists, and one per evaluated benchmark if it names their folder.

    Raises `FactoryError` if a file of that folder is missing, unless the recipe leaves its benchmark out by name.
    """
    if config.evaluated is None:
        return list(config.benchmarks)
    known = evaluated()
    if unknown := [name for name in config.without if name not in {b.name for b in known}]:
        raise FactoryError(
            f"decontaminate.without names no evaluated benchmark: {', '.join(unknown)}",
            remedy=f"they are {', '.join(b.name for b in known)}",
        )
    wanted = {place_of(config.evaluated, b): b for b in known if b.name not in config.without}
    absent = [b for path, b in wanted.items() if not _exists(path)]
    if absent:
        raise FactoryError(
            f"{config.evaluated} lacks {len(absent)} of the benchmarks that the project evaluates on",
            why="; ".join(f"{b.file}.jsonl ({b.source})" for b in absent),
            remedy=f"put them there (`factory benchmarks {config.evaluated}` says how, and fetches what the Hub has), "
            "or leave them out by name: decontaminate.without",
        )
    return [*config.benchmarks, *wanted]


def place_of(folder: str, benchmark: Benchmark) -> str:
    """The file of an evaluated benchmark in a folder; options of a URI (`?region=...`) stay behind the path."""
    path, mark, options = folder.partition("?") if "://" in folder else (folder, "", "")
    return f"{path.rstrip('/')}/{benchmark.file}.jsonl{mark}{options}"


def read(paths: Sequence[str | Path]) -> list[BenchmarkProblem]:
    """Distinct problems of the files in the order of their first occurrence. Equal after normalisation is one."""
    texts: dict[str, str] = {}
    places: dict[str, list[BenchmarkId]] = {}
    for path in paths:
        for place, text in _read_file(str(path)):
            key = normalise(text) or text
            texts.setdefault(key, text)
            places.setdefault(key, []).append(place)
    return [BenchmarkProblem(texts[key], tuple(places[key])) for key in texts]


def _read_file(path: str) -> list[tuple[BenchmarkId, str]]:
    try:
        lines = contents(path).decode("utf-8-sig").split("\n")
    except (OSError, ValueError, ArrowException) as error:
        raise FactoryError(
            f"cannot read the benchmark {path}",
            why=" ".join(str(error).split()),
            remedy="give a UTF-8 JSON lines file with the keys id and problem",
        ) from None
    name = PurePath(path.partition("?")[0] if "://" in path else path).stem
    rows = [_row(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise FactoryError(f"the benchmark {path} holds no problems", remedy="give the whole file, or leave it out")
    return [(BenchmarkId(name, identity), text) for identity, text in rows]


def contents(path: str) -> bytes:
    """The bytes of a file by its path or URI. Raises what its file system raises."""
    if "://" not in path:
        return Path(path).read_bytes()
    system, inner = fs.FileSystem.from_uri(path)
    with system.open_input_stream(inner) as stream:
        return bytes(stream.read())


def _exists(path: str) -> bool:
    if "://" not in path:
        return Path(path).is_file()
    system, inner = fs.FileSystem.from_uri(path)
    return bool(system.get_file_info(inner).type == fs.FileType.File)


def _row(path: str, number: int, line: str) -> tuple[str, str]:
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


def _bad(path: str, number: int, why: str) -> FactoryError:
    return FactoryError(
        f"{path}:{number} is not a benchmark problem",
        why=why,
        remedy="mend the line: a benchmark that lost a row would let that row's copies pass",
    )
