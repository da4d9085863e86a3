"""The format of one journal part: a Parquet file of rows of one kind, with a table of contents in its footer.

Rows of one owner are stored together, and row groups end between owners. The footer tells, for each row group, whose
rows it holds, and sums up the part; so a reader learns all that resuming and planning need from the file's tail.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, field
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from factory.arrow import SCHEMA_VERSION, from_table, to_dict
from factory.records import JournalRow
from factory.store.counts import Tally, sums
from factory.store.fs import Entry, Store
from factory.store.kinds import KINDS, kind_of
from factory.store.row_kind import OWNER, RowKind

log = logging.getLogger(__name__)

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

_REPETITIVE = [OWNER, "problem_id", "task", "teacher", "name", "model", "revision", "license"]

Kind = TypeVar("Kind", bound=JournalRow)


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """A row as Arrow, with what the part's table of contents says about it."""

    owner: str
    ids: tuple[str, ...]  # what the table of contents lists it under: the owner, and the problems of a thread
    batch: pa.RecordBatch
    nbytes: int
    tally: Tally


@dataclass(frozen=True, slots=True)
class PartInfo:
    """A part's table of contents: the ids of each row group, and sums by heading."""

    entry: Entry
    groups: list[list[str]]
    group_bytes: list[int]
    tally: Tally = field(default_factory=dict)


def encode_row(row: JournalRow) -> EncodedRow:
    """One row, ready to be put into a part."""
    kind = kind_of(row)
    owner = kind.owner(row)
    batch = pa.RecordBatch.from_pylist([to_dict(row) | {OWNER: owner}], schema=kind.schema)
    return EncodedRow(owner, (owner, *kind.also(row)), batch, batch.nbytes, {kind.heading(row): kind.count(row)})


def encode_part(kind: type, rows: list[EncodedRow], fingerprint: str) -> pa.Buffer:
    """A whole part as bytes."""
    groups = list(_groups(sorted(rows, key=lambda row: row.owner)))
    contents = {
        "fingerprint": fingerprint,
        "groups": [sorted({row_id for row in group for row_id in row.ids}) for group in groups],
        "group_bytes": [sum(row.nbytes for row in group) for group in groups],
        "tally": {heading: astuple(count) for heading, count in sums(row.tally for row in rows).items()},
    }
    return assemble(kind, [pa.Table.from_batches([row.batch for row in group]) for group in groups], contents)


def assemble(kind: type, groups: list[pa.Table], contents: dict[str, Any]) -> pa.Buffer:
    """Row groups and their table of contents as the bytes of a part."""
    metadata = {**KINDS[kind].schema.metadata, "factory": json.dumps(contents, ensure_ascii=False)}
    full = KINDS[kind].schema.with_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, full, use_dictionary=_REPETITIVE, **WRITER_SETTINGS) as writer:
        for group in groups:
            writer.write_table(_completed(KINDS[kind], group, full.names).cast(full).combine_chunks())
    return sink.getvalue()


def read_info(store: Store, kind: type, entry: Entry, fingerprint: str | None = None) -> PartInfo | None:
    """The table of contents of one part; None, with a warning, if it is not a part of this run's journal."""
    try:
        with store.parquet(entry.key, entry.size) as file:
            metadata = file.metadata.metadata or {}
        contents = json.loads(metadata[b"factory"])
        version = int(metadata[b"schema_version"])
        tally = {heading: KINDS[kind].counts(*numbers) for heading, numbers in contents["tally"].items()}
        info = PartInfo(entry, contents["groups"], contents["group_bytes"], tally)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
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
    entries = [entry for entry in store.list(KINDS[kind].directory) if entry.key.endswith(".parquet")]
    with ThreadPoolExecutor(READERS) as readers:
        infos = readers.map(lambda entry: read_info(store, kind, entry, fingerprint), entries)
        return [info for info in infos if info is not None]


def read_groups(
    store: Store, kind: type, part: Entry, groups: Iterable[int], columns: Sequence[str] | None = None
) -> Iterator[tuple[int, pa.Table]]:
    """Row groups of one part, each with its number, as today's version would have written them.

    `columns` may name nested fields (`problem.id`) and `owner`. What the part is too old to have is filled in. Damaged
    pages cost their row group, with a warning.
    """
    with store.parquet(part.key, part.size) as file:
        for group in groups:
            try:
                yield group, _read(KINDS[kind], file, group, columns)
            except (pa.ArrowException, OSError) as error:
                log.warning("skipping a row group of %s: %s", store.url(part.key), _first_line(error))


def read_rows(store: Store, kind: type[Kind], part: Entry, group: int, owner: str) -> list[Kind]:
    """The rows of `owner` in one row group of one part; none, with a warning, where its pages are damaged."""
    tables = [table for _, table in read_groups(store, kind, part, [group])]
    return [row for table in tables for row in from_table(kind, table.filter(pc.equal(table[OWNER], owner)))]


def _read(kind: RowKind, file: pq.ParquetFile, group: int, columns: Sequence[str] | None) -> pa.Table:
    there = set(file.schema_arrow.names)
    wanted = list(kind.schema.names if columns is None else columns)
    read = [column for column in wanted if _top(column) in there]
    read += [needed for column in wanted if column not in there and column in kind.derived
             for needed in kind.derived[column].needs]  # fmt: skip
    table = file.read_row_group(group, columns=list(dict.fromkeys(read)), use_threads=False)
    table = _completed(kind, table, names := list(dict.fromkeys(map(_top, wanted))))
    return table.select(names).replace_schema_metadata(None)


def _completed(kind: RowKind, table: pa.Table, names: Iterable[str]) -> pa.Table:
    """`table` with those of these columns that it is too old to have."""
    for name in names:
        if name not in table.column_names:
            made = kind.derived[name].make(table) if name in kind.derived else _default(kind, name, table.num_rows)
            table = table.append_column(kind.schema.field(name), made)
    return table


def _default(kind: RowKind, name: str, n_rows: int) -> pa.Array:
    field = next(field for field in dataclasses.fields(kind.row) if field.name == name)
    value = field.default_factory() if callable(field.default_factory) else field.default
    return pa.array([value] * n_rows, kind.schema.field(name).type)


def _top(column: str) -> str:
    return column.split(".", 1)[0]


def _groups(rows: list[EncodedRow]) -> Iterable[list[EncodedRow]]:
    """Cut rows into row groups: between owners, where a group has its size."""
    group: list[EncodedRow] = []
    size = 0
    for row in rows:
        if size >= ROW_GROUP_BYTES and row.owner != group[-1].owner:
            yield group
            group, size = [], 0
        group.append(row)
        size += row.nbytes
    if group:
        yield group


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
