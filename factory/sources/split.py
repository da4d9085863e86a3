"""The unit of parallel reading: a part of one source that any machine can read on its own."""

from __future__ import annotations

from dataclasses import dataclass

from factory.recipe import Source
from factory.sources.files import File


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A part of a source; pickles small.

    `start` and `stop` bound it in the unit of its reader: bytes of a JSON lines file, row groups of a Parquet file. Of
    a Stack Exchange dump, which is joined from all of `files`, it is part `start` of `stop`.
    """

    source: Source
    index: int
    files: tuple[File, ...]
    start: int = 0
    stop: int | None = None
