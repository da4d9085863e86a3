"""What each start of a job held and for how long: one small file a start, `usage/<start>.json`, so that cost is known.

The driver measures every few seconds and rewrites its start's file twice a minute; killed, it loses at most that much.
Machines that stay up between two starts are in nobody's file.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from factory.periodic import every
from factory.store.fs import Store
from factory.store.journal import stamp

log = logging.getLogger(__name__)

DIRECTORY = "usage/"
GRACE_S = 10.0
"""For the last word of a start that failed: storage may be what failed, and someone waits to read the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSnapshot:
    """What was there at one moment: the cluster's resources, and GPUs and replicas of this run's engines by role."""

    cluster: Mapping[str, float] = field(default_factory=dict)  # "GPU", "CPU" (of machines without GPUs), "nodes"
    gpus: Mapping[str, float] = field(default_factory=dict)
    replicas: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One start of a job, from `started` to `updated` (UTC, as `stamp` writes them). Seconds throughout."""

    start: str
    started: str
    updated: str
    ended: bool
    seconds: float
    cluster_s: dict[str, float]  # GPU-, CPU- and node-seconds of the cluster, as in `ClusterSnapshot`
    gpu_s: dict[str, float]  # GPU-seconds of engine replicas that were up, by role
    replica_s: dict[str, float]
    engine_time: dict[str, float]  # what the engines' time went to, by cause, as the workers saw it
    prices: dict[str, float]  # as the recipe of this start gives them


class Meter:
    """Measures one start. `held` may fail: that moment is then not counted.

    `held` and `engine_time` may be set again while it measures, as there is more to look at.
    """

    def __init__(
        self,
        store: Store,
        cluster_snapshot: Callable[[], ClusterSnapshot],
        *,
        prices: Mapping[str, float] | None = None,
        engine_time: Callable[[], Mapping[str, float]] = dict,
        every_s: float = 5.0,
        write_s: float = 30.0,
    ) -> None:
        self.cluster_snapshot, self.engine_time = cluster_snapshot, engine_time
        self._store, self._prices = store, dict(prices or {})
        self._every_s, self._write_s = every_s, write_s
        self._sums: dict[str, Counter[str]] = {name: Counter() for name in ("cluster_s", "gpu_s", "replica_s")}
        self._seconds = 0.0
        self._last = self._written = time.monotonic()
        self._started = stamp(time.time())
        self._start = f"{self._started}-{uuid.uuid4().hex[:8]}"

    @contextmanager
    def running(self) -> Iterator[Meter]:
        """Measure while a block works, and put on record how long it did, also where it fails."""
        self._last = time.monotonic()
        self._write(ended=False)
        with every(self._every_s, self._turn, name="meter", last=self._end, grace_s=GRACE_S):
            yield self

    def measure(self) -> None:
        """Count the time since the last measurement as spent with what is there now."""
        now = time.monotonic()
        seconds, self._last = now - self._last, now
        self._seconds += seconds
        try:
            found = self.cluster_snapshot()
        except Exception as error:  # a cluster in trouble; its machines are not worth a run
            log.warning("not measured for %.0f s: %s", seconds, error)
            return
        for name, values in (
            ("cluster_s", found.cluster),
            ("gpu_s", found.gpus),
            ("replica_s", found.replicas),
        ):
            self._sums[name].update({key: value * seconds for key, value in values.items()})

    def _turn(self) -> None:
        self.measure()
        if time.monotonic() - self._written >= self._write_s:
            self._write(ended=False)

    def _end(self) -> None:
        self.measure()
        self._write(ended=True)

    def _write(self, *, ended: bool) -> None:
        usage = Usage(
            start=self._start,
            started=self._started,
            updated=stamp(time.time()),
            ended=ended,
            seconds=self._seconds,
            cluster_s=dict(self._sums["cluster_s"]),
            gpu_s=dict(self._sums["gpu_s"]),
            replica_s=dict(self._sums["replica_s"]),
            engine_time=dict(self.engine_time()),
            prices=self._prices,
        )
        try:
            self._store.write(f"{DIRECTORY}{self._start}.json", (json.dumps(asdict(usage), indent=1) + "\n").encode())
        except Exception as error:
            log.warning("could not put the usage of this start on record: %s", error)
        self._written = time.monotonic()


def usages(store: Store) -> list[Usage]:
    """Every start that is on record, in order. A file that cannot be read is left out with a warning."""
    found = []
    for entry in store.list(DIRECTORY):
        try:
            values: dict[str, Any] = json.loads(store.read(entry.key))
            found.append(Usage(**values))
        except (ValueError, TypeError) as error:
            log.warning("skipping %s: %s", store.url(entry.key), error)
    return found
