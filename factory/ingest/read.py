"""From sources to input parts: groups of splits, each read by one task, a few thousand rows in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from factory import sources
from factory.ingest.parts import KINDS, ROWS_PER_PART, SAMPLES_PER_PART, Part, Row, write_part
from factory.recipe import Source
from factory.records import StoredSample
from factory.sources import Split
from factory.sources.distinct import refuse_shared_ids, tell_apart
from factory.store.fs import Store


def group_splits(recipe_sources: Iterable[Source]) -> list[list[Split]]:
    """Groups of splits to read in parallel; a source with a limit is one group, as its limit spans all its files."""
    found = tell_apart([sources.splits(source) for source in recipe_sources])
    refuse_shared_ids(found)
    groups: list[list[Split]] = []
    for splits in found:
        groups += [splits] if splits and splits[0].source.limit else [[split] for split in splits]
    return groups


def read_group(store: Store, number: int, splits: list[Split]) -> list[Part]:
    """Read one group of splits into parts. Idempotent: run again, it writes the same bytes under the same keys."""
    parts: list[Part] = []
    source = splits[0].source
    rows = islice((row for split in splits for row in sources.read(split)), source.limit)
    pending: dict[type, list[Row]] = {kind: [] for kind in KINDS}
    for row in rows:
        batch = pending[type(row)]
        batch.append(row)
        if len(batch) == (SAMPLES_PER_PART if isinstance(row, StoredSample) else ROWS_PER_PART):
            parts.append(write_part(store, number, len(parts), batch, source))
            batch.clear()
    last = filter(None, pending.values())
    return parts + [write_part(store, number, index, batch, source) for index, batch in enumerate(last, len(parts))]
