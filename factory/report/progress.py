"""Progress of a run as lines for a terminal or a job's log, from the ledger's sums alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from factory.periodic import every

Counts = Mapping[str, Mapping[str, list[int]]]  # as `JournalIndex.counts` gives them


class Progress:
    """Says how far a run is, and shows `watch` the sums each time.

    `problems` counts those of tables; what is found in the `threads` comes to it.
    """

    def __init__(
        self,
        counts: Callable[[], Counts],
        say: Callable[[str], None],
        *,
        problems: int,
        threads: int = 0,
        every_s: float = 10.0,
        watch: Callable[[Counts], None] = lambda counts: None,
    ) -> None:
        self._counts, self._total, self._threads = counts, problems, threads
        self._say, self._every_s, self._watch = say, every_s, watch
        self._started, self._before = time.monotonic(), 0
        self.tokens = 0  # generated since this attempt started

    @contextmanager
    def reported(self) -> Iterator[Progress]:
        """While a block works: a line every `every_s` seconds, and one at its end, unless it fails."""
        self._before = generated_tokens(self._counts())
        self._started = time.monotonic()
        # the counts of a failed run may never come: no line under way keeps the error from its reader
        with every(self._every_s, self._say_line, name="progress", grace_s=0):
            yield self
        self._say(self.line())

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
        self.tokens = generated_tokens(counts) - self._before
        finished, total = problems(counts, self._total)
        traces = sum(numbers[0] for numbers in counts.get("traces", {}).values())
        share = finished / total if total else 1.0
        done = f"{finished:,}/{total:,} problems ({share:.0%})"
        if self._threads:
            done = f"{counts['finished']['thread'][0]:,}/{self._threads:,} threads, {done}"
        return f"[{self.seconds:6.0f} s] {done}, {traces:,} samples journaled, {self.tokens_per_second:,.0f} tokens/s"

    def _say_line(self) -> None:
        try:
            self._say(self.line())
        except Exception as error:  # the ledger may be restarting; a line is not worth a run
            self._say(f"[{self.seconds:6.0f} s] no counts just now ({type(error).__name__})")


def problems(counts: Counts, of_tables: int) -> tuple[int, int]:
    """Finished problems, and all that are known: those of tables and those found in threads so far."""
    finished = counts["finished"]
    found = counts.get("curated", {}).get("", [0, 0, 0])[2]
    return finished[""][0] - finished.get("thread", [0])[0], of_tables + found


def generated_tokens(counts: Counts) -> int:
    return sum(numbers[1] for numbers in counts.get("traces", {}).values())
