"""Sources: threads and problems in. Knows records and recipe; every malformed row becomes a `Reject`.

`splits` cuts a source into parts that any machine can read on its own, `read` streams one part in bounded memory. Every
row of the input comes out exactly once, as a `Problem`, as a `Thread` or as a `Reject`, with an id that is the same in
every run.
"""

from __future__ import annotations

from collections.abc import Iterator

from factory.recipe import Source
from factory.records import Problem, Reject, Thread
from factory.sources import table
from factory.sources.licences import refuse
from factory.sources.split import Split

__all__ = ["Split", "read", "splits"]


def splits(source: Source) -> list[Split]:
    """The parts of a source. Raises `FactoryError` where there is nothing to read, or nothing that can be read."""
    return table.splits(source)


def read(split: Split) -> Iterator[Problem | Thread | Reject]:
    """The rows of one part. Damaged data never raises; a storage that fails does, and the part can be read again."""
    for row in table.read(split):
        yield refuse(row, split.source)
