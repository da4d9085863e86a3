"""The ledger: one process that answers "is this row finished, and if not, what of it exists?" for all workers.

A cache of the journal, nothing more. Killed, it is started again and reads the journal; what it loses is the count of
attempts, which only serves to give up on rows that take their workers down.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from factory.errors import FactoryError
from factory.programs.effects import JournaledWork
from factory.records import FinishedTurn
from factory.store.counts import JournalCounts
from factory.store.index import JournalSnapshot
from factory.store.run import Run

BROKEN_TIMES, BROKEN_S = 2, 3600.0
"""A node may be left by so many broken workers within that time; one that is drained is left once."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a row: `number` counts them since the ledger started; `recorded` is what earlier ones left."""

    number: int
    recorded: JournaledWork


class Ledger:
    """Thread-safe where it matters: calls run side by side, the index locks itself."""

    def __init__(self, uri: str) -> None:
        run = Run.attach(uri)
        self._store, self._index = run.store, run.index(max_age_s=1.0)
        self._attempts: Counter[str] = Counter()
        self._broken: dict[str, list[float]] = {}  # by node: when a worker there could not write

    def begin(self, row_id: str) -> Attempt | None:
        """Open an attempt at a row, a thread's id being `ids.owner_key`; None if it is finished."""
        if self._index.finished(row_id):
            self._attempts.pop(row_id, None)
            return None
        self._attempts[row_id] += 1
        return Attempt(self._attempts[row_id], self.recorded(row_id))

    def others_can_write(self, node: str) -> bool:
        """Whether a worker that cannot write should make way for one on another machine.

        False if this process cannot write either, and where workers of that node come back with the same trouble:
        then nobody can, and the run should end with the worker's error.
        """
        now = time.monotonic()
        recent = [then for then in self._broken.get(node, []) if now - then < BROKEN_S]
        self._broken[node] = [*recent, now]
        if len(recent) >= BROKEN_TIMES:
            return False
        try:
            self._store.probe()
        except FactoryError:
            return False
        return True

    def recorded(self, row_id: str) -> JournaledWork:
        """What the journal holds of an unfinished row."""
        turns: dict[str, list[FinishedTurn]] = {}
        for turn in self._index.turns_of(row_id):
            if turn.attempt == 0:
                turns.setdefault(str(turn.key), []).append(turn)
        traces = {str(trace.key): trace for trace in self._index.traces_of(row_id)}
        return JournaledWork(traces, turns, self._index.asked_of(row_id))

    def snapshot(self) -> JournalSnapshot:
        """What is finished, and what was curated and is not (see `JournalIndex.snapshot`)."""
        return self._index.snapshot()

    def counts(self) -> JournalCounts:
        """Sums over the journal (see `JournalIndex.counts`)."""
        return self._index.counts()
