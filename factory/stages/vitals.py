"""A worker's metrics, recorded every few seconds: its view of the engines, its programs, its journal."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from factory import metrics
from factory.engines.admission import Admission
from factory.metrics import Metric, Sink
from factory.recipe import Role
from factory.stages.counting_sandbox import CountingSandbox
from factory.store.journal import JournalWriter
from factory.verify import Checker


class Vitals:
    """Reads the counters that a worker's parts keep anyway; `record` costs a few dozen calls of the sink."""

    def __init__(
        self,
        sink: Sink,
        *,
        stage: str,
        role: Role | None,
        admission: Admission,
        sandbox: CountingSandbox | None,
        journal: JournalWriter,
        checker: Checker,
    ) -> None:
        self._sink, self._stage, self._role = sink, stage, role
        self._admission, self._sandbox = admission, sandbox
        self._journal, self._checker = journal, checker
        self._known: dict[tuple[Metric, tuple[str, ...]], float] = {}

    async def watch(self, every_s: float = 2.0) -> None:
        """Record forever; run it as a task beside the programs."""
        while True:
            self.record()
            await asyncio.sleep(every_s)

    def record(self) -> None:
        record, admission = self._sink.record, self._admission
        if self._role:
            for state in ("running", "waiting", "capacity"):
                record(metrics.SEQUENCES, getattr(admission.load, state), role=self._role, state=state)
            for cause, seconds in asdict(admission.idle).items():
                self._grow(metrics.ENGINE_SECONDS, seconds, role=self._role, cause=cause)
        record(metrics.PROGRAMS, admission.in_flight, stage=self._stage, state="running")
        record(metrics.PROGRAMS, admission.queued, stage=self._stage, state="queued")
        record(metrics.PROGRAMS, admission.target, stage=self._stage, state="wanted")
        if self._sandbox:
            record(metrics.CELLS, self._sandbox.cells_under_way)
        record(metrics.JOURNAL_HELD, self._journal.held_bytes)
        record(metrics.JOURNAL_LAG, self._journal.lag_s)
        stats = self._checker.stats
        self._grow(metrics.PAIRS, stats.cached, how="cached")
        self._grow(metrics.PAIRS, stats.at_sight, how="at_sight")
        self._grow(metrics.PAIRS, stats.pairs - stats.cached - stats.at_sight, how="worker")
        self._grow(metrics.CHECKERS_REPLACED, stats.replaced)

    def _grow(self, metric: Metric, now: float, **tags: str) -> None:
        """Record what a running sum has gained since the last time."""
        place = metric, tuple(tags.values())
        self._sink.record(metric, now - self._known.get(place, 0.0), **tags)
        self._known[place] = now
