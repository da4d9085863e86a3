"""What code meets that wants processes, or very many threads: there are no child processes in a session.

seccomp refuses them, whatever stands here. This says so in words instead of "Operation not permitted", makes what is
meant for processes but used among threads work (`multiprocessing.Lock`, `Queue`, `ThreadPool`), and ends a loop that
starts threads before the machine feels it.
"""

from __future__ import annotations

import _multiprocessing  # type: ignore[import-not-found]
import _posixshmem  # type: ignore[import-not-found]
import _posixsubprocess
import _thread
import errno
import os
import subprocess
import threading
from collections.abc import Callable
from typing import Any, NoReturn

MAX_THREADS = 256
"""Threads that one session may have at a time."""

_NO_PROCESS = (
    "no child processes or shell commands here: compute in this process, with threads (ThreadPoolExecutor, "
    "multiprocessing.pool.ThreadPool) where you need them"
)
_NO_MEMORY = "no shared memory here: threads of this process share all variables"
_STARTERS = ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system", "execv", "execve")


def install() -> None:
    """Put the words, the locks and the limit in their places."""
    refuse = _refusal(_NO_PROCESS)
    for name in _STARTERS:
        setattr(os, name, refuse)
    _posixsubprocess.fork_exec = subprocess._fork_exec = refuse  # type: ignore[attr-defined]
    _posixshmem.shm_open = _refusal(_NO_MEMORY)
    _multiprocessing.SemLock = ThreadLock
    _limit_threads()
    from multiprocessing import heap

    heap.Arena._dir_candidates = []  # type: ignore[attr-defined]  # not /dev/shm: the session's own folder


def _refusal(words: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise PermissionError(errno.EPERM, words)

    return refuse


def _limit_threads() -> None:
    start = _thread.start_new_thread

    def start_new_thread(*args: Any) -> int:
        if _thread._count() >= MAX_THREADS:
            raise RuntimeError(f"can't start new thread: {MAX_THREADS} are running, the most that a session may have")
        return start(*args)

    _thread.start_new_thread = start_new_thread
    threading._start_new_thread = start_new_thread  # type: ignore[attr-defined]


class ThreadLock:
    """Stands in for `_multiprocessing.SemLock`, which keeps its semaphore where all sessions could see it.

    Among the threads of one process it behaves as that does: see Modules/_multiprocessing/semaphore.c of CPython.
    """

    SEM_VALUE_MAX = 2**31 - 1
    _RECURSIVE = 0  # of the two kinds; the other counts

    def __init__(self, kind: int, value: int, maxvalue: int, name: str, unlink: bool) -> None:
        self.kind, self.maxvalue, self.handle = kind, maxvalue, 0
        self.name = None  # there is nothing to unlink
        self._value, self._owner, self._held = value, 0, 0
        self._changed = threading.Condition()

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        me = threading.get_ident()
        with self._changed:
            if not self._may_reenter(me):
                wait_s = (None if timeout is None else max(timeout, 0.0)) if block else 0.0
                if not self._changed.wait_for(lambda: self._value > 0, wait_s):
                    return False
                self._value -= 1
            self._owner, self._held = me, self._held + 1
            return True

    def release(self) -> None:
        with self._changed:
            if self.kind == self._RECURSIVE:
                if not self._may_reenter(threading.get_ident()):
                    raise AssertionError("attempt to release recursive lock not owned by thread")
                if self._held > 1:
                    self._held -= 1
                    return
            elif self._value >= self.maxvalue:
                raise ValueError("semaphore or lock released too many times")
            self._held -= 1
            self._value += 1
            self._changed.notify()

    def _may_reenter(self, thread: int) -> bool:
        return self.kind == self._RECURSIVE and self._held > 0 and self._owner == thread

    def _count(self) -> int:
        return self._held

    def _is_mine(self) -> bool:
        return self._held > 0 and self._owner == threading.get_ident()

    def _get_value(self) -> int:
        return self._value

    def _is_zero(self) -> bool:
        return self._value == 0

    def _after_fork(self) -> None:
        self._held = 0

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
