"""Read a few columns of every journal part of one kind, side by side, and hand them on in order.

What is held at once is a handful of parts' columns, however long the journal is.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, deque
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from factory.arrow import SCHEMA_VERSION
from factory.store.fs import Entry
from factory.store.parts import DIRECTORIES
from factory.store.run import Run

log = logging.getLogger(__name__)
_READERS = 8


def tables(run: Run, kind: type, columns: Sequence[str]) -> Iterator[tuple[str, pa.Table]]:
    """(key, columns) of each part that belongs to the run, in the order of their names; damaged parts are left out."""
    entries = (entry for entry in run.store.list(DIRECTORIES[kind]) if entry.key.endswith(".parquet"))
    ahead: deque[tuple[str, Future[pa.Table | None]]] = deque()
    with ThreadPoolExecutor(_READERS) as readers:
        for entry in entries:
            ahead.append((entry.key, readers.submit(_read, run, entry, columns)))
            if len(ahead) >= 2 * _READERS:
                yield from _first(ahead)
        while ahead:
            yield from _first(ahead)


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
    """Of each row's list the largest of `values` (one for each element of the lists); `default` where it is empty."""
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
    found = np.full(len(lengths), default)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(lengths) else lengths
    filled = lengths > 0
    if filled.any():
        found[filled] = np.maximum.reduceat(values, starts[filled])
    return found


def _read(run: Run, entry: Entry, columns: Sequence[str]) -> pa.Table | None:
    try:
        with run.store.parquet(entry.key, entry.size) as file:
            metadata: dict[bytes, bytes] = file.metadata.metadata or {}
            contents: dict[str, Any] = json.loads(metadata[b"factory"])
            if contents["fingerprint"] != run.fingerprint or int(metadata[b"schema_version"]) > SCHEMA_VERSION:
                return None
            return file.read(columns=list(columns), use_threads=False)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        log.warning("skipping %s: %s", run.store.url(entry.key), (str(error) or type(error).__name__).splitlines()[0])
        return None


def _first(ahead: deque[tuple[str, Future[pa.Table | None]]]) -> Iterator[tuple[str, pa.Table]]:
    key, waiting = ahead.popleft()
    table = waiting.result()
    if table is not None:
        yield key, table
