"""What the journal must know of a row kind: where its parts are, whose its rows are, what they add up to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pyarrow as pa

from factory.arrow import schema
from factory.store.counts import RowCount

OWNER = "owner"
"""The column of every part that names whose row it is."""


@dataclass(frozen=True, slots=True)
class DerivedColumn:
    """A column that parts of earlier versions lack, made of columns that they have."""

    needs: tuple[str, ...]
    make: Callable[[pa.Table], pa.Array | pa.ChunkedArray]


def same_as(column: str) -> DerivedColumn:
    """A column that holds what another one holds."""
    return DerivedColumn((column,), lambda table: table[column])


@dataclass(frozen=True, slots=True, kw_only=True)
class RowKind:
    """What the journal must know of one row kind."""

    row: type
    """The dataclass; its fields are the columns of a part, and `owner` after them if it is none of them."""
    directory: str
    """Where its parts are stored, below the run's URI."""
    owner: Callable[[Any], str] = lambda row: str(row.owner)
    """The id that a row is looked up by."""
    also: Callable[[Any], tuple[str, ...]] = lambda row: ()
    """Further ids that a part's table of contents lists the row under."""
    derived: Mapping[str, DerivedColumn] = dataclasses.field(default_factory=dict)
    """Columns that have been added since the first version, and cannot be filled with their field's default."""
    heading: Callable[[Any], str] = lambda row: ""
    """What a row is counted under, in the sums of a part's footer."""
    count: Callable[[Any], RowCount] = lambda row: RowCount(1)
    """What a row adds to these sums."""
    counts: type[RowCount] = RowCount
    """The type of these sums."""
    ends: bool = False
    """Whether a row ends its owner: no program works on that any more."""
    effect: bool = False
    """Whether a row is what a program has done for its owner: one that continues asks for it."""
    published: bool = False
    """Whether publishing reads it."""

    @property
    def schema(self) -> pa.Schema:
        """The columns of a part."""
        return _schema(self.row)


@cache
def _schema(row: type) -> pa.Schema:
    own = schema(row)
    return own if OWNER in own.names else own.append(pa.field(OWNER, pa.string()))
