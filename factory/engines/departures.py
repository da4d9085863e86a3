"""Why replicas left: one small file each in the run, `engines/left/<moment>-<replica>.json`, for `factory status`."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Literal

from factory.metrics import ENGINES_LEFT, Sink
from factory.periodic import every
from factory.store.fs import Store
from factory.store.journal import stamp

log = logging.getLogger(__name__)

DIRECTORY = "engines/left/"
WATCH_S = 30.0

Cause = Literal["dead", "silent", "canary", "loops", "machine", "fetch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """One replica that left by itself, or that never came up because of its machine."""

    replica: str
    node: str
    cause: Cause
    detail: str
    at: str  # UTC, as `stamp` writes it


def record(store: Store | None, *, replica: str, node: str, cause: Cause, detail: str) -> None:
    """Put a departure on record, if the storage can be reached: what is to be told may be that it can't."""
    departure = Departure(replica=replica, node=node, cause=cause, detail=detail, at=stamp(time.time()))
    log.error("replica %s on %s leaves (%s): %s", replica, node, cause, detail)
    if store is None:
        return
    try:
        store.write(f"{DIRECTORY}{departure.at}-{cause}-{replica}.json", json.dumps(asdict(departure)).encode())
    except Exception as error:
        log.warning("could not put that on record: %s", error)


def causes(store: Store) -> Counter[str]:
    """How many replicas left, by cause; from the names of the files alone."""
    return Counter(entry.key.removeprefix(DIRECTORY).split("-")[1] for entry in store.list(DIRECTORY))


def last(store: Store) -> Departure | None:
    """The latest departure."""
    keys = [entry.key for entry in store.list(DIRECTORY)]
    return Departure(**json.loads(store.read(keys[-1]))) if keys else None


@contextmanager
def counted(store: Store, sink: Sink, every_s: float = WATCH_S) -> Iterator[None]:
    """Record departures as a metric while a block runs. Replicas can't: a process that leaves exports nothing more."""
    known = causes(store)

    def look() -> None:
        now = causes(store)
        for cause, n in (now - known).items():
            sink.record(ENGINES_LEFT, n, cause=cause)
        known.update(now - known)

    with every(every_s, look, name="departures", last=look, grace_s=10.0):
        yield
