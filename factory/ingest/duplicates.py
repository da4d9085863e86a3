"""Duplicates among the input parts of a run: rows with one id, and problems with one text.

Of rows with one id the first in source order stays. Two sources that use one id for different problems are an error.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from factory.ingest.inputs import DUPLICATES
from factory.ingest.parts import Part, Row, read_rows
from factory.records import Problem, Reject, StoredSample, Thread
from factory.sources.distinct import shared_id, text_of
from factory.store.fs import Store
from factory.store.ids import hash_of
from factory.store.tables import write_rows

Positions = dict[str, list[int]]
"""Key of a part -> positions of rows in it."""


def find_repeated_ids(parts: list[Part]) -> Positions:
    """Rows whose id an earlier row has."""
    if not parts:
        return {}
    ids = np.concatenate([part.ids for part in parts])
    first = np.zeros(len(ids), dtype=bool)
    first[np.unique(ids, return_index=True)[1]] = True
    return _by_part([part.key for part in parts], [len(part.ids) for part in parts], ~first)


def find_repeated_texts(parts: list[Part], by_id: Positions) -> Positions:
    """Problems whose text another row that stays has: of each group the first one with an answer stays.

    Only parts of sources that fold duplicates count; rows that `by_id` removes never stay.
    """
    folding = [part for part in parts if part.texts is not None and part.answered is not None]
    if not folding:
        return {}
    texts = np.concatenate([part.texts for part in folding if part.texts is not None])
    missing = ~np.concatenate([part.answered for part in folding if part.answered is not None])
    removed = np.concatenate([np.isin(np.arange(part.rows), by_id.get(part.key, [])) for part in folding])
    order = np.lexsort((np.arange(len(texts)), missing, removed, texts))
    first = np.ones(len(texts), dtype=bool)
    first[1:] = texts[order][1:] != texts[order][:-1]
    stays = np.zeros(len(texts), dtype=bool)
    stays[order[first]] = True
    return _by_part([part.key for part in folding], [part.rows for part in folding], ~stays & ~removed)


def refuse_id_collisions(store: Store, parts: list[Part], by_id: Positions) -> None:
    """Raise `FactoryError` if an id is one problem in one source and a different one in another.

    The same problem under the same id, as when a source is part of another, is an ordinary duplicate.
    """
    parts = [part for part in parts if part.kind != StoredSample.__name__]
    origins = {part.key: part.origin for part in parts}
    later = {hash_of(row.id): (row, key) for key in origins for row in read_rows(store, key, by_id.get(key, []))}
    for part in parts if len(set(origins.values())) > 1 else []:
        kept = np.flatnonzero(np.isin(part.ids, list(later)))
        for row in read_rows(store, part.key, sorted(set(kept.tolist()) - set(by_id.get(part.key, [])))):
            other, key = later[hash_of(row.id)]
            if origins[key] != part.origin and text_of(row).strip() != text_of(other).strip():
                raise shared_id(row.id, part.origin, origins[key])


def reject_duplicates(store: Store, by_id: Positions, by_text: Positions) -> None:
    """Write a reject row for each duplicate."""
    reasons = {
        "duplicate_id": (by_id, "an earlier row has this id; give each row an id of its own"),
        "duplicate_problem": (by_text, "another row that stays has the same text"),
    }
    rejects = [
        _reject(row, reason, detail)
        for reason, (duplicates, detail) in reasons.items()
        for key, positions in duplicates.items()
        for row in read_rows(store, key, positions)
    ]
    if rejects:
        write_rows(store, DUPLICATES, Reject, rejects)


def _by_part(keys: list[str], sizes: list[int], mask: npt.NDArray[np.bool_]) -> Positions:
    """A mask over the rows of all parts as positions in each part; parts without any are left out."""
    per_part = np.split(mask, np.cumsum(sizes)[:-1])
    found = {key: np.flatnonzero(rows).tolist() for key, rows in zip(keys, per_part, strict=True)}
    return {key: positions for key, positions in found.items() if positions}


def _reject(row: Row, reason: str, detail: str) -> Reject:
    if isinstance(row, Problem | Thread):
        return Reject.of(row, "read", reason, detail)
    return Reject(  # of a sample; the run that it was read from has the rest
        id=row.id,
        kind="trace",
        stage="read",
        reason=reason,
        detail=detail,
        position=row.position,
        source=row.source,
    )
