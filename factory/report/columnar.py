"""Sums over the columns of an Arrow table, for figures that are made without looking at single rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def counts(table: pa.Table) -> Counter[tuple[Hashable, ...]]:
    """How often each row occurs; for tables whose rows repeat."""
    if not table.num_rows:
        return Counter()
    names = table.column_names
    found = table.group_by(names).aggregate([([], "count_all")]).to_pydict()
    return Counter(dict(zip(zip(*(found[name] for name in names), strict=True), found["count_all"], strict=True)))


def flat(column: pa.ChunkedArray) -> pa.StructArray | pa.Array:
    """The elements of a list column, one after the other."""
    return pc.list_flatten(column.combine_chunks())


def largest(column: pa.ChunkedArray, values: npt.NDArray[np.float64], default: float) -> npt.NDArray[np.float64]:
    """Of each row's list the largest of `values` (one for each element of the lists); `default` if it is empty."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    found = np.full(len(lengths), default)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(lengths) else lengths
    filled = lengths > 0
    if filled.any():
        found[filled] = np.maximum.reduceat(values, starts[filled])
    return found
