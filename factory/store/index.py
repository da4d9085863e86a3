"""What the journal holds, found by listing: which problems are finished, and what an unfinished one already has.

A cache of storage that may be thrown away at any time: a new index lists everything, a living one only what is new.
Memory stays small at twenty million samples, because a finished problem is one 64-bit hash, and pointers into parts
are kept for unfinished problems alone.
"""

from __future__ import annotations

import threading
import time
import typing
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np

from factory.records import Annotation, CuratedThread, FinishedTurn, ModelReply, Reject, Trace, Verdict
from factory.store.counts import CuratedCount, JournalCounts, RejectReason, RowCount, SampleCount, sums
from factory.store.fs import Entry, Store
from factory.store.ids import Hashes, contained, hash_of, hashes_of, is_thread, owner_key
from factory.store.journal import stamp
from factory.store.kinds import KINDS
from factory.store.outcome import precedence
from factory.store.parts import Kind, PartInfo, read_info, read_rows

# A part may become visible this long after the moment in its name (a slow upload, a worker's clock that is behind).
# One that comes even later is seen by the next new index; until then its rows are at worst generated again.
LISTING_SLACK_S = 3600.0
# Nearly all parts are in time. An hour of a big run is tens of thousands of names, so that far back is looked only now
# and then, and in between over the last minutes.
NEAR_SLACK_S = 120.0
FAR_EVERY_S = 60.0
_READERS = 16
_ENDINGS = tuple(row for row, kind in KINDS.items() if kind.ends)
_EFFECTS = tuple(row for row, kind in KINDS.items() if kind.effect)


@dataclass(frozen=True, slots=True)
class JournalSnapshot:
    """How far a run is at one moment: what needs no more work, and which problems of threads do."""

    finished: Hashes  # sorted hashes of the ids of finished problems and threads: shape [n], for an anti-join
    n_threads: int  # how many of them are threads
    curated: list[str]  # parts that hold problems, curated from threads, which are not finished
    n_curated: int  # how many such problems there are


