"""Parquet files by row groups, and Arrow files as the `datasets` library saves them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from factory.records import Reject
from factory.sources.files import BadData, File, open_raw
from factory.sources.jsonl import Item
from factory.sources.rows import RowPlace, unreadable

BATCH_ROWS = 256
_DAMAGE = (pa.ArrowException, OSError, ValueError, UnicodeDecodeError, OverflowError)


def parquet_shape(file: File) -> tuple[pa.Schema, list[int]]:
    """Columns and bytes of each row group, read from the footer. Raises `BadData` if there is none."""
    with closing(open_raw(file)) as raw:
        try:
            metadata = pq.ParquetFile(raw).metadata
        except _DAMAGE as error:
            raise BadData(str(error)) from error
        return metadata.schema.to_arrow_schema(), [
            metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups)
        ]


def read_parquet(
    file: File, *, columns: list[str], kind: str, start: int = 0, stop: int | None = None
) -> Iterator[Item | Reject]:
    """The rows of some row groups; a group that cannot be read is one reject. A place's id is `<label>:<row>`.

    `columns` are paths; only the columns that they begin in are read.
    """
    with closing(open_raw(file)) as raw:
        try:
            table = pq.ParquetFile(raw, page_checksum_verification=True)
            groups = [table.metadata.row_group(group).num_rows for group in range(table.num_row_groups)]
            columns = _beginnings(table.schema_arrow.names, columns)
        except _DAMAGE as error:
            yield _damaged(file, "0", file.uri, str(error), kind)
            return
        for group in range(start, len(groups) if stop is None else stop):
            row = sum(groups[:group])
            try:
                for batch in table.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns):
                    yield from _rows(file, batch, row, kind)
                    row += batch.num_rows
            except _DAMAGE as error:
                lost = sum(groups[: group + 1]) - row
                yield _damaged(file, str(row), f"{file.uri}, row {row}", f"{lost} rows lost: {error}", kind)


def arrow_schema(file: File) -> pa.Schema:
    """Columns of an Arrow file. Raises `BadData` if it is none."""
    with closing(open_raw(file)) as raw:
        return _open_arrow(raw).schema


def read_arrow(file: File, *, columns: list[str], kind: str) -> Iterator[Item | Reject]:
    """The rows of an Arrow file, in the stream or the file format. A place's id is `<label>:<row>`."""
    row = 0
    with closing(open_raw(file)) as raw:
        try:
            for whole in _batches(_open_arrow(raw)):
                batch = whole.select(_beginnings(whole.schema.names, columns))
                for slice_start in range(0, batch.num_rows, BATCH_ROWS):
                    yield from _rows(file, batch.slice(slice_start, BATCH_ROWS), row + slice_start, kind)
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


def _beginnings(names: list[str], columns: list[str]) -> list[str]:
    """The columns of a file that some paths begin in."""
    wanted = {column if column in names else column.split(".")[0] for column in columns}
    return [name for name in names if name in wanted]


def _rows(file: File, batch: pa.RecordBatch, first: int, kind: str) -> Iterator[Item | Reject]:
    """The rows of a batch; where one value cannot be had in Python, that row alone is a reject."""
    try:
        rows = batch.to_pylist()
    except _DAMAGE as error:
        if batch.num_rows > 1:
            for number in range(batch.num_rows):
                yield from _rows(file, batch.slice(number, 1), first + number, kind)
        else:
            place = RowPlace(f"{file.label}:{first}", f"{file.uri}, row {first}")
            yield unreadable(b"", place, "unreadable_row", " ".join(str(error).split()), kind)
        return
    short = [field for field in batch.schema if _holds_short_floats(field.type)]
    for number, row in enumerate(rows, first):
        row.update((field.name, _shortest(row[field.name], field.type)) for field in short)
        yield row, RowPlace(f"{file.label}:{number}", f"{file.uri}, row {number}")


def _holds_short_floats(kind: pa.DataType) -> bool:
    inner = [kind.field(index).type for index in range(kind.num_fields)]
    return pa.types.is_float32(kind) or pa.types.is_float16(kind) or any(map(_holds_short_floats, inner))


def _shortest(value: Any, kind: pa.DataType) -> Any:
    """A value with its floats of 16 and 32 bits as the number that is meant: 0.1, not 0.10000000149011612."""
    if isinstance(value, float) and pa.types.is_floating(kind):
        return float(str(kind.to_pandas_dtype()(value)))
    if isinstance(value, dict) and pa.types.is_struct(kind):
        return {field.name: _shortest(value[field.name], field.type) for field in kind}
    if isinstance(value, list) and kind.num_fields == 1:
        return [_shortest(item, kind.field(0).type) for item in value]
    return value


def _damaged(file: File, where: str, position: str, detail: str, kind: str) -> Reject:
    return unreadable(b"", RowPlace(f"{file.label}:{where}", position), "unreadable_file", detail, kind)
