"""Publish one partition: decide what becomes of each trace, count it, and write the published ones as sorted runs.

A task of the first of two passes; any number run side by side. Only the rows that are published are held in memory.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from factory.records import KEY_COLUMNS, Judgement, Reject, SampleKey, Verdict, tool_name
from factory.store import shape
from factory.store.commit import commit, committed, new_attempt
from factory.store.fs import Store
from factory.store.ids import hash_of
from factory.store.outcome import Ending, Endings
from factory.store.partition_reader import Annotations, PartitionReader
from factory.store.plan import Partition, Plan
from factory.store.report import PUBLISHED, PublishReport
from factory.store.shape import Cell, bucket_of
from factory.store.tables import REJECT_COLUMNS, encode_rows

REJECTS = "rejects/"
RUN_LEVEL = 3  # runs are read once and thrown away


@dataclass(frozen=True, slots=True)
class PartitionTask:
    """Everything a worker needs; pickles."""

    store: Store
    plan: Plan
    partition: Partition

    @property
    def marker(self) -> str:
        return f"{self.plan.directory}partition-{self.partition.number:05d}.json"


def publish_partition(task: PartitionTask) -> dict[str, Any]:
    """The marker's record: {"runs": [{"cell", "key", "groups": [[rows, bytes]]}], "rejects": {}, "report": []}."""
    known = committed(task.store, task.marker)
    if known is not None:
        return known
    attempt = new_attempt()
    journal, report = PartitionReader(task.store, task.partition), PublishReport()
    endings = journal.endings()
    endings.count(report)
    if task.plan.row_version > 1:
        endings.count_references(report)
    chosen = _PartitionOutput(task, endings, report)
    for table in journal.traces():
        chosen.add(table)
    chosen.count_lost()
    said = journal.annotations()
    if journal.damaged:
        report.count("damaged", n=journal.damaged)
    runs = [
        _write_run(task, attempt, cell, pieces, endings=endings, said=said)
        for cell, pieces in sorted(chosen.pieces.items())
    ]
    rejects = _write_rejects(task, endings.rejects() + chosen.rejects)
    return commit(task.store, task.marker, {"runs": runs, "rejects": rejects, "report": report.to_json()}, attempt)


class _PartitionOutput:
    """The traces to be published so far, by cell, and the counts of all that were seen."""

    def __init__(self, task: PartitionTask, endings: Endings, report: PublishReport) -> None:
        self._edges, self._endings, self._report = task.plan.settings.buckets, endings, report
        self._known: dict[str, Ending] = {}
        self._seen: set[tuple[SampleKey, str]] = set()
        self.pieces: dict[Cell, list[pa.Table]] = defaultdict(list)
        self.rejects: list[Reject] = []

    def add(self, table: pa.Table) -> None:
        kept: dict[Cell, list[int]] = defaultdict(list)
        lengths = pc.list_value_length(table["token_ids"]).to_pylist()
        identity = table.select([*KEY_COLUMNS, "uid"]).to_pylist()
        for position, (row, n_tokens) in enumerate(zip(identity, lengths, strict=True)):
            key = SampleKey.of(row)
            cell = Cell(key.mode.value, tool_name(key.tool), bucket_of(n_tokens, self._edges))
            if self._judge(key, row["uid"], cell, n_tokens):
                kept[cell].append(position)
        for cell, positions in kept.items():
            self.pieces[cell].append(table.take(positions))

    def _judge(self, key: SampleKey, uid: str, cell: Cell, n_tokens: int) -> bool:
        """Count one trace; whether it is published."""
        if (key, uid) in self._seen:
            self._report.count("copy")
            return False
        self._seen.add((key, uid))
        ending = self._ending(key.problem_id)
        outcome = ending.outcome(key, uid)
        self._report.count("trace", cell.mode, cell.tool, ending.source, cell.bucket, outcome)
        if outcome != PUBLISHED:
            self.rejects.append(_trace_reject(key, outcome, ending))
            return False
        assert ending.verdict is not None
        self._report.count("tokens", cell.mode, cell.tool, n=n_tokens)
        self._report.count("length", cell.mode, cell.tool, _edge(n_tokens))
        problem = ending.verdict.problem
        self._report.count("license", problem.attribution.license or "unknown")
        for licence in {reply.license or "unknown" for reply in problem.contributors} - {problem.attribution.license}:
            self._report.count("license_of_replies", licence)
        return True

    def _ending(self, problem_id: str) -> Ending:
        if problem_id not in self._known:
            ending = self._known[problem_id] = self._endings.of(problem_id)
            if ending.verdict is None and ending.rejected is None:
                self._report.count("problem", "", "unfinished")
        return self._known[problem_id]

    def count_lost(self) -> None:
        """Judged traces that the journal does not hold."""
        for ending in self._endings.with_verdict():
            lost = sum((key, j.uid) not in self._seen for key, j in ending.judgements.items())
            if lost:
                self._report.count("lost", n=lost)


