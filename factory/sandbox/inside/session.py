"""The life of one forked session: drop all privileges, then serve cells until the actor disconnects."""

from __future__ import annotations

import builtins
import errno
import linecache
import os
import signal
import socket
import sys
from os import _exit
from typing import NoReturn, TypedDict

from factory.sandbox import frames
from factory.sandbox.inside import preload, privileges, tracebacks
from factory.sandbox.inside.channel import Channel
from factory.sandbox.inside.repl import Repl

BROKEN = 71
"""The exit status of a session that could not continue."""

_PASSING = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC)  # another try may succeed
_MAX_FAILURES = 200
_MAX_REASON = 500


class Order(TypedDict):
    """What the actor asks of the zygote for one session."""

    id: int
    seed: int
    scratch: str


class BlankSession:
    """A session before it is anybody's. The zygote makes one; each fork of it becomes a session of its own."""

    def __init__(self, options: privileges.Options) -> None:
        self._confinement = privileges.Confinement(options["limits"], options["trees"], options["layers"])
        self._seeders = preload.seeders()
        _rehearse()
        self._repl = Repl()

    def live(self, order: Order, fds: tuple[int, int, int], zygote: int) -> NoReturn:
        """Run in the forked child: confine it, then serve. `fds`: data socket, stdout pipe, stderr pipe."""
        data = socket.socket(fileno=fds[0])
        self._repl.guard.fds = (os.dup(0), *fds[1:])
        try:
            self._become(order, zygote)
        except Exception as error:
            passing = isinstance(error, MemoryError) or getattr(error, "errno", 0) in _PASSING
            data.sendall(frames.pack({"fatal": f"{type(error).__name__}: {error}", "passing": passing}))
            os._exit(70)
        data.sendall(frames.pack({"up": True}))
        _serve(self._repl, data)

    def _become(self, order: Order, zygote: int) -> None:
        os.chdir(order["scratch"])
        tracebacks.learn_folder(order["scratch"])
        os.environ["HOME"] = os.environ["TMPDIR"] = order["scratch"]
        for seed in self._seeders:
            seed(order["seed"] % 2**32)
        self._confinement.put_on(order["scratch"])
        if os.getppid() != zygote:
            raise OSError("the zygote died")
        self._repl.guard.learn_limits()


def _serve(repl: Repl, data: socket.socket) -> NoReturn:
    """Answer cells. Threads that earlier cells left behind may raise exceptions at any line here: start again.

    The second `try` is for an exception that strikes while the first one handles one. What keeps failing, because a
    cell has broken what the runner needs, ends the session, which says why.
    """
    channel = Channel(data)
    failures = 0
    while True:
        try:
            while True:
                try:
                    request = channel.receive()
                    status, trace = repl.run(request["code"], request["n"])
                    channel.answer({"key": request["key"], "status": status, "trace": trace})
                    failures = 0
                except BaseException as error:
                    failures += 1
                    if failures > _MAX_FAILURES:
                        _give_up(data, error)
        except BaseException:
            continue


def _give_up(data: socket.socket, error: BaseException) -> NoReturn:
    try:
        data.sendall(frames.pack({"broken": f"{type(error).__name__}: {error}"[:_MAX_REASON]}))
    finally:
        _exit(BROKEN)


def _rehearse() -> None:
    """Run cells in a session that is thrown away, so that whatever is looked up once is looked up before the forks."""
    kept = sys.stdin, sys.stdout, sys.stderr, sys.modules["__main__"]
    repl = Repl()
    for number, code in enumerate(("x = 1\nprint(x)", "1 / 0", "'rehearsed'")):
        status, trace = repl.run(code, number)
        frames.pack({"key": "", "status": status, "trace": trace})
    repl.guard.open()  # a cell ends with the signals off and in the room to report in
    sys.stdin, sys.stdout, sys.stderr, sys.modules["__main__"] = kept
    del builtins._  # type: ignore[attr-defined]
    linecache.clearcache()
    signal.signal(signal.SIGINT, signal.default_int_handler)
