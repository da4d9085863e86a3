"""The end of an ingest: all parts are written; duplicates across them become rejects, and the inputs final."""

from __future__ import annotations

from collections import Counter

from factory.ingest.duplicates import find_repeated_ids, find_repeated_texts, refuse_id_collisions, reject_duplicates
from factory.ingest.inputs import Inputs, save
from factory.ingest.parts import Part
from factory.records import Problem, Reject, StoredSample, Thread
from factory.store.fs import Store


def finish(store: Store, parts: list[Part]) -> Inputs:
    """Reject duplicates among all parts and make the inputs final.

    Raises `FactoryError` if two sources use one id for different problems.
    """
    parts = sorted(parts, key=lambda part: part.key.rsplit("/", 1)[1])
    inputs_only = [part for part in parts if part.kind != Reject.__name__]
    by_id = find_repeated_ids(inputs_only)
    refuse_id_collisions(store, inputs_only, by_id)
    by_text = find_repeated_texts(inputs_only, by_id)
    reject_duplicates(store, by_id, by_text)
    reasons = sum((part.reasons for part in parts), Counter[str]())
    for reason, positions in (("duplicate_id", by_id), ("duplicate_problem", by_text)):
        reasons[reason] += sum(map(len, positions.values()))
    duplicates = {key: sorted(by_id.get(key, []) + by_text.get(key, [])) for key in {**by_id, **by_text}}

    def kept(kind: type) -> int:
        return sum(part.rows - len(duplicates.get(part.key, [])) for part in parts if part.kind == kind.__name__)

    inputs = Inputs(
        rows=sum(part.rows for part in parts),
        problems=kept(Problem),
        threads=kept(Thread),
        samples=kept(StoredSample),
        rejects=dict(+reasons),
        parts=[part.key for part in parts],
        duplicates=duplicates,
    )
    return save(store, inputs)
