"""Progress of a run as lines for a terminal or a job's log, from the ledger's sums alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from factory.periodic import every
from factory.store.counts import JournalCounts


class RunProgress:
    """Says how far a run is, and shows `watch` the sums each time.

    `problems` counts those of tables; what is found in the `threads` comes to it.
    """

    def __init__(
        self,
        counts: Callable[[], JournalCounts],
        emit: Callable[[str], None],
        *,
        problems: int,
        threads: int = 0,
        every_s: float = 10.0,
        watch: Callable[[JournalCounts], None] = lambda counts: None,
    ) -> None:
        self._counts, self._total, self._threads = counts, problems, threads
        self._emit, self._every_s, self._watch = emit, every_s, watch
        self._started, self._before = time.monotonic(), 0
        self.tokens = 0  # generated since this attempt started

    @contextmanager
    def reported(self) -> Iterator[RunProgress]:
        """While a block works: a line every `every_s` seconds, and one at its end, unless it fails."""
        self._before = self._counts().all_samples.generated_tokens
        self._started = time.monotonic()
        # the counts of a failed run may never come: no line under way keeps the error from its reader
        with every(self._every_s, self._say_line, name="progress", grace_s=0):
            yield self
        self._emit(self.line())

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens of finished samples per second of this attempt."""
        return self.tokens / self.seconds if self.seconds else 0.0

    def line(self) -> str:
        counts = self._counts()
        self._watch(counts)
        self.tokens = counts.all_samples.generated_tokens - self._before
        finished, total = counts.finished_problems, self._total + counts.curated.found
        share = finished / total if total else 1.0
        done = f"{finished:,}/{total:,} problems ({share:.0%})"
        if self._threads:
            done = f"{counts.finished_threads:,}/{self._threads:,} threads, {done}"
        samples, speed = counts.all_samples.rows, self.tokens_per_second
        return f"[{self.seconds:6.0f} s] {done}, {samples:,} samples journaled, {speed:,.0f} tokens/s"

    def _say_line(self) -> None:
        try:
            self._emit(self.line())
        except Exception as error:  # the ledger may be restarting; a line is not worth a run
            self._emit(f"[{self.seconds:6.0f} s] no counts just now ({type(error).__name__})")