class JournalIndex:
    """Answers from the journal, at most `max_age_s` behind storage. Safe to use from threads."""

    def __init__(self, store: Store, fingerprint: str | None = None, max_age_s: float = 2.0) -> None:
        self._store, self._fingerprint, self._max_age_s = store, fingerprint, max_age_s
        self._lock = threading.RLock()
        self._seen: dict[type, set[str]] = {kind: set() for kind in (*_ENDINGS, *_EFFECTS)}
        self._finished: Hashes = np.empty(0, dtype=np.uint64)
        self._threads: Hashes = np.empty(0, dtype=np.uint64)  # those of the finished that are threads
        self._parts: list[Entry] = []  # the parts that pointers name by position
        # a curated thread has ended, but its problems are still to be solved: they are looked up like effects
        self._pointers: dict[type, dict[int, list[tuple[int, int]]]] = {
            kind: defaultdict(list) for kind in (CuratedThread, *_EFFECTS)
        }
        self._counts: dict[type, dict[str, RowCount]] = {}
        self._refreshed, self._listed_at, self._listed_far_at = float("-inf"), 0.0, 0.0
        self._failed: tuple[float, Exception | None] = float("-inf"), None  # when a refresh last failed, and how

    def refresh(self) -> None:
        """Take in every part that has appeared since the last time.

        Where storage fails half-way, the next refresh takes in what this one did not.
        """
        with self._lock, ThreadPoolExecutor(_READERS) as readers:
            after, far = self._window()
            started, listed_at = time.monotonic(), time.time()
            # endings first: of a problem that is already finished no pointers are made
            endings: dict[type, list[PartInfo]] = {}
            for ending in _ENDINGS:
                endings[ending] = list(self._new_parts(ending, after, far, readers))
                self._finish(ending, endings[ending])
            for info in endings[CuratedThread]:
                self._point(CuratedThread, info)
            self._forget_finished()
            for effect in _EFFECTS:
                for info in self._new_parts(effect, after, far, readers):
                    self._point(effect, info)
                    self._tick_off(effect, info)
            self._refreshed, self._listed_at = started, listed_at
            self._listed_far_at = listed_at if far else self._listed_far_at

    def finished(self, row_id: str, kind: str = "problem") -> bool:
        """Whether this problem (or thread) has its verdict or reject."""
        self._fresh()
        return bool(contained(hashes_of([owner_key(row_id, kind)]), self._finished)[0])

    def snapshot(self) -> JournalSnapshot:
        """What is finished and what waits, both of the same moment: no problem of a finished thread is in neither."""
        self._fresh()
        with self._lock:
            waiting = self._pointers[CuratedThread]
            parts = {self._parts[part].key for places in waiting.values() for part, _ in places}
            return JournalSnapshot(self._finished, len(self._threads), sorted(parts), len(waiting))

    def traces_of(self, problem_id: str) -> list[Trace]:
        """The finished samples of an unfinished problem: one per key, whatever the journal holds twice."""
        found: dict[str, Trace] = {}
        for trace in sorted(self._rows(Trace, problem_id), key=lambda row: (str(row.key), row.attempt, row.uid)):
            found.setdefault(str(trace.key), trace)
        return list(found.values())

    def turns_of(self, problem_id: str) -> list[FinishedTurn]:
        """Finished turns of an unfinished problem, in the order of key, attempt and turn; each at most once."""
        rows = self._rows(FinishedTurn, problem_id)
        found = {(str(row.key), row.attempt, row.turn): row for row in rows}
        return [found[place] for place in sorted(found)]

    def asked_of(self, owner: str) -> dict[str, str]:
        """Answers that the curator or the judge gave for an unfinished thread or problem, by key."""
        rows = sorted(self._rows(ModelReply, owner), key=lambda row: (row.key, row.text))
        return {row.key: row.text for row in reversed(rows)}

    def annotations_of(self, owner: str) -> list[Annotation]:
        """What was said of the samples of an unfinished problem: one row for each sample and name."""
        found = {
            (row.uid, row.name): row for row in sorted(self._rows(Annotation, owner), key=precedence, reverse=True)
        }
        return [found[place] for place in sorted(found)]

    def counts(self) -> JournalCounts:
        """Sums over all parts, rows that were journaled twice counted twice."""
        self._fresh()
        with self._lock:
            found = {kind: dict(counts) for kind, counts in self._counts.items()}
            finished, threads = len(self._finished), len(self._threads)
        none = RowCount()
        return JournalCounts(
            samples=typing.cast(dict[str, SampleCount], found.get(Trace, {})),
            verdicts=found.get(Verdict, {}).get("", none).rows,
            rejects={RejectReason.of(heading): count.rows for heading, count in found.get(Reject, {}).items()},
            curated=typing.cast(CuratedCount, found.get(CuratedThread, {}).get("", CuratedCount())),
            finished=finished,
            finished_threads=threads,
        )

    def _fresh(self) -> None:
        asked = time.monotonic()
        with self._lock:
            failed_at, error = self._failed
            if error and failed_at > asked:
                raise error  # of the last refresh: not every caller waits out the same outage
            # `asked`, not now: a slow refresh serves all who came to wait for it, or each would make one more
            if asked - self._refreshed > self._max_age_s:
                try:
                    self.refresh()
                except Exception as error:
                    self._failed = time.monotonic(), error
                    raise

    def _rows(self, kind: type[Kind], owner: str) -> list[Kind]:
        self._fresh()
        with self._lock:
            pointers = [(self._parts[part], group) for part, group in self._pointers[kind].get(hash_of(owner), ())]
        rows = (read_rows(self._store, kind, part, group, owner) for part, group in pointers)
        return list(chain.from_iterable(rows))

    def _window(self) -> tuple[str, bool]:
        """The stamp from which to list, and whether it is as far back as a part may come late."""
        if not self._listed_far_at:
            return "", True
        if time.time() - self._listed_far_at >= FAR_EVERY_S:
            return stamp(self._listed_far_at - LISTING_SLACK_S), True
        return stamp(self._listed_at - NEAR_SLACK_S), False

    def _new_parts(self, kind: type, after: str, far: bool, readers: ThreadPoolExecutor) -> Iterator[PartInfo]:
        seen, directory = self._seen[kind], KINDS[kind].directory
        entries = list(self._store.list(directory, directory + after if after else ""))
        new = [entry for entry in entries if entry.key not in seen and entry.key.endswith(".parquet")]
        if after and far:  # names before the slack are never listed again
            seen.intersection_update(entry.key for entry in entries)
        for entry, info in zip(new, readers.map(partial(self._read, kind), new), strict=True):
            if info is None:
                seen.add(entry.key)
            else:
                yield info

    def _tick_off(self, kind: type, info: PartInfo) -> None:
        """A part is taken in: it counts, and is not looked at again."""
        self._seen[kind].add(info.entry.key)
        self._counts[kind] = sums((self._counts.get(kind, {}), info.tally))

    def _read(self, kind: type, entry: Entry) -> PartInfo | None:
        return read_info(self._store, kind, entry, self._fingerprint)

    def _finish(self, kind: type, infos: Sequence[PartInfo]) -> None:
        owners = [owner for info in infos for group in info.groups for owner in group]
        threads = hashes_of(filter(is_thread, owners))
        ended = threads if kind is CuratedThread else hashes_of(owners)  # it also lists problems, which have not
        if len(ended):
            self._finished = np.unique(np.concatenate([self._finished, ended]))
            self._threads = np.unique(np.concatenate([self._threads, threads]))
        for info in infos:
            self._tick_off(kind, info)

    def _point(self, kind: type, info: PartInfo) -> None:
        owners = [(hash_of(owner), group) for group, owners in enumerate(info.groups) for owner in owners]
        if not owners:
            return
        done = contained(np.array([owner for owner, _ in owners], dtype=np.uint64), self._finished)
        if done.all():
            return
        part = len(self._parts)
        self._parts.append(info.entry)
        for (owner, group), finished in zip(owners, done, strict=True):
            if not finished:
                self._pointers[kind][owner].append((part, group))

    def _forget_finished(self) -> None:
        for pointers in self._pointers.values():
            known = np.fromiter(pointers, dtype=np.uint64, count=len(pointers))
            for owner in known[contained(known, self._finished)].tolist():
                del pointers[owner]
