"""Ingest: what the sources hold becomes the run's inputs, once, with ids that are unique and counts that add up.

Each source split is read where it lies and written under `inputs/` as parts of one row kind; what comes back is only
ids and counts. Every restart reads the parts, so that a run does not change when its source files do. Two rows with
one id: the first in source order stays, the others become rejects; but two sources whose ids stand for different
problems are an error. What is to be folded by its text is found here as well, where all sources are known.

    inputs/Problem/00000-0000.parquet   inputs/Thread/...   inputs/Reject/...   inputs/manifest.json
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from factory import sources
from factory.arrow import from_table
from factory.recipe import Source
from factory.records import Problem, Reject, StoredSample, Thread
from factory.sources import Split
from factory.sources.distinct import refuse_shared_ids, shared_id, tell_apart, text_of
from factory.store.fs import Store
from factory.store.ids import Hashes, hash_of, hashes_of
from factory.store.tables import REJECT_COLUMNS, encode_rows, read_table, write_rows

MANIFEST = "inputs/manifest.json"
DUPLICATES = "inputs/Reject/duplicates.parquet"
ROWS_PER_PART = 4096
SAMPLES_PER_PART = 256  # each of them may have a hundred thousand tokens
Row = Problem | Thread | StoredSample | Reject
KINDS = (Problem, Thread, StoredSample, Reject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The account of a finished ingest: `rows` read = `problems` + `threads` + `samples` + the sum of `rejects`."""

    rows: int
    problems: int
    threads: int
    samples: int = 0
    rejects: dict[str, int]
    parts: list[str]
    duplicates: dict[str, list[int]]  # part -> positions of rows whose id came before

    @property
    def kept(self) -> int:
        """Rows that go on."""
        return self.problems + self.threads + self.samples

    def parts_of(self, kind: type) -> list[str]:
        """Keys of the parts with rows of one kind."""
        return [key for key in self.parts if key.startswith(f"inputs/{kind.__name__}/")]


@dataclass(slots=True, kw_only=True)
class Part:
    """One written part, and what the driver must know of its rows."""

    key: str
    kind: str
    ids: Hashes  # (rows,) of the rows' ids; empty for rejects
    origin: str = ""  # the name and path of its source
    texts: Hashes | None = None  # (rows,) of the problems' texts, where the source folds duplicates
    answered: npt.NDArray[np.bool_] | None = None  # (rows,) likewise, whether a problem has an answer
    reasons: Counter[str] = field(default_factory=Counter)
    rows: int = 0


def finished(store: Store) -> Inputs | None:
    """The inputs of a run, or None where its ingest has not finished."""
    return Inputs(**json.loads(store.read(MANIFEST))) if store.exists(MANIFEST) else None


def work(recipe_sources: Iterable[Source]) -> list[list[Split]]:
    """Groups of splits to read in parallel; a limited source is one group, as its limit runs over all its files."""
    found = tell_apart([sources.splits(source) for source in recipe_sources])
    refuse_shared_ids(found)
    groups: list[list[Split]] = []
    for splits in found:
        groups += [splits] if splits and splits[0].source.limit else [[split] for split in splits]
    return groups


def ingest(store: Store, number: int, splits: list[Split]) -> list[Part]:
    """Read one group of splits into parts, a few thousand rows in memory at a time. Run again, it writes the same."""
    parts: list[Part] = []
    source = splits[0].source
    rows = _take((row for split in splits for row in sources.read(split)), source.limit)
    pending: dict[type, list[Row]] = {kind: [] for kind in KINDS}
    for row in rows:
        batch = pending[type(row)]
        batch.append(row)
        if len(batch) == (SAMPLES_PER_PART if isinstance(row, StoredSample) else ROWS_PER_PART):
            parts.append(_write(store, number, len(parts), batch, source))
            batch.clear()
    parts += [_write(store, number, len(parts) + i, b, source) for i, b in enumerate(filter(None, pending.values()))]
    return parts


def finish(store: Store, parts: list[Part]) -> Inputs:
    """Find ids that occur twice, write them off, and make the ingest final."""
    parts = sorted(parts, key=lambda part: part.key.rsplit("/", 1)[1])
    inputs_only = [part for part in parts if part.kind != Reject.__name__]
    by_id = _duplicates(inputs_only)
    _refuse_collisions(store, inputs_only, by_id)
    by_text = _repeated(inputs_only, by_id)
    _write_off(store, by_id, by_text)
    reasons = sum((part.reasons for part in parts), Counter[str]())
    for reason, positions in (("duplicate_id", by_id), ("duplicate_problem", by_text)):
        reasons[reason] += sum(map(len, positions.values()))
    reasons = +reasons
    duplicates = {key: sorted(by_id.get(key, []) + by_text.get(key, [])) for key in {**by_id, **by_text}}

    def kept(kind: type) -> int:
        return sum(p.rows - len(duplicates.get(p.key, [])) for p in parts if p.kind == kind.__name__)

    inputs = Inputs(
        rows=sum(part.rows for part in parts),
        problems=kept(Problem),
        threads=kept(Thread),
        samples=kept(StoredSample),
        rejects=dict(reasons),
        parts=[part.key for part in parts],
        duplicates=duplicates,
    )
    return settle(store, inputs)


