"""Every process that this one has started, directly or through others, living or orphaned (Linux).

An orphan goes to the nearest ancestor that asks for orphans, and this process asks: whatever the cluster, its workers
or their engines leave behind becomes a child of ours, where it can be seen and counted.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Seen:
    """One living process at the moment of a look."""

    pid: int
    parent: int
    title: str  # its command line, or what it calls itself

    def kill(self) -> bool:
        """SIGKILL; whether it was still there."""
        return self._send(signal.SIGKILL)

    def stop(self) -> bool:
        """SIGSTOP: it keeps what it holds, and says nothing more."""
        return self._send(signal.SIGSTOP)

    def _send(self, what: signal.Signals) -> bool:
        try:
            psutil.Process(self.pid).send_signal(what)
        except psutil.NoSuchProcess:
            return False
        return True


def adopt_orphans() -> None:
    """From now on, orphaned descendants become children of this process instead of init's (prctl(2))."""
    if sys.platform != "linux" or ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError("orphans cannot be adopted here: chaos needs Linux")


def descendants() -> list[Seen]:
    """All living descendants; the dead ones that wait to be collected do not count."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(Seen(process.pid, process.ppid(), " ".join(process.cmdline()).strip()))
        except psutil.NoSuchProcess:
            continue
    return found


def left_after(patience_s: float, counts: Callable[[Seen], bool] = lambda _: True) -> list[Seen]:
    """Wait until no descendant that `counts` is alive; those that still are when patience ends."""
    deadline = time.monotonic() + patience_s
    while (left := [seen for seen in descendants() if counts(seen)]) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


def end_all() -> None:
    """Kill every descendant and collect the dead: the last resort on the way out."""
    for seen in descendants():
        seen.kill()
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return
