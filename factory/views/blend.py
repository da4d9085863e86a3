"""Blend: which rows of several datasets a training takes, how often, in which phases; a plan and no copies.

Sources are datasets of runs and exported tables, read by three columns: the problem's id, the row's tokens, and what
conditions name. Within a source problems are taken in the order of a hash of their id: a smaller `fraction` is a
subset of a larger one, and a source that is seen 1.5 times is seen once whole and then the first half of that order.
Memory is about 40 bytes for each row of the sources.

A phase of T tokens at weight w takes w * T tokens of a source, of which it has N: w * T / N epochs. With `fraction` f
both T and N shrink, so a small blend repeats its data as often as the whole one will (the rule of arXiv 2412.15285).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from factory.errors import FactoryError
from factory.settings import Strict
from factory.store.fs import Store
from factory.store.ids import hash_of
from factory.store.manifest import latest
from factory.views.export import finished_at
from factory.views.split import position

Positive = Annotated[float, Field(gt=0)]
Value = str | int | float | bool


class Bounds(Strict):
    """A condition on a number."""

    min: float | None = None
    max: float | None = None


class BlendSource(Strict):
    """Rows of one dataset, and how much of them a phase takes: by `weight` or by `epochs`."""

    name: str
    path: str
    """A run (its published dataset) or an export."""
    table: str | None = None
    """Of an export with several tables."""
    where: dict[str, Value | list[Value] | Bounds] = Field(default_factory=dict)
    """Columns and the value, one of the values, or the bounds that a row must have in each."""
    weight: Positive | None = None
    """Share of the phase's tokens."""
    epochs: Positive | None = None
    max_epochs: Positive = 4.0
    """More than this is an error, not a silent repetition."""
    max_per_problem: Annotated[int, Field(gt=0)] | None = None
    """Rows of one problem at most, chosen by a hash of their place among them."""

    @model_validator(mode="after")
    def _one_of_two(self) -> BlendSource:
        if (self.weight is None) == (self.epochs is None):
            raise ValueError(f"source {self.name}: give either weight or epochs")
        return self


class Phase(Strict):
    """One phase of a training."""

    name: str
    tokens: Annotated[int, Field(gt=0)] | None = None
    """Of the whole blend (fraction 1); needed where sources have weights, which must then add up to 1."""
    sources: list[BlendSource] = Field(min_length=1)

    @model_validator(mode="after")
    def _weights(self) -> Phase:
        weights = [source.weight for source in self.sources if source.weight is not None]
        if weights and len(weights) < len(self.sources):
            raise ValueError(f"phase {self.name}: either all sources have a weight or all have epochs")
        if weights and abs(sum(weights) - 1) > 1e-6:
            raise ValueError(f"phase {self.name}: weights add up to {sum(weights):g}, not 1")
        if bool(weights) != (self.tokens is not None):
            raise ValueError(f"phase {self.name}: tokens belong to weights, and weights need tokens")
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            raise ValueError(f"phase {self.name}: two sources have one name")
        return self


class Blend(Strict):
    """A blend: its phases in order."""

    phases: list[Phase] = Field(min_length=1)
    fraction: float = Field(1.0, gt=0, le=1)
    """Share of problems, and of each phase's tokens, for a trial at the same epochs."""
    tokens_column: str = "n_tokens"
    """Whose tokens they are is the dataset's: the teacher's in a run, the student's where an export was retokenised."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one phase takes of one source, and what that comes to."""

    phase: str
    source: str
    weight: float
    """Of the phase's tokens as they were taken."""
    tokens: int
    available: int
    """Tokens of one epoch."""
    problems: int
    rows: int
    """Different rows."""
    max_repeats: int
    files: list[FileTaken] = field(default_factory=list)

    @property
    def epochs(self) -> float:
        """How often the same rows are seen. Other traces of a problem are no epochs: see `traces_per_problem`."""
        return self.tokens / self.available

    @property
    def traces_per_problem(self) -> float:
        return self.rows / self.problems if self.problems else 0.0


