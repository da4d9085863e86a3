"""The row kinds of the journal, each declared once: where its parts are, whose its rows are, what they add up to.

Every reader and writer goes by this table. A kind of your own is a file with a dataclass (a `JournalRow` with an
`owner`) and its `RowKind`, whose name goes into the list below.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from factory.records import (
    SOLVE,
    TEACHER,
    Annotation,
    CuratedThread,
    FinishedTurn,
    JournalRow,
    ModelReply,
    Reject,
    Trace,
    Verdict,
    tool_name,
)
from factory.store.counts import CuratedCount, SampleCount
from factory.store.ids import owner_key
from factory.store.row_kind import OWNER, DerivedColumn, RowKind, same_as


def _reject_owners(table: pa.Table) -> pa.Array:
    pairs = zip(table["id"].to_pylist(), table["kind"].to_pylist(), strict=True)
    return pa.array([owner_key(*pair) for pair in pairs], pa.string())


def _reject_sources(table: pa.Table) -> pa.Array:
    return pa.array([_source(row) for row in table["row"].to_pylist()], pa.string())


def _source(row: str) -> str:
    """The source that a rejected row names, where the row is kept and names one."""
    try:
        value: Any = json.loads(row)
    except ValueError:
        return ""
    source = value.get("source") if isinstance(value, dict) else None
    return source if isinstance(source, str) else ""


def _thread_owners(table: pa.Table) -> pa.Array:
    return pa.array([owner_key(thread, "thread") for thread in table["thread_id"].to_pylist()], pa.string())


def _sample_heading(trace: Trace) -> str:
    heading = f"{trace.mode}/{tool_name(trace.tool)}"
    usual = (trace.task, trace.teacher) == (SOLVE, TEACHER)
    return heading if usual else f"{heading}/{trace.task}/{trace.teacher}"


TURNS = RowKind(
    row=FinishedTurn,
    directory="journal/turns/",
    owner=lambda turn: str(turn.problem_id),
    derived={OWNER: same_as("problem_id")},
    effect=True,
)
ASKS = RowKind(row=ModelReply, directory="journal/asks/", effect=True)
TRACES = RowKind(
    row=Trace,
    directory="journal/traces/",
    owner=lambda trace: str(trace.problem_id),
    derived={OWNER: same_as("problem_id")},
    heading=_sample_heading,
    count=SampleCount.of,
    counts=SampleCount,
    effect=True,
    published=True,
)
VERDICTS = RowKind(
    row=Verdict,
    directory="journal/verdicts/",
    owner=lambda verdict: str(verdict.problem.id),
    derived={OWNER: DerivedColumn(("problem.id",), lambda table: pc.struct_field(table["problem"], "id"))},
    ends=True,
    published=True,
)
REJECTS = RowKind(
    row=Reject,
    directory="journal/rejects/",
    owner=lambda reject: owner_key(reject.id, reject.kind),
    derived={OWNER: DerivedColumn(("id", "kind"), _reject_owners), "source": DerivedColumn(("row",), _reject_sources)},
    heading=lambda reject: f"{reject.kind}/{reject.stage}/{reject.reason}",
    ends=True,
    published=True,
)
CURATED = RowKind(
    row=CuratedThread,
    directory="journal/curated/",
    owner=lambda thread: owner_key(thread.thread_id, "thread"),
    also=lambda thread: tuple(problem.id for problem in thread.problems),  # they are found by their ids, not ended
    derived={OWNER: DerivedColumn(("thread_id",), _thread_owners)},
    count=CuratedCount.of,
    counts=CuratedCount,
    ends=True,
    published=True,
)

ANNOTATIONS = RowKind(
    row=Annotation, directory="journal/annotations/", heading=lambda row: str(row.name), effect=True, published=True
)

# In the order in which a flush writes them: a verdict becomes visible only after the traces that it judged, a thread's
# ending only after the rejects of its problems.
_IN_ORDER = (
    TURNS,
    ASKS,
    TRACES,
    ANNOTATIONS,
    VERDICTS,
    REJECTS,
    CURATED,
)
KINDS: dict[type, RowKind] = {kind.row: kind for kind in _IN_ORDER}
DIRECTORIES: dict[type, str] = {row: kind.directory for row, kind in KINDS.items()}


def owner_of(row: JournalRow) -> str:
    """The id that a row is looked up by: its problem's, or the thread's where it never became a problem."""
    return kind_of(row).owner(row)


def kind_of(row: JournalRow) -> RowKind:
    """How a row is journaled. Raises `TypeError` for one that is not."""
    if type(row) not in KINDS:
        raise TypeError(f"{type(row).__name__} is not a row kind of the journal")
    return KINDS[type(row)]
