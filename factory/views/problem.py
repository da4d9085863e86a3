"""What a view reads: the problems of one partition of a run's journal, each with its verdict and all of its samples.

Losing samples are there too, with the reason why they are not published. Which of several endings counts is decided by
the code that publishes. Tokens stay in Arrow's buffers until a view asks for those of one sample.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from factory.records import KEY_COLUMNS, Judgement, Problem, SampleKey, Trace, Verdict
from factory.store.fs import Store
from factory.store.ids import hash_of
from factory.store.outcome import UNFINISHED, Ending, Endings
from factory.store.partition_reader import PartitionReader
from factory.store.plan import Partition
from factory.store.report import PUBLISHED
from factory.store.row_kind import OWNER
from factory.views.funnel import Funnel

Ids = npt.NDArray[np.int32]
Mask = npt.NDArray[np.int8]

ABOUT = (
    *KEY_COLUMNS,
    "uid",
    "answer",
    "finish_reason",
    "n_generated_tokens",
    "n_prompt_tokens",
    "n_tool_tokens",
    "max_tokens",
    "model",
)
"""Columns that every view gets of every sample."""
TOKENS, MESSAGES = ("token_ids", "mask"), ("messages",)
"""Columns that a view gets where it asks for them (`View.reads`)."""


class _Chunk:
    """A table of traces, with its token columns as numpy arrays that share Arrow's memory."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table.combine_chunks()
        self._flat = {name: self._list(name) for name in TOKENS if name in table.column_names}

    def _list(self, name: str) -> tuple[Any, Any]:
        column = self._table[name].chunk(0)
        return column.offsets.to_numpy(), column.values.to_numpy()

    def tokens(self, name: str, row: int) -> Any:
        offsets, values = self._flat[name]
        return values[offsets[row] : offsets[row + 1]]

    def value(self, name: str, row: int) -> Any:
        return self._table[name][row].as_py()


@dataclass(frozen=True, slots=True)
class Sample:
    """One stored sample. `judgement` is None if no verdict names it; `outcome` is why it is not published, if so."""

    key: SampleKey
    about: dict[str, Any]
    outcome: str
    judgement: Judgement | None
    _chunk: _Chunk
    _row: int

    @property
    def uid(self) -> str:
        return str(self.about["uid"])

    @property
    def right(self) -> bool:
        """Whether it is published: judged to be right."""
        return self.outcome == PUBLISHED

    @property
    def wrong(self) -> bool:
        """Whether it was judged to be wrong: neither undecided nor without an answer."""
        return self.outcome == "wrong_answer"

    @property
    def n_tokens(self) -> int:
        return sum(int(self.about[f"n_{part}_tokens"]) for part in ("prompt", "generated", "tool"))

    @property
    def token_ids(self) -> Ids:
        """int32, of the teacher's tokenizer; shape (n_tokens,)."""
        return np.asarray(self._chunk.tokens("token_ids", self._row), np.int32)

    @property
    def mask(self) -> Mask:
        """int8, an `Origin` for each token; shape (n_tokens,)."""
        return np.asarray(self._chunk.tokens("mask", self._row), np.int8)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """OpenAI messages, the system's included."""
        return list(self._chunk.value("messages", self._row))


@dataclass(frozen=True, slots=True)
class SolvedProblem:
    """A problem with a verdict, and its samples in the order of their keys."""

    verdict: Verdict
    samples: list[Sample] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.problem.id

    @property
    def problem(self) -> Problem:
        return self.verdict.problem


class Place(NamedTuple):
    """Where a problem goes: its hash first, an order that is a shuffle and never changes."""

    hash: int
    id: str


def solved_problems(store: Store, partition: Partition, columns: Sequence[str], funnel: Funnel) -> list[SolvedProblem]:
    """The problems of a partition that have a verdict, in the order of their hashes.

    Counts in `funnel` what of the partition never reaches a view: copies and samples of problems without a verdict
    (where the view's unit is a trace), and as notes what the journal has lost.
    """
    journal = PartitionReader(store, partition)
    endings = journal.endings()
    found = {ending.verdict.problem.id: SolvedProblem(ending.verdict) for ending in endings.with_verdict()
             if ending.verdict is not None}  # fmt: skip
    seen: set[tuple[SampleKey, str]] = set()
    for sample in _samples(journal, columns, endings):
        identity = (sample.key, sample.uid)
        if identity in seen:
            funnel.leave_trace("copy")
        elif sample.key.problem_id not in found:
            funnel.leave_trace(sample.outcome)
        else:
            found[sample.key.problem_id].samples.append(sample)
        seen.add(identity)
    if journal.damaged:
        funnel.note("damaged row groups", journal.damaged)
    if lost := sum((judged.key(problem.id), judged.uid) not in seen for problem in found.values()
                   for judged in problem.verdict.judgements):  # fmt: skip
        funnel.note("judged traces that the journal has lost", lost)
    for problem in found.values():
        problem.samples.sort(key=lambda sample: (str(sample.key), sample.uid))
    return sorted(found.values(), key=lambda problem: Place(hash_of(problem.id), problem.id))


def _samples(journal: PartitionReader, columns: Sequence[str], endings: Endings) -> Iterator[Sample]:
    known: dict[str, Ending] = defaultdict(lambda: UNFINISHED)
    for table in journal.tables(Trace, [*ABOUT, *columns, OWNER]):
        chunk = _Chunk(table)
        for row, about in enumerate(table.select(list(ABOUT)).to_pylist()):
            key = SampleKey.of(about)
            if key.problem_id not in known:
                known[key.problem_id] = endings.of(key.problem_id)
            ending = known[key.problem_id]
            judgement = ending.judgements.get(key)
            mine = judgement if judgement is not None and judgement.uid == about["uid"] else None
            yield Sample(key, about, ending.outcome(key, about["uid"]), mine, chunk, row)
