"""Whole tables of one row kind as single Parquet objects: a run's inputs and its rejects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from factory.records import to_table
from factory.store.fs import Store
from factory.store.parts import WRITER_SETTINGS


def write_rows(store: Store, key: str, kind: type, rows: Sequence[Any]) -> None:
    """Put rows of one kind at `key`, whole or not at all."""
    sink = pa.BufferOutputStream()
    pq.write_table(to_table(kind, list(rows)), sink, use_dictionary=False, **WRITER_SETTINGS)
    store.write(key, sink.getvalue().to_pybytes())


def read_table(store: Store, key: str) -> pa.Table:
    """All rows at `key`."""
    with store.parquet(key) as file:
        return file.read()
