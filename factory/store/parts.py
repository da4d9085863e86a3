"""The format of one journal part: a Parquet file of rows of one kind, with a table of contents in its footer.

Rows of one owner lie together and row groups end between owners. The footer tells, for each row group, whose rows it
holds, and sums up the part; so a reader learns all that resuming and planning need from one read of the file's tail.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from factory.arrow import SCHEMA_VERSION, from_table, schema, to_dict
from factory.records import Asked, Curated, FinishedTurn, Reject, Trace, Verdict
from factory.store.fs import Entry, Store
from factory.store.ids import Row, owner_of, scoped

log = logging.getLogger(__name__)

# In the order in which a flush writes them: a verdict becomes visible only after the traces that it judged, a thread's
# ending only after the rejects of its problems.
DIRECTORIES: dict[type, str] = {
    FinishedTurn: "journal/turns/",
    Asked: "journal/asks/",
    Trace: "journal/traces/",
    Verdict: "journal/verdicts/",
    Reject: "journal/rejects/",
    Curated: "journal/curated/",
}
ROW_GROUP_BYTES = 4 << 20
READERS = 16  # footers read at once

# Measured on long traces: level 3 while generating, real pages of 1 MiB (pyarrow checks a page's size only every
# `write_batch_size` rows), page index and checksums cost next to nothing, a dictionary helps repeated text only.
WRITER_SETTINGS: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 3,
    "data_page_size": 1 << 20,
    "write_batch_size": 16,
    "write_page_index": True,
    "write_page_checksum": True,
}

Kind = TypeVar("Kind", Trace, Verdict, Reject, FinishedTurn, Asked, Curated)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A row as Arrow, with what the part's table of contents says about it."""

    owner: str
    names: tuple[str, ...]  # whom the table of contents lists it under: the owner, and the problems of a thread
    batch: pa.RecordBatch
    nbytes: int
    tally: tuple[str, tuple[int, ...]]  # a heading, and numbers to be summed under it


@dataclass(frozen=True, slots=True)
class PartInfo:
    """A part's table of contents: the owners of each row group, and sums by heading (see `tally`)."""

    entry: Entry
    groups: list[list[str]]
    group_bytes: list[int]
    tally: dict[str, list[int]] = field(default_factory=dict)


def encode_row(row: Row) -> Encoded:
    """One row, ready to be put into a part."""
    kind: type = type(row)
    batch = pa.RecordBatch.from_pylist([to_dict(row)], schema=schema(kind))
    owner = owner_of(row)
    names = (owner, *(problem.id for problem in row.problems)) if isinstance(row, Curated) else (owner,)
    return Encoded(owner, names, batch, batch.nbytes, _tally(row))


def encode_part(kind: type, rows: list[Encoded], fingerprint: str) -> pa.Buffer:
    """A whole part as bytes."""
    groups = list(_groups(sorted(rows, key=lambda row: row.owner)))
    contents = {
        "fingerprint": fingerprint,
        "groups": [sorted({name for row in group for name in row.names}) for group in groups],
        "group_bytes": [sum(row.nbytes for row in group) for group in groups],
        "tally": _sums(row.tally for row in rows),
    }
    return assemble(kind, [pa.Table.from_batches([row.batch for row in group]) for group in groups], contents)


def assemble(kind: type, groups: list[pa.Table], contents: dict[str, Any]) -> pa.Buffer:
    """Row groups and their table of contents as the bytes of a part."""
    metadata = {**schema(kind).metadata, "factory": json.dumps(contents, ensure_ascii=False)}
    full = schema(kind).with_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, full, use_dictionary=["problem_id", "owner"], **WRITER_SETTINGS) as writer:
        for group in groups:
            writer.write_table(group.combine_chunks())
    return sink.getvalue()


def read_info(store: Store, entry: Entry, fingerprint: str | None = None) -> PartInfo | None:
    """The table of contents of one part; None, with a warning, where it is not a part of this run's journal."""
    try:
        with store.parquet(entry.key, entry.size) as file:
            metadata = file.metadata.metadata or {}
        contents = json.loads(metadata[b"factory"])
        version = int(metadata[b"schema_version"])
        info = PartInfo(entry, contents["groups"], contents["group_bytes"], contents["tally"])
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        log.warning("skipping %s: not a readable journal part (%s)", store.url(entry.key), _first_line(error))
        return None
    if version > SCHEMA_VERSION:
        log.warning("skipping %s: written by a newer factory (schema version %s)", store.url(entry.key), version)
        return None
    if fingerprint and contents["fingerprint"] != fingerprint:
        log.warning("skipping %s: written under another recipe (%s)", store.url(entry.key), contents["fingerprint"])
        return None
    return info


def scan(store: Store, kind: type, fingerprint: str | None = None) -> list[PartInfo]:
    """The tables of contents of every part of one kind, in the order of the parts' names."""
    entries = [entry for entry in store.list(DIRECTORIES[kind]) if entry.key.endswith(".parquet")]
    with ThreadPoolExecutor(READERS) as readers:
        infos = readers.map(lambda entry: read_info(store, entry, fingerprint), entries)
        return [info for info in infos if info is not None]


def read_rows(store: Store, kind: type[Kind], key: str, group: int, owner: str) -> list[Kind]:
    """The rows of `owner` in one row group of one part; none, with a warning, where its pages are damaged."""
    try:
        with store.parquet(key) as file:
            table: pa.Table = file.read_row_group(group)
    except (pa.ArrowException, OSError) as error:
        log.warning("skipping a row group of %s: %s", store.url(key), _first_line(error))
        return []
    return from_table(kind, table.filter(pc.equal(_owners(kind, table), owner)))


def _owners(kind: type, table: pa.Table) -> pa.ChunkedArray | pa.Array:
    """The owner of each row, as `owner_of` gives it."""
    if kind is Verdict:
        return pc.struct_field(table["problem"], "id")
    if kind is Reject:
        return pa.array(
            [scoped(*pair) for pair in zip(table["id"].to_pylist(), table["kind"].to_pylist(), strict=True)]
        )
    if kind is Curated:
        return pa.array([scoped(thread, "thread") for thread in table["thread_id"].to_pylist()])
    return table["owner" if kind is Asked else "problem_id"]


def _groups(rows: list[Encoded]) -> Iterable[list[Encoded]]:
    """Cut rows into row groups: between owners, where a group has its size."""
    group: list[Encoded] = []
    size = 0
    for row in rows:
        if size >= ROW_GROUP_BYTES and row.owner != group[-1].owner:
            yield group
            group, size = [], 0
        group.append(row)
        size += row.nbytes
    if group:
        yield group


def _tally(row: Row) -> tuple[str, tuple[int, ...]]:
    match row:
        case Trace():
            tokens = (row.n_generated_tokens, row.n_tool_tokens, row.n_regenerated_tokens)
            return f"{row.mode}/{'python' if row.tool else 'none'}", (1, *tokens)
        case Reject():
            return f"{row.kind}/{row.stage}/{row.reason}", (1,)
        case Curated():
            return "", (1, len(row.problems), row.n_found)
        case _:
            return "", (1,)


def _sums(tallies: Iterable[tuple[str, tuple[int, ...]]]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for heading, numbers in tallies:
        so_far = found[heading]
        found[heading] = [a + b for a, b in zip(so_far, numbers, strict=True)] if so_far else list(numbers)
    return dict(found)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
