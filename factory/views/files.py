"""The files of one partition and split: rows into Parquet or JSON lines, a bounded buffer a table, names by content."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from factory.store.fs import SpoolFile, Store
from factory.store.parts import WRITER_SETTINGS
from factory.views.view import Row, Table

GROUP_ROWS, GROUP_BYTES = 1000, 32 << 20
"""A row group has at most so many rows, and closes when it has so many bytes before compression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    """One written file: its key below the export's URI, its table and split, and what it must contain."""

    key: str
    table: str
    split: str
    rows: int
    bytes: int
    sha256: str


class TableFiles:
    """Open files of one partition and split, at most one a table. A context manager: `close` puts them in place."""

    def __init__(self, store: Store, tables: Mapping[str, Table], split: str, number: int) -> None:
        self._store, self._tables, self._split, self._number = store, tables, split, number
        self._open: dict[str, _File] = {}
        self._stack = ExitStack()

    def add(self, row: Row) -> None:
        if row.table not in self._open:
            spooled = self._stack.enter_context(self._store.spool(self._directory(row.table) + "x"))
            self._open[row.table] = _File(spooled, self._tables[row.table])
            self._stack.callback(self._open[row.table].close)  # before its spool is removed, whatever happens
        self._open[row.table].add(row.values)

    def close(self) -> list[ExportFile]:
        return [self._put(name, file) for name, file in sorted(self._open.items())]

    def _put(self, name: str, file: _File) -> ExportFile:
        file.close()
        sha256, size = file.spooled.digest()
        table = self._tables[name]
        key = f"{self._directory(name)}{self._split}-{self._number:05d}-{sha256[:12]}{table.suffix}"
        file.spooled.put(key)
        return ExportFile(key=key, table=name, split=self._split, rows=file.rows, bytes=size, sha256=sha256)

    def _directory(self, table: str) -> str:
        return f"{'data' if self._tables[table].split else 'reports'}/{table}/"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


class _File:
    """Rows on their way into one file."""

    def __init__(self, spooled: SpoolFile, table: Table) -> None:
        self.spooled, self.rows = spooled, 0
        self._schema, self._waiting, self._bytes = table.schema, list[Mapping[str, Any]](), 0
        self._parquet: pq.ParquetWriter | None = None
        if table.suffix != ".jsonl":
            columns = {**WRITER_SETTINGS, "use_dictionary": list(table.repetitive)}
            self._parquet = pq.ParquetWriter(pa.PythonFile(spooled.file, mode="w"), table.schema, **columns)

    def add(self, values: Mapping[str, Any]) -> None:
        self.rows += 1
        if self._parquet is None:
            self.spooled.file.write((json.dumps(values, ensure_ascii=False, default=_plain) + "\n").encode())
            return
        self._waiting.append(values)
        self._bytes += sum(_size(value) for value in values.values())
        if len(self._waiting) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        if self._parquet is not None and self._parquet.is_open:
            self._flush()
            self._parquet.close()

    def _flush(self) -> None:
        assert self._parquet is not None
        if self._waiting:
            columns = [pa.array([row[f.name] for row in self._waiting], f.type) for f in self._schema]
            self._parquet.write_table(pa.table(columns, schema=self._schema), row_group_size=len(self._waiting))
            self._waiting, self._bytes = [], 0


def _size(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    return len(value) if isinstance(value, str) else 200 * len(value) if isinstance(value, list) else 8


def _plain(value: Any) -> Any:
    """Numpy's values as JSON has them."""
    return value.tolist()
