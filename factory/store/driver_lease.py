"""One driver per run: a lease in the run's own storage, with a heartbeat, and numbers that fence off an old holder.

    driver/00000007.json   the seventh driver took the lease: who it is. Made by `create`, so each number has one holder
    driver/00000007.beat   rewritten every few seconds while it lives
    driver/00000007.end    it has ended and needs the run no more

The highest number holds the run. Another driver takes the next number where the holder has ended, where its process is
gone from this very machine, or where no heartbeat came for `LEASE_S` seconds of the observer's own clock (no two clocks
are compared). A holder that was stopped, or cut off, meanwhile finds the higher number at its next heartbeat and before
it publishes, and ends at once: it must not write, nor end the engines, which are another driver's by then. So do its
workers (`cluster/fence`), which go on if it was merely stopped, and share the engines of the new driver's workers.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from factory.errors import FactoryError
from factory.periodic import every
from factory.store.fs import Store

DIRECTORY = "driver/"
BEAT_S = 10.0
LEASE_S = 60.0
LOOK_S = 1.0
EXIT_STATUS = 3
"""Of a job whose run belongs to another driver."""
_GRACE_S = 10.0


class RunLocked(FactoryError):
    """Another driver has the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A driver's process. `machine` is equal only where process numbers mean the same process."""

    token: str  # tells apart two that take a number at once
    host: str
    machine: str
    pid: int
    began: str  # the process's start, in the kernel's own clock

    @staticmethod
    def here() -> Holder:
        pid = os.getpid()
        return Holder(
            token=uuid.uuid4().hex, host=socket.gethostname(), machine=_machine(), pid=pid, began=_start_of(pid)
        )

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended for certain; of another machine nothing is certain."""
        return bool(self.began) and self.machine == _machine() and _start_of(self.pid) != self.began


class DriverLease:
    """A held lease. `number` grows with each driver of a run: what carries a lower one is of the past."""

    def __init__(self, store: Store, number: int, on_lost: Callable[[], None]) -> None:
        self.number = number
        self._store, self._on_lost = store, on_lost
        self._beats = 0

    def beat(self) -> None:
        self.check()
        self._beats += 1
        self._store.write(_key(self.number, "beat"), str(self._beats).encode())

    def check(self) -> None:
        """See that the run is still this driver's; calls `on_lost` if it is not."""
        if passed_on(self._store, self.number):
            self._on_lost()

    def end(self) -> None:
        self._store.write(_key(self.number, "end"), b"")


@contextmanager
def held(
    store: Store,
    *,
    on_lost: Callable[[], None] | None = None,
    beat_s: float | None = None,
    lease_s: float | None = None,
) -> Iterator[DriverLease]:
    """The run's lease for the length of a block. Raises `RunLocked` if another driver has it and is alive.

    To find that out takes up to one heartbeat, and `lease_s` where the holder is silent. `on_lost` is called, on the
    thread of the heartbeat, when another driver has taken the run: by default it ends the process (`EXIT_STATUS`).
    """
    beat_s, lease_s = beat_s or BEAT_S, lease_s or LEASE_S
    number = _take(store, lease_s)
    lease = DriverLease(store, number, on_lost or (lambda: _end_process(store)))
    for entry in list(store.list(DIRECTORY)):
        if _number(entry.key) < number:
            store.delete(entry.key)
    with every(beat_s, lease.beat, name="driver lease", last=lease.end, grace_s=_GRACE_S):
        yield lease


def passed_on(store: Store, number: int) -> bool:
    """Whether the run has a later driver than the one with `number`."""
    return _latest(store) > number


def _take(store: Store, lease_s: float) -> int:
    """Take the next number, once the one before is free."""
    me = Holder.here()
    while True:
        number = _latest(store)
        if number:
            _wait_until_free(store, number, lease_s)
        if store.create(_key(number + 1, "json"), json.dumps(asdict(me)).encode()):
            return number + 1
        # another one was faster: it is the holder to wait for now


def _wait_until_free(store: Store, number: int, lease_s: float) -> None:
    """Return when the holder of `number` has ended or is taken for dead. Raises `RunLocked` once it shows life."""
    try:
        holder = Holder(**json.loads(store.read(_key(number, "json"))))
    except (FileNotFoundError, ValueError, TypeError):  # the next one has swept it away; or it was cut short
        return
    first, seen_at = _beat(store, number), time.monotonic()
    while not (store.exists(_key(number, "end")) or holder.is_gone):
        if _latest(store) > number:
            return
        if _beat(store, number) != first:
            raise RunLocked(
                f"another driver works on {store.uri}",
                why=f"process {holder.pid} on {holder.host} has it and is alive",
                remedy="nothing is lost: let it go on, or stop it (ray job stop) and start this again",
            )
        if time.monotonic() - seen_at > lease_s:
            return
        time.sleep(min(LOOK_S, lease_s / 10))


def _end_process(store: Store) -> None:
    print(
        f"another driver has taken over {store.uri}, as nothing was heard of this one: it ends and writes nothing more",
        file=sys.stderr,
        flush=True,
    )
    os._exit(EXIT_STATUS)  # no clean-up: what there is to clean up is the other driver's


def _key(number: int, kind: str) -> str:
    return f"{DIRECTORY}{number:08d}.{kind}"


def _number(key: str) -> int:
    name = key.removeprefix(DIRECTORY).partition(".")[0]
    return int(name) if name.isdigit() else 0


def _latest(store: Store) -> int:
    return max((_number(entry.key) for entry in store.list(DIRECTORY)), default=0)


def _beat(store: Store, number: int) -> bytes | None:
    try:
        return store.read(_key(number, "beat"))
    except FileNotFoundError:
        return None


def _machine() -> str:
    """This boot of this kernel, and the container's own numbering of processes; "" where that cannot be known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _start_of(pid: int) -> str:
    """When a process started, in ticks since the boot; "" for one that is not there."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    after_name = stat.rpartition(")")[2].split()
    return "" if after_name[0] == "Z" else after_name[19]