def _trace_reject(key: SampleKey, reason: str, ending: Ending) -> Reject:
    """Why a trace is not published; the trace itself stays in the journal under its key."""
    detail = ""
    if ending.verdict is not None and (judgement := ending.judgements.get(key)):
        detail = f"answer {judgement.answer!r}, reference {ending.verdict.reference!r}, {judgement.method}"
    return Reject(id=str(key), kind="trace", stage="publish", reason=reason, detail=detail)


def _write_rejects(task: PartitionTask, rejects: list[Reject]) -> dict[str, Any]:
    """The partition's rejects as one file, named by its content: every attempt writes the same bytes."""
    data = encode_rows(Reject, sorted(rejects, key=lambda r: (r.kind, r.id, r.reason)), REJECT_COLUMNS)
    sha256 = hashlib.sha256(data).hexdigest()
    key = f"{REJECTS}part-{task.partition.number:05d}-{sha256[:12]}.parquet"
    task.store.write(key, data)
    return {"key": key, "rows": len(rejects), "bytes": len(data), "sha256": sha256}


def _write_run(
    task: PartitionTask, attempt: str, cell: Cell, pieces: list[pa.Table], *, endings: Endings, said: Annotations
) -> dict[str, Any]:
    """The partition's rows of one cell, in their final order and form."""
    traces = _sorted(pa.concat_tables(pieces))
    pieces.clear()
    about = [_about(endings, row) for row in traces.select(KEY_COLUMNS).to_pylist()]
    key = f"{task.plan.directory}runs/{attempt}/{cell.name}.parquet"
    groups = []
    most = min(shape.ROW_GROUP_BYTES, task.plan.settings.shard_mb * 1_000_000 // 4)
    uids = traces["uid"].to_pylist()
    view = task.plan.view
    with task.store.sink(key) as file, shape.writer(file, view, RUN_LEVEL) as writer:
        for start, length in shape.row_groups(traces["problem_id"].to_pylist(), _row_bytes(traces), most):
            verdicts, judged = zip(*about[start : start + length], strict=True)
            mine = [said.get(uid, {}) for uid in uids[start : start + length]]
            piece = traces.slice(start, length)
            table = view.rows(piece, verdicts, judged, mine, task.plan.fingerprint)
            before = file.tell()
            writer.write_table(table, row_group_size=length)
            groups.append([length, file.tell() - before])
    return {"cell": [cell.mode, cell.tool, cell.bucket], "key": key, "groups": groups}


def _about(endings: Endings, row: dict[str, Any]) -> tuple[Verdict, Judgement]:
    ending = endings.of(row["problem_id"])
    assert ending.verdict is not None
    return ending.verdict, ending.judgements[SampleKey.of(row)]


def _sorted(traces: pa.Table) -> pa.Table:
    """Problems in the order of their hashes (a shuffle that never changes), each problem's samples together."""
    owners, samples, uids = (traces[name].to_pylist() for name in ("problem_id", "sample", "uid"))
    order = sorted(range(len(owners)), key=lambda i: (hash_of(owners[i]), owners[i], samples[i], uids[i]))
    return traces.take(order)


def _row_bytes(traces: pa.Table) -> list[int]:
    """About how many bytes each row takes before compression: its tokens, mask and text."""
    per_token = 9  # an id of 4 bytes, a mask of 1, and about 4 bytes of text
    return [per_token * n for n in pc.list_value_length(traces["token_ids"]).to_pylist()]


def _edge(n_tokens: int) -> str:
    """The upper edge of the histogram bin of a length: powers of the root of two, rounded."""
    step = 0
    while round(2 ** (step / 2)) < n_tokens:
        step += 1
    return str(round(2 ** (step / 2)))
