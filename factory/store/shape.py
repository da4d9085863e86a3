"""The shape of published files: which directory and bucket a trace goes to, and how rows are cut into row groups."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from factory.store.parts import WRITER_SETTINGS
from factory.store.view import View

ROW_GROUP_ROWS = 2000
ROW_GROUP_BYTES = 64 << 20  # before compression; the Hub's viewer refuses row groups above 286 MiB


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """Where a trace belongs: its mode, its tool ("python" or "none"), and its token-length bucket."""

    mode: str
    tool: str
    bucket: str

    @property
    def directory(self) -> str:
        return f"dataset/mode={self.mode}/tool={self.tool}/"

    @property
    def name(self) -> str:
        return f"{self.mode}-{self.tool}-{self.bucket}"


def bucket_of(n_tokens: int, edges: Sequence[int]) -> str:
    """The bucket of a trace of `n_tokens` tokens: its upper edge ("16k"), or "over-128k" past the last one.

    Edges are upper edges: a trace of exactly that many tokens still fits.
    """
    ordered = sorted(edges)
    place = bisect_left(ordered, n_tokens)
    return _label(ordered[place]) if place < len(ordered) else f"over-{_label(ordered[-1])}" if ordered else "all"


def row_groups(
    owners: Sequence[str], row_bytes: Sequence[int], most_bytes: int = ROW_GROUP_BYTES
) -> Iterator[tuple[int, int]]:
    """Cut rows in order into (start, length), between owners, where a group has its size."""
    start = size = 0
    for row, (owner, n) in enumerate(zip(owners, row_bytes, strict=True)):
        full = size >= most_bytes or row - start >= ROW_GROUP_ROWS
        if row > start and full and owner != owners[row - 1]:
            yield start, row - start
            start, size = row, 0
        size += n
    if len(owners) > start:
        yield start, len(owners) - start


def writer(file: IO[bytes], view: View, level: int) -> pq.ParquetWriter:
    """A Parquet writer of published rows. Its bytes depend on the rows alone."""
    settings: dict[str, Any] = {**WRITER_SETTINGS, "compression_level": level, "use_dictionary": list(view.repetitive)}
    return pq.ParquetWriter(pa.PythonFile(file, mode="w"), view.schema, **settings)


def _label(edge: int) -> str:
    return f"{edge // 1024}k" if edge % 1024 == 0 else str(edge)
