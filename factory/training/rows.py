"""Traces sorted out by stage: each as the student's tokens and labels, in files on this machine's disk.

One pass over the published files in bounded memory. A stage's traces lie in partitions by a hash of their uid, each
small enough to be held in memory while it is shuffled and packed.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from factory.dialects.tokenizer import HfTokenizer
from factory.engines.model_files import resolve
from factory.recipe.train import Train, TrainingData
from factory.records import Origin, tool_name
from factory.store.ids import hash_of
from factory.training import data
from factory.training.plan import TrainingPlan, retokenizes
from factory.training.stages import mix_shares
from factory.training.student import special_tokens
from factory.views.student import Tokens, Unrendered, literal

PARTITION_TOKENS = 1 << 25
_INTS = pa.list_(pa.int32())
_ROW = pa.schema([("uid", pa.string()), ("input_ids", _INTS), ("labels", _INTS)])
HELD_OUT = pa.schema([*_ROW, ("mode", pa.string()), ("tool", pa.string()), ("stage", pa.string())])
_FLUSH_ROWS = 256


@dataclass(slots=True)
class Partition:
    """Part of a stage's traces, in one file; what is kept in memory of each is its hash and its length."""

    path: Path
    hashes: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    _waiting: list[dict[str, Any]] = field(default_factory=list)
    _file: pa.RecordBatchStreamWriter | None = None

    def add(self, row: dict[str, Any]) -> None:
        self.hashes.append(hash_of(row["uid"]))
        self.lengths.append(len(row["input_ids"]))
        self._waiting.append(row)
        if len(self._waiting) >= _FLUSH_ROWS:
            self._flush()

    def read(self) -> pa.Table:
        """All rows, in the order in which they were added."""
        with pa.OSFile(str(self.path)) as file:
            return pa.ipc.open_stream(file).read_all().combine_chunks()

    def close(self) -> None:
        self._flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _flush(self) -> None:
        if self._file is None:
            self._file = pa.ipc.new_stream(str(self.path), _ROW)
        self._file.write_table(pa.Table.from_pylist(self._waiting, _ROW))
        self._waiting.clear()


@dataclass(frozen=True, slots=True)
class StageRows:
    partitions: list[Partition]
    mixed: int

    @property
    def traces(self) -> int:
        return sum(len(partition.lengths) for partition in self.partitions)


@dataclass(frozen=True, slots=True)
class SortedOut:
    stages: list[StageRows]
    held_out: pa.Table  # of the schema `HELD_OUT`
    left_out: dict[str, int]


def sort_out(made: TrainingPlan, folder: Path) -> SortedOut:
    """Read every trace once and put it to its stage, to the held-out ones, or to those that are left out."""
    recipe, layouts = made.recipe, [stage.layout for stage in made.stages]
    stages = [
        [Partition(folder / f"{s.layout.name}-{n}") for n in range(1 + s.tokens // recipe.epochs // PARTITION_TOKENS)]
        for s in made.stages
    ]
    last = layouts[-1]
    lengths = made.census.all()
    own = int(((lengths > last.lower) & (lengths <= last.edge)).sum())
    shares = mix_shares(recipe, made.census, last, own)
    held = defaultdict[tuple[str, ...], list[tuple[int, int, dict[str, Any]]]](list)
    left_out, mixed = Counter[str](), 0
    for number, (owner, row) in enumerate(_students_rows(recipe)):
        if isinstance(row, str):
            left_out[row] += 1
            continue
        length = len(row["input_ids"])
        place = next((n for n, at in enumerate(layouts) if at.lower < length <= at.edge), None)
        if place is None:
            left_out["too_long"] += 1
        elif not row["learnt"]:
            left_out["nothing_to_learn"] += 1
        elif data.is_held_out(recipe, owner):
            cell = (row["mode"], row["tool"], layouts[place].name)
            heapq.heappush(held[cell], (-hash_of(row["uid"]), -number, row | {"stage": layouts[place].name}))
            if len(held[cell]) > recipe.hold_out_traces:
                heapq.heappop(held[cell])
                left_out["held_out_not_measured"] += 1
        else:
            _put(stages[place], row)
            if place < len(layouts) - 1 and data.is_mixed(row["uid"], shares.get(row["mode"], 0.0)):
                _put(stages[-1], row)
                mixed += 1
    for partition in (one for partitions in stages for one in partitions):
        partition.close()
    measured = [row for cell in sorted(held) for _, _, row in sorted(held[cell], key=lambda kept: kept[:2])]
    return SortedOut(
        [StageRows(parts, mixed if parts is stages[-1] else 0) for parts in stages],
        pa.Table.from_pylist(measured, HELD_OUT),
        dict(left_out),
    )


def _put(partitions: list[Partition], row: dict[str, Any]) -> None:
    partitions[hash_of(row["uid"]) % len(partitions)].add({name: row[name] for name in _ROW.names})


def _students_rows(recipe: Train) -> Iterator[tuple[str, dict[str, Any] | str]]:
    """(problem, trace in the student's tokens, or why it has none)."""
    for source in recipe.data:
        translate = _translator(recipe, source)
        for table in data.tables(source, tokens=True):
            for row in table.to_pylist():
                published = Tokens(np.asarray(row["token_ids"], np.int32), np.asarray(row["mask"], np.int8))
                try:
                    tokens = translate(published, row["finish_reason"] == "stop")
                except Unrendered as reason:
                    yield row["problem_id"], str(reason)
                    continue
                yield (
                    row["problem_id"],
                    {
                        "uid": row["uid"],
                        "input_ids": tokens.ids,
                        "labels": tokens.labels,
                        "learnt": bool(tokens.learnt.any()),
                        "mode": row["reasoning_mode"],
                        "tool": tool_name(row["with_tool"]),
                    },
                )


def _translator(recipe: Train, source: TrainingData) -> Callable[[Tokens, bool], Tokens]:
    """What turns a trace, that ended by itself or did not, into the student's tokens; it raises `Unrendered`."""
    if not retokenizes(recipe, source):
        return lambda published, ended: published
    directory = resolve(recipe.student.model, recipe.student.revision).directory
    teacher, student = HfTokenizer(data.teacher_tokenizer(source)), HfTokenizer(directory)
    end = special_tokens(directory).end

    def become(published: Tokens, ended: bool) -> Tokens:
        tokens = literal(published, teacher, student)
        if not ended:
            return tokens
        # the teacher's end is text now: the student learns its own
        mask = np.append(tokens.mask, np.int8(Origin.GENERATED))
        return Tokens(np.append(tokens.ids, np.int32(end)), mask)

    return become
