"""The funnel of a run as metrics, from the journal's own sums: right across restarts, workers' deaths and copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from factory import metrics
from factory.metrics import Sink
from factory.store.counts import JournalCounts


class FunnelMetrics:
    """Give it the journal's sums now and then (`Ledger.counts`); the first time counts all that earlier starts did.

    `problems` counts those of tables; what is found in threads comes to it.
    """

    def __init__(self, sink: Sink, problems: int, read_rejects: Mapping[str, int]) -> None:
        self._sink, self._problems = sink, problems
        self._known: Counter[str] = Counter()
        for reason, rows in read_rejects.items():
            sink.record(metrics.REJECTS, rows, stage="read", reason=reason)

    def record(self, counts: JournalCounts) -> None:
        self._sink.record(metrics.PROBLEMS, self._problems + counts.curated.found, state="total")
        self._sink.record(metrics.PROBLEMS, counts.finished_problems, state="finished")
        self._sink.record(metrics.VERDICTS, self._gained("", counts.verdicts))
        for why, rows in counts.rejects.items():
            self._sink.record(metrics.REJECTS, self._gained(str(why), rows), stage=why.stage, reason=why.reason)

    def _gained(self, place: str, now: int) -> int:
        gained = now - self._known[place]
        self._known[place] = now
        return gained
