"""The ledger: one process that answers "is this row finished, and if not, what of it exists?" for all workers.

A cache of the journal, nothing more. Killed, it is started again and reads the journal; what it loses is the count of
attempts, which only serves to give up on rows that take their workers down.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from factory.programs.effects import Recorded
from factory.records import FinishedTurn
from factory.store.counts import JournalCounts
from factory.store.index import Standing
from factory.store.run import Run


@dataclass(frozen=True, slots=True)
class Attempt:
    """One worker's go at a row: the how-manieth since the ledger started, and what earlier ones left behind."""

    number: int
    recorded: Recorded


class Ledger:
    """Thread-safe where it matters: calls run side by side, the index locks itself."""

    def __init__(self, uri: str) -> None:
        self._index = Run.attach(uri).index(max_age_s=1.0)
        self._attempts: Counter[str] = Counter()

    def begin(self, row_id: str) -> Attempt | None:
        """Open an attempt at a row, a thread's id being `ids.scoped`; None where it is finished."""
        if self._index.finished(row_id):
            self._attempts.pop(row_id, None)
            return None
        self._attempts[row_id] += 1
        return Attempt(self._attempts[row_id], self.recorded(row_id))

    def recorded(self, row_id: str) -> Recorded:
        """What the journal holds of an unfinished row."""
        turns: dict[str, list[FinishedTurn]] = {}
        for turn in self._index.turns_of(row_id):
            if turn.attempt == 0:
                turns.setdefault(str(turn.key), []).append(turn)
        traces = {str(trace.key): trace for trace in self._index.traces_of(row_id)}
        return Recorded(traces, turns, self._index.asked_of(row_id))

    def standing(self) -> Standing:
        """What is finished, and what was curated and is not (see `JournalIndex.standing`)."""
        return self._index.standing()

    def counts(self) -> JournalCounts:
        """Sums over the journal (see `JournalIndex.counts`)."""
        return self._index.counts()
