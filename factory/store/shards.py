"""Put runs together into few large files: a task of the second pass writes one shard under its final name.

A file's name holds the first digits of its checksum. Writing is deterministic, so two attempts at a shard write the
same bytes to the same key, and a marker decides in the case that they do not (two library versions in one cluster).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from factory.store import shape
from factory.store.commit import commit, committed, new_attempt
from factory.store.fs import Store
from factory.store.manifest import Shard
from factory.store.plan import Plan
from factory.store.shape import Cell

SHARD_LEVEL = 9  # 17 % smaller than level 3 for three times the time; files are written once and read often


@dataclass(frozen=True, slots=True)
class ShardTask:
    """One file to write: the row groups of runs, in order. Pickles."""

    store: Store
    plan: Plan
    cell: Cell
    number: int
    pieces: list[tuple[str, list[int]]]  # key of a run, and its row groups

    @property
    def marker(self) -> str:
        return f"{self.plan.directory}shard-{self.cell.name}-{self.number:05d}.json"


def shard_tasks(store: Store, plan: Plan, partitions: Iterable[dict[str, Any]]) -> Iterator[ShardTask]:
    """Cut each cell's row groups, in the order of the partitions, into files of at most the settings' size.

    Runs are compressed less than shards, so sizes are bounds: a file comes out somewhat smaller.
    """
    runs: dict[Cell, list[dict[str, Any]]] = defaultdict(list)
    for record in partitions:
        for run in record["runs"]:
            runs[Cell(*run["cell"])].append(run)
    for cell in sorted(runs):
        for number, pieces in enumerate(_cut(runs[cell], plan.settings.shard_mb * 1_000_000)):
            yield ShardTask(store, plan, cell, number, pieces)


def write_shard(task: ShardTask) -> Shard:
    """Write one file, or find out that another attempt has."""
    known = committed(task.store, task.marker)
    if known is None or not task.store.exists(known["key"]):
        known = commit(task.store, task.marker, asdict(_write(task)), new_attempt())
    return Shard(**{name: value for name, value in known.items() if name != "attempt"})


def _write(task: ShardTask) -> Shard:
    cell, rows = task.cell, 0
    with task.store.spool(f"{cell.directory}part") as spooled:
        with shape.writer(spooled.file, task.plan.view, SHARD_LEVEL) as writer:
            for key, groups in task.pieces:
                with task.store.parquet(key) as run:
                    for group in groups:
                        table = run.read_row_group(group)
                        writer.write_table(table, row_group_size=table.num_rows)
                        rows += table.num_rows
        sha256, size = spooled.digest()
        key = f"{cell.directory}part-{cell.bucket}-{task.number:05d}-{sha256[:12]}.parquet"
        spooled.put(key)
    return Shard(key=key, mode=cell.mode, tool=cell.tool, bucket=cell.bucket, rows=rows, bytes=size, sha256=sha256)


def _cut(runs: list[dict[str, Any]], limit: int) -> Iterator[list[tuple[str, list[int]]]]:
    pieces: dict[str, list[int]] = {}
    size = 0
    for run in runs:
        for group, (_, nbytes) in enumerate(run["groups"]):
            if pieces and size + nbytes > limit:
                yield list(pieces.items())
                pieces, size = {}, 0
            pieces.setdefault(run["key"], []).append(group)
            size += nbytes
    if pieces:
        yield list(pieces.items())
