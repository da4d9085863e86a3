"""The samples of an evaluated run by problem and configuration: read from its journal, stored as its result.

`evaluation/problems-*.parquet` has a row for each problem in each configuration. It is what all figures are made of,
and what curricula read: `right` of `samples` is how hard the problem is for this model, at this budget. Each task reads
a range of problems, so memory does not grow with the run.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from factory.arrow import Int8, Int32, from_table
from factory.errors import FactoryError
from factory.evaluation.metrics import NO_CLASS, RIGHT, UNDECIDED, WRONG
from factory.programs.evaluate import ANSWER_CLASS
from factory.records import Judgement, Mode, Record, Trace, Verdict, tool_name
from factory.store.fs import Store
from factory.store.partition_reader import Annotations, PartitionReader
from factory.store.plan import Partition
from factory.store.row_kind import OWNER
from factory.store.tables import read_table, write_rows

DIRECTORY = "evaluation/"
PROBLEMS = f"{DIRECTORY}problems-"
_TRACE_COLUMNS = [OWNER, "uid", "finish_reason", "seconds", "tool_calls.list.element.status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemSamples(Record):
    """All samples of one problem in one configuration. Lists have an entry a sample, in the order of its number."""

    problem_id: str
    source: str
    mode: Mode
    tool: bool
    reference: str
    samples: Int32
    right: Int32
    undecided: Int32
    truncated: Int32
    """Samples that ended at a limit of tokens, context, calls or time, not by themselves."""
    outcomes: list[Int8]
    """1 right, 0 wrong, -1 undecided."""
    classes: list[Int32]
    """Equivalence class of the answer among all samples of the problem, in any configuration; -1 without an answer."""
    answers: dict[Int32, str] = field(default_factory=dict)
    """The usual spelling of each class."""
    uids: list[str] = field(default_factory=list)
    n_generated_tokens: list[Int32] = field(default_factory=list)
    n_calls: list[Int32] = field(default_factory=list)
    finish_reasons: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    """By name, values that other models gave to the samples (a reward, a selection); NaN for one without."""

    @property
    def configuration(self) -> str:
        """Such as `high/python`."""
        return f"{self.mode}/{tool_name(self.tool)}"


@dataclass(frozen=True, slots=True)
class _Told:
    """What the trace of a sample adds to its judgement."""

    finish_reason: str = ""
    n_calls: int = 0
    seconds: float = 0.0


def write_range(store: Store, partition: Partition) -> int:
    """Write the rows of one range of problems; returns their number. Run again, it writes the same bytes."""
    reader = PartitionReader(store, partition)
    annotations, told = reader.annotations(), dict(_traces(reader))
    endings = sorted(reader.endings().with_verdict(), key=lambda ending: ending.verdict.problem.id)  # type: ignore[union-attr]
    rows = [row for ending in endings if ending.verdict for row in of_verdict(ending.verdict, annotations, told)]
    write_rows(store, f"{PROBLEMS}{partition.number:05d}.parquet", ProblemSamples, rows)
    return len(rows)


def of_verdict(verdict: Verdict, annotations: Annotations, told: Mapping[str, _Told]) -> Iterator[ProblemSamples]:
    """The rows of one problem, one for each configuration that was sampled."""
    groups: dict[tuple[Mode, bool], list[Judgement]] = defaultdict(list)
    for judgement in verdict.judgements:
        groups[judgement.mode, judgement.tool].append(judgement)
    for (mode, tool), judged in groups.items():
        judged.sort(key=lambda judgement: judgement.sample)
        said = [annotations.get(judgement.uid, {}) for judgement in judged]
        known = [told.get(judgement.uid, _Told()) for judgement in judged]
        classes = [_class(of_sample.get(ANSWER_CLASS)) for of_sample in said]
        names = {name for of_sample in said for name, a in of_sample.items() if a.value is not None} - {ANSWER_CLASS}
        outcomes = [UNDECIDED if j.equal is None else RIGHT if j.equal else WRONG for j in judged]
        yield ProblemSamples(
            problem_id=verdict.problem.id,
            source=verdict.problem.source,
            mode=mode,
            tool=tool,
            reference=verdict.reference,
            samples=len(judged),
            right=outcomes.count(RIGHT),
            undecided=outcomes.count(UNDECIDED),
            truncated=sum(k.finish_reason != "stop" for k in known),
            outcomes=outcomes,
            classes=classes,
            answers={c: s[ANSWER_CLASS].text or "" for c, s in zip(classes, said, strict=True) if c != NO_CLASS},
            uids=[j.uid for j in judged],
            n_generated_tokens=[j.n_generated_tokens for j in judged],
            n_calls=[k.n_calls for k in known],
            finish_reasons=[k.finish_reason for k in known],
            seconds=[k.seconds for k in known],
            values={name: [_value(of_sample.get(name)) for of_sample in said] for name in sorted(names)},
        )


def stored(store: Store) -> list[str]:
    """Keys of the files that hold an evaluation's rows."""
    return sorted(entry.key for entry in store.list(PROBLEMS))


def read(uri: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The rows of an evaluated run, a file at a time. Raises `FactoryError` where nothing has been evaluated."""
    store = Store.open(uri)
    if not (keys := stored(store)):
        raise FactoryError(
            f"there is no evaluation at {uri}",
            remedy="give the --out of a finished run of kind evaluate (`python jobs/evaluate.py`)",
        )
    for key in keys:
        table = read_table(store, key)
        yield table.select(columns) if columns else table


def rows(uri: str) -> Iterator[ProblemSamples]:
    """The same, row by row."""
    for table in read(uri):
        yield from from_table(ProblemSamples, table)


def _traces(reader: PartitionReader) -> Iterable[tuple[str, _Told]]:
    for table in reader.tables(Trace, _TRACE_COLUMNS):
        calls = pc.fill_null(pc.list_value_length(table["tool_calls"]), 0).to_pylist()
        columns = (table[name].to_pylist() for name in ("uid", "finish_reason", "seconds"))
        for uid, reason, seconds, n_calls in zip(*columns, calls, strict=True):
            yield uid, _Told(reason, n_calls, seconds)


def _class(annotation: Any) -> int:
    return NO_CLASS if annotation is None or annotation.value is None else int(annotation.value)


def _value(annotation: Any) -> float:
    return float("nan") if annotation is None or annotation.value is None else float(annotation.value)