def settle(store: Store, inputs: Inputs) -> Inputs:
    """Make the inputs of a run final. They are those of a driver who was quicker, where there was one."""
    store.create(MANIFEST, json.dumps(dataclasses.asdict(inputs), indent=1).encode())
    final = finished(store)
    assert final is not None
    return final


def publish_rejects(store: Store, inputs: Inputs) -> None:
    """Lay the rows that never became inputs beside the rejects of the later stages, as `rejects/read-*.parquet`."""
    for key in inputs.parts_of(Reject) + ([DUPLICATES] if inputs.duplicates else []):
        rejects = from_table(Reject, read_table(store, key))
        store.write(f"rejects/read-{key.rsplit('/', 1)[1]}", encode_rows(Reject, rejects, REJECT_COLUMNS))


def rows(store: Store, inputs: Inputs, key: str) -> pa.Table:
    """The rows of one part without those that are duplicates."""
    table = read_table(store, key)
    mask = np.ones(table.num_rows, dtype=bool)
    mask[inputs.duplicates.get(key, [])] = False
    return table.filter(pa.array(mask))


def _take(rows: Iterator[Row], limit: int | None) -> Iterator[Row]:
    for position, row in enumerate(rows):
        if position == limit:
            return
        yield row


def _write(store: Store, number: int, index: int, batch: list[Row], source: Source | None = None) -> Part:
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


def _duplicates(parts: list[Part]) -> dict[str, list[int]]:
    """Positions, part by part, of rows whose id an earlier row has."""
    if not parts:
        return {}
    ids = np.concatenate([part.ids for part in parts])
    first = np.zeros(len(ids), dtype=bool)
    first[np.unique(ids, return_index=True)[1]] = True
    per_part = np.split(~first, np.cumsum([len(part.ids) for part in parts])[:-1])
    found = {part.key: np.flatnonzero(later).tolist() for part, later in zip(parts, per_part, strict=True)}
    return {key: positions for key, positions in found.items() if positions}


def _repeated(parts: list[Part], by_id: dict[str, list[int]]) -> dict[str, list[int]]:
    """Positions, part by part, of problems whose text another one has that stays: the first one with an answer."""
    folding = [part for part in parts if part.texts is not None and part.answered is not None]
    if not folding:
        return {}
    texts = np.concatenate([part.texts for part in folding if part.texts is not None])
    missing = ~np.concatenate([part.answered for part in folding if part.answered is not None])
    out = np.concatenate([np.isin(np.arange(part.rows), by_id.get(part.key, [])) for part in folding])
    order = np.lexsort((np.arange(len(texts)), missing, out, texts))
    first = np.ones(len(texts), dtype=bool)
    first[1:] = texts[order][1:] != texts[order][:-1]
    stays = np.zeros(len(texts), dtype=bool)
    stays[order[first]] = True
    per_part = np.split(~stays & ~out, np.cumsum([part.rows for part in folding])[:-1])
    found = {part.key: np.flatnonzero(later).tolist() for part, later in zip(folding, per_part, strict=True)}
    return {key: positions for key, positions in found.items() if positions}


def _refuse_collisions(store: Store, parts: list[Part], by_id: dict[str, list[int]]) -> None:
    """Raise `FactoryError` where an id stands for one problem in one source and for another one in another.

    The same problem under the same id, as where a source is part of another, is an ordinary duplicate.
    """
    parts = [part for part in parts if part.kind != StoredSample.__name__]
    origins = {part.key: part.origin for part in parts}
    later = {hash_of(row.id): (row, key) for key in origins for row in _rows(store, key, by_id.get(key, []))}
    for part in parts if len(set(origins.values())) > 1 else []:
        kept = np.flatnonzero(np.isin(part.ids, list(later)))
        for row in _rows(store, part.key, sorted(set(kept.tolist()) - set(by_id.get(part.key, [])))):
            other, key = later[hash_of(row.id)]
            if origins[key] != part.origin and text_of(row).strip() != text_of(other).strip():
                raise shared_id(row.id, part.origin, origins[key])


def _rows(store: Store, key: str, positions: list[int]) -> list[Row]:
    kind = next(kind for kind in KINDS if f"/{kind.__name__}/" in key)
    return list(from_table(kind, read_table(store, key).take(positions))) if positions else []


def _duplicate(row: Row, reason: str, detail: str) -> Reject:
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


def _write_off(store: Store, by_id: dict[str, list[int]], by_text: dict[str, list[int]]) -> None:
    """A reject row for each duplicate."""
    reasons = {
        "duplicate_id": (by_id, "an earlier row has this id; give each row an id of its own"),
        "duplicate_problem": (by_text, "another row that stays has the same text"),
    }
    written_off = [
        _duplicate(row, reason, detail)
        for reason, (duplicates, detail) in reasons.items()
        for key, positions in duplicates.items()
        for row in _rows(store, key, positions)
    ]
    if written_off:
        write_rows(store, DUPLICATES, Reject, written_off)
