"""Write the journal: rows go in one by one, parts come out whole, by size or age, in the background.

A program worker owns one `JournalWriter`. Parts are never rewritten and never share a name, so any number of workers
write at once and a dead worker leaves either a whole part or nothing.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime

from factory.records import JournalRow
from factory.store.fs import Store
from factory.store.kinds import KINDS
from factory.store.parts import EncodedRow, encode_part, encode_row

Receipt = Future[None]
"""Done when the row's part is visible in storage; holds the error if it could not be written."""

BUFFER_PARTS = 4  # rows held in memory, in parts, before `put` makes its caller wait


@dataclass(slots=True)
class _Buffer:
    """Rows that wait for the next flush."""

    rows: dict[type, list[EncodedRow]] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)
    nbytes: int = 0
    since: float = field(default_factory=time.monotonic)


class JournalWriter:
    """Appends rows of every journaled kind. Safe to use from an event loop and from threads.

    A flush writes what was appended before it, verdicts and rejects last: whoever sees a verdict sees the traces that
    it judged. One flush runs at a time. If a flush fails for good, its rows' receipts hold the error and so does
    every later call: the worker must end, and the rows are drawn again by another.
    """

    def __init__(self, store: Store, worker: str, *, part_mb: float, part_age_s: float, fingerprint: str = "") -> None:
        self._store, self._fingerprint = store, fingerprint
        self._worker = re.sub(r"[^A-Za-z0-9_.-]", "_", worker) or "worker"
        self._part_bytes, self._part_age_s = int(part_mb * 1e6), part_age_s
        self._lock = threading.Condition()
        self._flushing = threading.Lock()
        self._buffer = _Buffer()
        self._in_flight = 0  # bytes taken out of the buffer and not yet in storage
        self._in_flight_since = 0.0
        self._parts = 0
        self._wanted = self._closed = False
        self._failed: Exception | None = None
        self._thread: threading.Thread | None = None

    def append(self, row: JournalRow) -> Receipt:
        """Take one row; returns at once. Memory grows without bound unless callers use `put` or await receipts."""
        encoded = encode_row(row)
        receipt: Receipt = Future()
        with self._lock:
            if self._failed:
                raise self._failed
            if self._closed:
                raise ValueError("the journal is closed")
            if not self._buffer.receipts:
                self._buffer.since = time.monotonic()
            self._buffer.rows.setdefault(type(row), []).append(encoded)
            self._buffer.receipts.append(receipt)
            self._buffer.nbytes += encoded.nbytes
            self._start()
            self._lock.notify()
        return receipt

    async def put(self, row: JournalRow) -> Receipt:
        """Take one row, and wait for storage to keep up where too much is held in memory."""
        receipt = self.append(row)
        if self.held_bytes > BUFFER_PARTS * self._part_bytes:
            await self.durable(receipt, now=True)
        return receipt

    async def durable(self, *receipts: Receipt, now: bool = False) -> None:
        """Wait until these rows are in storage; `now` asks for a flush instead of waiting for size or age."""
        if now:
            self._ask()
        # shielded: a waiter that is cancelled must not cancel the row
        await asyncio.gather(*(asyncio.shield(asyncio.wrap_future(receipt)) for receipt in receipts))

    def flush(self) -> None:
        """Write everything that was appended before this call, in this thread."""
        with self._flushing:
            with self._lock:
                if self._failed:
                    raise self._failed
                taken, self._buffer, self._wanted = self._buffer, _Buffer(), False
                self._in_flight, self._in_flight_since = taken.nbytes, taken.since
            try:
                self._write(taken)
            except Exception as error:
                with self._lock:  # rows that came meanwhile are not written either
                    self._failed, later, self._buffer = error, self._buffer, _Buffer()
                _settle([*taken.receipts, *later.receipts], error)
                raise
            finally:
                with self._lock:
                    self._in_flight = 0
            _settle(taken.receipts, None)

    def close(self) -> None:
        """Flush, and take no more rows."""
        with self._lock:
            self._closed = True
            self._lock.notify()
        if self._thread:
            self._thread.join()
        if self._failed:
            raise self._failed
        self.flush()

    @property
    def failed(self) -> bool:
        """Whether a flush failed for good."""
        return self._failed is not None

    @property
    def held_bytes(self) -> int:
        """Bytes of rows, before compression, that are not in storage yet."""
        with self._lock:
            return self._buffer.nbytes + self._in_flight

    @property
    def lag_s(self) -> float:
        """Age in seconds of the oldest row that is not in storage yet; 0 if all are."""
        with self._lock:
            since = [self._in_flight_since] * bool(self._in_flight) + [self._buffer.since] * bool(self._buffer.receipts)
            return time.monotonic() - min(since) if since else 0.0

    def _write(self, taken: _Buffer) -> None:
        for row, kind in KINDS.items():
            if rows := taken.rows.get(row):
                part = encode_part(row, rows, self._fingerprint)
                self._store.write(kind.directory + self._name(), part.to_pybytes())

    def _name(self) -> str:
        """A name that no other part has. Names sort by time, so that a reader can list the new ones alone."""
        self._parts += 1
        return f"{stamp(time.time())}-{self._worker}-{self._parts:06d}-{uuid.uuid4().hex[:8]}.parquet"

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"journal-{self._worker}", daemon=True)
            self._thread.start()

    def _ask(self) -> None:
        with self._lock:
            self._wanted = True
            self._lock.notify()

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._closed and not self._due():
                    self._lock.wait(self._until_due())
                if self._closed or self._failed:
                    return
            try:
                self.flush()
            except Exception:
                return  # kept in `_failed`, raised to everyone who appends or waits

    def _due(self) -> bool:
        waiting = bool(self._buffer.receipts)
        return waiting and (self._wanted or self._buffer.nbytes >= self._part_bytes or self._until_due() == 0)

    def _until_due(self) -> float | None:
        if not self._buffer.receipts:
            return None
        return max(0.0, self._buffer.since + self._part_age_s - time.monotonic())


def stamp(seconds: float) -> str:
    """A moment as part names spell it: UTC, to the microsecond, in an order that sorts."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%S.%fZ")


def _settle(receipts: Iterable[Receipt], error: Exception | None) -> None:
    for receipt in receipts:
        if not receipt.set_running_or_notify_cancel():
            continue  # its waiter gave up
        if error is None:
            receipt.set_result(None)
        else:
            receipt.set_exception(error)
