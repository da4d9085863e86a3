"""The life of one forked session: give everything up, then answer cells until the actor hangs up."""

from __future__ import annotations

import builtins
import json
import linecache
import os
import resource
import signal
import socket
import struct
import sys
from typing import Any, NoReturn, TypedDict

from factory.sandbox import frames
from factory.sandbox.inside import preload, privileges
from factory.sandbox.inside.repl import Repl


class Order(TypedDict):
    """What the actor asks of the zygote for one session."""

    id: int
    seed: int
    scratch: str


class Blank:
    """A session before it is anybody's. The zygote makes one; each fork of it becomes a session of its own."""

    def __init__(self, options: privileges.Options) -> None:
        self._confinement = privileges.Confinement(options["limits"], options["trees"], options["layers"])
        self._seeders = preload.seeders()
        _rehearse()
        self._repl = Repl()

    def live(self, order: Order, fds: tuple[int, int, int], zygote: int) -> NoReturn:
        """Run in the forked child: confine it, then serve. `fds`: data socket, stdout pipe, stderr pipe."""
        data = socket.socket(fileno=fds[0])
        self._repl.fds = fds[1:]
        try:
            self._become(order, zygote)
        except Exception as error:
            data.sendall(frames.pack({"fatal": f"{type(error).__name__}: {error}"}))
            os._exit(70)
        data.sendall(frames.pack({"up": True}))
        while True:
            request = _receive(data)
            if request is None:
                os._exit(0)
            status, trace = self._repl.run(request["code"], request["n"])
            data.sendall(frames.pack({"n": request["n"], "status": status, "trace": trace}))

    def _become(self, order: Order, zygote: int) -> None:
        os.chdir(order["scratch"])
        os.environ["HOME"] = os.environ["TMPDIR"] = order["scratch"]
        for seed in self._seeders:
            seed(order["seed"] % 2**32)
        self._confinement.put_on(order["scratch"])
        if os.getppid() != zygote:
            raise OSError("the zygote died")


def _rehearse() -> None:
    """Run cells in a session that is thrown away, so that whatever is looked up once is looked up before the forks."""
    kept = sys.stdin, sys.stdout, sys.stderr, sys.modules["__main__"]
    memory = resource.getrlimit(resource.RLIMIT_AS)
    repl = Repl()
    for number, code in enumerate(("x = 1\nprint(x)", "1 / 0", "'rehearsed'")):
        status, trace = repl.run(code, number)
        frames.pack({"n": number, "status": status, "trace": trace})
    sys.stdin, sys.stdout, sys.stderr, sys.modules["__main__"] = kept
    resource.setrlimit(resource.RLIMIT_AS, memory)  # a cell ends in the room to report in
    del builtins._  # type: ignore[attr-defined]
    linecache.clearcache()
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _receive(data: socket.socket) -> dict[str, Any] | None:
    """The next request; None where the actor has hung up."""
    header = _exactly(data, frames.HEADER)
    if header is None:
        return None
    body = _exactly(data, struct.unpack(">I", header)[0])
    return None if body is None else json.loads(body)


def _exactly(data: socket.socket, count: int) -> bytes | None:
    parts = []
    while count:
        part = data.recv(min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
