"""The one reader of a run's journal: which parts belong to the run, and which of their rows count.

All who look at a journal (publish, report, status, why, planning, later benchmarks) look through it, so that their
figures agree. It leaves out, with a warning, parts of another recipe or a newer version and damaged row groups. Of
several endings of one problem or thread one counts: a verdict or a curated thread before a reject, unless the reject
withdraws the problem, and among endings of one kind the one that `outcome.precedence` puts first.

What is held in memory is the tables of contents of the parts that were asked for, and a few row groups.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from factory.arrow import from_table
from factory.records import CuratedThread, Reject, Verdict
from factory.store.counts import RejectReason, sums
from factory.store.fs import Entry, Store
from factory.store.ids import Hashes, contained, hash_of, hashes_of, is_thread
from factory.store.outcome import WITHDRAWN, Precedence, precedence
from factory.store.parts import Kind, PartInfo, read_groups, read_rows, scan
from factory.store.row_kind import OWNER

READ_AHEAD = 8
"""Parts that are read at once: a big journal is many small parts, and storage answers late."""
RowGroups = Iterable[tuple[Entry, Sequence[int]]]
"""Parts, and the row groups to read of each."""


class LocatedTable(NamedTuple):
    """Rows, and the row group that they are stored in."""

    part: Entry
    group: int
    table: pa.Table


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one row is stored."""

    part: str
    group: int
    row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endings:
    """Which endings count, as far as the tables of contents do not say it."""

    withdrawn: set[str] = field(default_factory=set)  # problems whose verdict does not count
    stayed: Hashes  # sorted hashes of problems with a verdict that counts, and of curated threads
    chosen: dict[type, dict[str, _Place]] = field(default_factory=dict)  # of owners with several endings of a kind


class JournalReader:
    """Reads one run's journal as it is when each of its parts is first asked for. Not for use by several threads."""

    def __init__(self, store: Store, fingerprint: str) -> None:
        self._store, self._fingerprint = store, fingerprint
        self._parts: dict[type, list[PartInfo]] = {}

    def parts(self, kind: type) -> list[PartInfo]:
        """The tables of contents of the run's parts of one kind, in the order of their names."""
        if kind not in self._parts:
            self._parts[kind] = scan(self._store, kind, self._fingerprint)
        return self._parts[kind]

    def tables(
        self, kind: type, columns: Sequence[str] | None = None, parts: Iterable[PartInfo] | None = None
    ) -> Iterator[LocatedTable]:
        """All rows of one kind as they are journaled, a row group at a time; rows journaled twice come twice."""
        infos = self.parts(kind) if parts is None else parts
        return read_ahead(self._store, kind, ((info.entry, range(len(info.groups))) for info in infos), columns)

    def counted(
        self, kind: type, columns: Sequence[str] | None = None, parts: Iterable[PartInfo] | None = None
    ) -> Iterator[LocatedTable]:
        """Those endings (verdicts, rejects, curated threads) that count: at most one for each problem or thread."""
        for found in self.tables(kind, None if columns is None else [*columns, OWNER], parts):
            table = found.table.filter(pa.array(self._which_count(kind, found), pa.bool_()))
            if table.num_rows:
                yield LocatedTable(found.part, found.group, table)

    def rows(self, kind: type[Kind], owner: str) -> Iterator[Kind]:
        """Every journaled row of one kind that belongs to `owner`, in the order of the parts' names."""
        for info in self.parts(kind):
            for group, ids in enumerate(info.groups):
                if owner in ids:
                    yield from read_rows(self._store, kind, info.entry, group, owner)

    def count_rejects(self) -> Counter[RejectReason]:
        """Problems and threads that left, by reason; each counts once, and none that has another ending."""
        owners = hashes_of(_owners(Reject, self.parts(Reject)))
        tally = sums(info.tally for info in self.parts(Reject))
        once = not self._endings.chosen[Reject] and not contained(owners, self._endings.stayed).any()
        if once:  # as nearly always; then the footers say it all
            return Counter({RejectReason.of(heading): count.rows for heading, count in tally.items()})
        found = Counter[RejectReason]()
        for _, _, table in self.counted(Reject, ["kind", "stage", "reason"]):
            columns = (table[name].to_pylist() for name in RejectReason._fields)
            found.update(RejectReason(*values) for values in zip(*columns, strict=True))
        return found

    def count_verdicts(self) -> int:
        """Problems whose verdict counts."""
        return len(set(_owners(Verdict, self.parts(Verdict))) - self.withdrawn)

    @property
    def withdrawn(self) -> set[str]:
        """Problems whose verdict was taken back: a benchmark that came later holds them."""
        return self._endings.withdrawn

    def _which_count(self, kind: type, found: LocatedTable) -> list[bool]:
        owners: list[str] = found.table[OWNER].to_pylist()
        endings, chosen = self._endings, self._endings.chosen[kind]
        if kind is Reject:
            counts = [not stayed for stayed in contained(hashes_of(owners), endings.stayed).tolist()]
        else:
            counts = [owner not in endings.withdrawn for owner in owners]
        for row, owner in enumerate(owners if chosen else ()):
            place = chosen.get(owner)
            counts[row] = counts[row] and (place is None or place == _Place(found.part.key, found.group, row))
        return counts

    @cached_property
    def _endings(self) -> _Endings:
        withdrawn = set(self._withdrawn())
        judged = (owner for owner in _owners(Verdict, self.parts(Verdict)) if owner not in withdrawn)
        threads = _owners(CuratedThread, self.parts(CuratedThread))
        return _Endings(
            withdrawn=withdrawn,
            stayed=np.unique(hashes_of(chain(judged, threads))),
            chosen={kind: self._choose(kind) for kind in (Verdict, Reject, CuratedThread)},
        )

    def _withdrawn(self) -> Iterator[str]:
        """Read from the few parts whose sums say that they hold a withdrawal."""
        parts = [info for info in self.parts(Reject) if any(map(_withdraws, info.tally))]
        for _, _, table in self.tables(Reject, ["stage", OWNER], parts):
            for owner, stage in zip(table[OWNER].to_pylist(), table["stage"].to_pylist(), strict=True):
                if stage == WITHDRAWN:
                    yield owner

    def _choose(self, kind: type) -> dict[str, _Place]:
        """The place of the ending that counts, for each owner that has several of this kind."""
        several = _owners_of_several(kind, self.parts(kind))
        where = [
            (info.entry, groups)
            for info in (self.parts(kind) if several else [])
            if (groups := [number for number, ids in enumerate(info.groups) if not several.isdisjoint(ids)])
        ]
        best: dict[str, tuple[Precedence, _Place]] = {}
        for part, group, table in read_ahead(self._store, kind, where):
            for row, owner in enumerate(table[OWNER].to_pylist()):
                if owner in several:
                    ending: Verdict | Reject | CuratedThread = from_table(kind, table.slice(row, 1))[0]
                    candidate = precedence(ending), _Place(part.key, group, row)
                    if owner not in best or candidate[0] < best[owner][0]:
                        best[owner] = candidate
        return {owner: place for owner, (_, place) in best.items()}


