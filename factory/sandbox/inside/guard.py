"""Between two cells: what a cell left behind does not reach the runner.

A timer that is still running, a signal without a handler, a thread that interrupts, a lowered limit, a closed
descriptor: each is harmless to code that has ended, and each would end the session that waits for the next cell.
So timers end with their cell, signals are ignored until the next one (their handlers come back with it), and limits and
descriptors are put back as far as the kernel lets.

Every method may be cut short by an exception (another thread may raise one in the main thread at any line) and is then
called again. The names are imported one by one, so that a cell which replaces `os.dup2` does not replace ours.
"""

from __future__ import annotations

import contextlib

# `signal` without its enums, which cost more than a small cell.
from _signal import ITIMER_PROF, ITIMER_REAL, ITIMER_VIRTUAL, SIG_IGN, getsignal, setitimer  # type: ignore[import-not-found]
from _signal import signal as set_handler
from collections.abc import Callable
from os import dup2, fstat
from resource import (
    RLIM_INFINITY,
    RLIMIT_AS,
    RLIMIT_CPU,
    RLIMIT_DATA,
    RLIMIT_FSIZE,
    RLIMIT_NOFILE,
    RLIMIT_STACK,
    getrlimit,
    setrlimit,
)
from signal import Signals
from typing import Any

# Signals that a process can do without between two cells. Not those of a fault, nor SIGXCPU: CPU time stays limited.
_NAMES = ("HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM", "CHLD", "VTALRM", "PROF", "IO", "PWR")
_IGNORED = tuple(int(Signals[f"SIG{name}"]) for name in _NAMES)
_TIMERS = (ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF)
_LIMITS = (RLIMIT_AS, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_STACK)


class InterpreterGuard:
    """Keeps a session's limits, descriptors and signal handlers. `fds`: what descriptors 0, 1 and 2 must lead to."""

    def __init__(self, fds: tuple[int, int, int]) -> None:
        self.fds = fds
        self._limits = {kind: getrlimit(kind) for kind in _LIMITS}
        self._handlers: dict[int, Callable[..., Any] | int] = {}

    def learn_limits(self) -> None:
        """Take the limits that hold now for the session's own."""
        self._limits = {kind: getrlimit(kind) for kind in _LIMITS}

    def close(self) -> None:
        """After a cell: nothing arrives any more, and there is memory to report in."""
        for timer in _TIMERS:
            setitimer(timer, 0)
        for number in _IGNORED:
            handler = getsignal(number)  # None: set by C code, and out of reach from here
            if handler is not None and (handler != SIG_IGN or number not in self._handlers):
                self._handlers[number] = handler
                set_handler(number, SIG_IGN)
        self._restore_limits(room=True)

    def open(self) -> None:
        """Before a cell: its own limits, descriptors and handlers. Raises `OSError` if a descriptor is lost."""
        for number, fd in enumerate(self.fds):
            _lead(number, fd)
        while self._handlers:
            number = next(iter(self._handlers))
            set_handler(number, self._handlers[number])
            del self._handlers[number]
        self._restore_limits(room=False)

    def _restore_limits(self, *, room: bool) -> None:
        """Soft limits as they were. The memory's has `room` between cells, so that a full session can report."""
        for kind, (soft, hard) in self._limits.items():
            now = getrlimit(kind)
            wanted = _least(hard if room and kind == RLIMIT_AS else soft, now[1])
            if now[0] != wanted:
                with contextlib.suppress(Exception):  # an audit hook of the cell's may refuse
                    setrlimit(kind, (wanted, now[1]))


def _lead(number: int, fd: int) -> None:
    """Make descriptor `number` the same file as `fd`. Where it is that already, no limit can be in the way."""
    with contextlib.suppress(OSError):
        here, there = fstat(number), fstat(fd)
        if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
            return
    dup2(fd, number)


def _least(one: int, other: int) -> int:
    """The lower of two limits; none at all is a negative number."""
    known = [limit for limit in (one, other) if limit != RLIM_INFINITY]
    return min(known, default=RLIM_INFINITY)
