"""Whole tables of one row kind as single Parquet objects: a run's inputs and its rejects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from factory.arrow import to_table
from factory.store.fs import Store
from factory.store.parts import WRITER_SETTINGS

REJECT_COLUMNS = ("id", "kind", "stage", "reason", "detail", "row", "position")
"""Columns of a published reject: those that every version has had."""


def encode_rows(kind: type, rows: Sequence[Any], columns: Sequence[str] | None = None) -> bytes:
    """Rows of one kind, or some columns of them, as a Parquet file; equal rows give equal bytes."""
    table = to_table(kind, list(rows))
    if columns is not None:
        table = table.select(list(columns))
    sink = pa.BufferOutputStream()
    pq.write_table(
        table if columns is None else table.select(list(columns)), sink, use_dictionary=False, **WRITER_SETTINGS
    )
    return bytes(sink.getvalue().to_pybytes())


def write_rows(store: Store, key: str, kind: type, rows: Sequence[Any]) -> None:
    """Put rows of one kind at `key`, whole or not at all."""
    store.write(key, encode_rows(kind, rows))


def read_table(store: Store, key: str) -> pa.Table:
    """All rows at `key`."""
    with store.parquet(key) as file:
        return file.read()
