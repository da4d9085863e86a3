"""Input parts: Parquet files of one row kind, and what the driver must know about their rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from factory.arrow import from_table
from factory.recipe import Source
from factory.records import Problem, Reject, StoredSample, Thread
from factory.sources.distinct import text_of
from factory.store.fs import Store
from factory.store.ids import Hashes, hashes_of
from factory.store.tables import read_table, write_rows

ROWS_PER_PART = 4096
SAMPLES_PER_PART = 256  # each of them may have a hundred thousand tokens
Row = Problem | Thread | StoredSample | Reject
KINDS = (Problem, Thread, StoredSample, Reject)


@dataclass(slots=True, kw_only=True)
class Part:
    """One written part, and what the driver must know about its rows."""

    key: str
    kind: str
    ids: Hashes  # (rows,) of the rows' ids; empty for rejects
    origin: str = ""  # the name and path of its source
    texts: Hashes | None = None  # (rows,) of the problems' texts, if the source folds duplicates
    answered: npt.NDArray[np.bool_] | None = None  # (rows,) likewise, whether a problem has an answer
    reasons: Counter[str] = field(default_factory=Counter)
    rows: int = 0


def write_part(store: Store, number: int, index: int, batch: list[Row], source: Source | None = None) -> Part:
    """Write rows of one kind as part `index` of split group `number`."""
    kind = type(batch[0])
    key = f"inputs/{kind.__name__}/{number:05}-{index:04}.parquet"
    write_rows(store, key, kind, batch)
    if kind is Reject:
        reasons = Counter(row.reason for row in batch if isinstance(row, Reject))
        return Part(key=key, kind=kind.__name__, ids=np.empty(0, np.uint64), reasons=reasons, rows=len(batch))
    part = Part(key=key, kind=kind.__name__, ids=hashes_of(row.id for row in batch), rows=len(batch))
    part.origin = " ".join(filter(None, [source.name, source.path])) if source else ""
    if source and source.fold_duplicates and kind is Problem:
        part.texts = hashes_of(text_of(row).strip() for row in batch)
        part.answered = np.array([isinstance(row, Problem) and row.answer is not None for row in batch])
    return part


def read_rows(store: Store, key: str, positions: list[int]) -> list[Row]:
    """The rows of a part at these positions."""
    kind = next(kind for kind in KINDS if f"/{kind.__name__}/" in key)
    return list(from_table(kind, read_table(store, key).take(positions))) if positions else []
