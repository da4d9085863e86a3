"""Parquet files by row groups, and Arrow files as the `datasets` library saves them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from factory.records import Reject
from factory.sources.files import BadData, File, open_raw
from factory.sources.jsonl import Row
from factory.sources.rows import Place, unreadable

BATCH_ROWS = 256
_DAMAGE = (pa.ArrowException, OSError, ValueError, UnicodeDecodeError)


def parquet_shape(file: File) -> tuple[list[str], list[int]]:
    """Column names and bytes of each row group, read from the footer. Raises `BadData` where there is none."""
    with closing(open_raw(file)) as raw:
        try:
            metadata = pq.ParquetFile(raw).metadata
        except _DAMAGE as error:
            raise BadData(str(error)) from error
        return list(metadata.schema.to_arrow_schema().names), [
            metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)
        ]


def read_parquet(
    file: File, *, columns: list[str], kind: str, start: int = 0, stop: int | None = None
) -> Iterator[Row | Reject]:
    """The rows of some row groups; a group that cannot be read is one reject. A place's id is `<label>:<row>`."""
    with closing(open_raw(file)) as raw:
        try:
            table = pq.ParquetFile(raw, page_checksum_verification=True)
            groups = [table.metadata.row_group(group).num_rows for group in range(table.num_row_groups)]
        except _DAMAGE as error:
            yield _damaged(file, "0", file.uri, str(error), kind)
            return
        for group in range(start, len(groups) if stop is None else stop):
            row = sum(groups[:group])
            try:
                for batch in table.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns):
                    yield from _rows(file, batch, row)
                    row += batch.num_rows
            except _DAMAGE as error:
                lost = sum(groups[: group + 1]) - row
                yield _damaged(file, str(row), f"{file.uri}, row {row}", f"{lost} rows lost: {error}", kind)


def arrow_names(file: File) -> list[str]:
    """Column names of an Arrow file. Raises `BadData` where it is none."""
    with closing(open_raw(file)) as raw:
        return list(_open_arrow(raw).schema.names)


def read_arrow(file: File, *, kind: str) -> Iterator[Row | Reject]:
    """The rows of an Arrow file, in the stream or the file format. A place's id is `<label>:<row>`."""
    row = 0
    with closing(open_raw(file)) as raw:
        try:
            for batch in _batches(_open_arrow(raw)):
                for slice_start in range(0, batch.num_rows, BATCH_ROWS):
                    yield from _rows(file, batch.slice(slice_start, BATCH_ROWS), row + slice_start)
                row += batch.num_rows
        except (BadData, *_DAMAGE) as error:
            yield _damaged(file, str(row), f"{file.uri}, row {row}", str(error), kind)


def _open_arrow(raw: Any) -> Any:
    try:
        magic = raw.read(6)
        raw.seek(0)
        return pa.ipc.open_file(raw) if magic == b"ARROW1" else pa.ipc.open_stream(raw)
    except _DAMAGE as error:
        raise BadData(str(error)) from error


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if hasattr(reader, "get_batch"):
        return (reader.get_batch(index) for index in range(reader.num_record_batches))
    return iter(reader)


def _rows(file: File, batch: pa.RecordBatch, first: int) -> Iterator[Row]:
    for number, row in enumerate(batch.to_pylist(), first):
        yield row, Place(f"{file.label}:{number}", f"{file.uri}, row {number}")


def _damaged(file: File, where: str, position: str, detail: str, kind: str) -> Reject:
    return unreadable(b"", Place(f"{file.label}:{where}", position), "unreadable_file", detail, kind)