def read_ahead(
    store: Store,
    kind: type,
    row_groups: RowGroups,
    columns: Sequence[str] | None = None,
    keep: Callable[[pa.Table], pa.Table] = lambda table: table,
) -> Iterator[LocatedTable]:
    """Row groups in their order, some parts read ahead. `keep` cuts a table down as soon as it is read."""

    def read(part: Entry, groups: Sequence[int]) -> list[LocatedTable]:
        return [
            LocatedTable(part, group, keep(table)) for group, table in read_groups(store, kind, part, groups, columns)
        ]

    with ThreadPoolExecutor(READ_AHEAD) as readers:
        coming: deque[Future[list[LocatedTable]]] = deque()
        for part, groups in row_groups:
            coming.append(readers.submit(read, part, groups))
            if len(coming) > READ_AHEAD:
                yield from coming.popleft().result()
        while coming:
            yield from coming.popleft().result()


def _owners(kind: type, infos: Iterable[PartInfo]) -> Iterator[str]:
    """The owners of all rows, without the problems that curated threads are also listed under."""
    ids = (row_id for info in infos for group in info.groups for row_id in group)
    return filter(is_thread, ids) if kind is CuratedThread else ids


def _owners_of_several(kind: type, infos: list[PartInfo]) -> set[str]:
    """Owners with several rows: listed more than once, or in a part that holds more rows than it lists owners."""
    hashes, counts = np.unique(hashes_of(_owners(kind, infos)), return_counts=True)
    repeated, several = set(hashes[counts > 1].tolist()), set[str]()
    for info in infos:
        owners = list(_owners(kind, [info]))
        crowded = sum(count.rows for count in info.tally.values()) > len(owners)
        if repeated or crowded:
            several.update(owner for owner in owners if crowded or hash_of(owner) in repeated)
    return several


def _withdraws(heading: str) -> bool:
    return RejectReason.of(heading).stage == WITHDRAWN