@dataclass(frozen=True, slots=True)
class FileTaken:
    """Rows of one file: positions in it, ascending, and how often each is taken."""

    path: str
    """The dataset's URI."""
    key: str
    positions: npt.NDArray[np.int64]
    repeats: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a source that meet its conditions, by problem in the order in which problems are taken."""

    problem: npt.NDArray[np.uint64]
    file: npt.NDArray[np.int32]
    row: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]
    keys: list[str]


def plan(blend: Blend) -> list[Taken]:
    """What each phase takes of each source.

    Raises `FactoryError` for a source that is not there, a column that it lacks, no rows, and more than `max_epochs`.
    """
    found = []
    for phase in blend.phases:
        taken = [_take(phase, source, _rows(source, blend), blend) for source in phase.sources]
        total = sum(one.tokens for one in taken)
        found += [replace(one, weight=one.tokens / total if total else 0.0) for one in taken]
    return found


def table(taken: Sequence[Taken]) -> list[str]:
    """The plan for a person: weight -> tokens -> epochs, and beside it how many traces a problem has."""
    heads = ("phase", "source", "weight", "tokens", "epochs", "problems", "rows", "rows/problem")
    lines = [f"{heads[0]:<12} {heads[1]:<16}" + "".join(f"{head:>14}" for head in heads[2:])]
    for one in taken:
        numbers = (f"{one.weight:.4f}", f"{one.tokens:,}", f"{one.epochs:.3f}", f"{one.problems:,}", f"{one.rows:,}")
        cells = "".join(f"{number:>14}" for number in (*numbers, f"{one.traces_per_problem:.2f}"))
        lines.append(f"{one.phase:<12} {one.source:<16}{cells}")
    return lines


def files_of(source: BlendSource) -> tuple[Store, list[tuple[str, int]]]:
    """The Parquet files of a dataset, (key, bytes), in the order of their keys; those of an export's split `train`."""
    store = Store.open(source.path)
    if (manifest := latest(store)) is not None:
        return store, sorted((shard.key, shard.bytes) for shard in manifest.shards)
    export = finished_at(store)
    if export is None:
        raise FactoryError(
            f"source {source.name}: {source.path} is neither a published run nor a finished export",
            remedy="let its job or `factory export` finish first",
        )
    mine = [file for file in export.files if file.key.startswith("data/") and file.split == "train"]
    tables = sorted({file.table for file in mine if source.table in (None, file.table)})
    if len(tables) != 1:
        raise FactoryError(f"source {source.name}: which table?", why=f"found {', '.join(tables) or 'none'}",
                           remedy="set `table`")  # fmt: skip
    chosen = sorted((file.key, file.bytes) for file in mine if file.table == tables[0])
    if any(not key.endswith(".parquet") for key, _ in chosen):
        raise FactoryError(f"source {source.name}: {source.path} is not Parquet", remedy="export it as Parquet")
    return store, chosen


def _rows(source: BlendSource, blend: Blend) -> _Rows:
    store, files = files_of(source)
    columns = ["problem_id", blend.tokens_column, *source.where]
    parts: list[tuple[Any, ...]] = []
    for number, (key, size) in enumerate(files):
        with store.parquet(key, size) as file:
            lacking = [name for name in columns if name not in file.schema_arrow.names]
            if lacking:
                raise FactoryError(f"source {source.name}: {key} has no column {', '.join(lacking)}",
                                   remedy=f"its columns are {', '.join(file.schema_arrow.names)}")  # fmt: skip
            start = 0
            for group in range(file.num_row_groups):
                read = file.read_row_group(group, columns=list(dict.fromkeys(columns)))
                parts += list(_kept(read, source, blend, number, start))
                start += read.num_rows
    if not parts:
        raise FactoryError(f"source {source.name} has no row that meets its conditions", remedy="check its `where`")
    problem, file_of, row, tokens = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((row, file_of, problem))
    rows = _Rows(problem[order], file_of[order], row[order], tokens[order], [key for key, _ in files])
    return _capped(rows, source.max_per_problem) if source.max_per_problem else rows


def _kept(read: pa.Table, source: BlendSource, blend: Blend, file: int, start: int) -> Iterator[tuple[Any, ...]]:
    """(problem hash, file, row, tokens) of the rows that meet the conditions, of problems within the fraction."""
    kept = np.ones(read.num_rows, dtype=bool)
    for name, wanted in source.where.items():
        try:
            kept &= _meets(read[name], wanted)
        except pa.ArrowException as error:
            raise FactoryError(f"source {source.name}: `where` does not fit column {name}", why=str(error)) from None
    ids = read["problem_id"].to_pylist()
    within = {name: position(name) < blend.fraction for name in set(ids)}
    kept &= np.array([within[name] for name in ids], dtype=bool)
    if kept.any():
        places = np.flatnonzero(kept)
        hashes = np.array([hash_of(ids[place]) for place in places], np.uint64)
        tokens = read[blend.tokens_column].to_numpy()[places].astype(np.int64)
        yield hashes, np.full(len(places), file, np.int32), places + start, tokens


def _meets(column: pa.ChunkedArray, wanted: Any) -> npt.NDArray[np.bool_]:
    if isinstance(wanted, Bounds):
        low = pc.greater_equal(column, wanted.min) if wanted.min is not None else pc.is_valid(column)
        high = pc.less_equal(column, wanted.max) if wanted.max is not None else pc.is_valid(column)
        found = pc.and_(low, high)
    else:
        values = wanted if isinstance(wanted, list) else [wanted]
        found = pc.is_in(column, value_set=pa.array(values).cast(column.type))
    return np.asarray(pc.fill_null(found, False).to_numpy()).astype(bool)


def _capped(rows: _Rows, most: int) -> _Rows:
    """At most so many rows of each problem."""
    mixed = (rows.row.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) ^ rows.file.astype(np.uint64)
    order = np.lexsort((mixed, rows.problem))
    first = np.flatnonzero(np.r_[True, rows.problem[order][1:] != rows.problem[order][:-1]])
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.r_[first, len(order)]))
    kept = np.sort(order[rank < most])
    return _Rows(rows.problem[kept], rows.file[kept], rows.row[kept], rows.tokens[kept], rows.keys)


def _take(phase: Phase, source: BlendSource, rows: _Rows, blend: Blend) -> Taken:
    available = int(rows.tokens.sum())
    if source.weight is not None and phase.tokens is not None:
        wanted = round(source.weight * phase.tokens * blend.fraction)
    else:
        wanted = round((source.epochs or 0) * available)
    epochs = wanted / available if available else float("inf")
    if epochs > source.max_epochs + 1e-9:
        raise FactoryError(
            f"phase {phase.name}, source {source.name}: {wanted:,} tokens are {epochs:.2f} epochs",
            why=f"it has {available:,} tokens, and max_epochs is {source.max_epochs:g}",
            remedy="lower its weight or the phase's tokens, loosen its conditions, or raise max_epochs",
        )
    whole, rest = divmod(wanted, available)
    first = np.flatnonzero(np.r_[True, rows.problem[1:] != rows.problem[:-1]])
    ends = np.cumsum(np.add.reduceat(rows.tokens, first))  # tokens up to and with each problem
    n_more = int(np.searchsorted(ends, rest, side="right"))
    stop = int(first[n_more]) if n_more < len(first) else len(rows.row)
    repeats = np.full(len(rows.row), whole, np.int32)
    repeats[:stop] += 1
    used = repeats > 0
    return Taken(
        phase=phase.name,
        source=source.name,
        weight=0.0,
        tokens=int((rows.tokens * repeats).sum()),
        available=available,
        problems=len(np.unique(rows.problem[used])),
        rows=int(used.sum()),
        max_repeats=int(repeats.max()),
        files=list(_by_file(source.path, rows, repeats)),
    )


def _by_file(path: str, rows: _Rows, repeats: npt.NDArray[np.int32]) -> Iterator[FileTaken]:
    for number, key in enumerate(rows.keys):
        mine = np.flatnonzero((rows.file == number) & (repeats > 0))
        if len(mine):
            mine = mine[np.argsort(rows.row[mine])]
            yield FileTaken(path, key, rows.row[mine], repeats[mine])
