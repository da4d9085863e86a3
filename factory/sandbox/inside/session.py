"""The life of one forked session: give everything up, then answer cells until the actor hangs up."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
from typing import Any, NoReturn, TypedDict

from factory.sandbox import frames
from factory.sandbox.inside import preload, privileges
from factory.sandbox.inside.repl import Repl


class Order(TypedDict):
    """What the actor asks of the zygote for one session."""

    id: int
    seed: int
    scratch: str


def live(order: Order, options: privileges.Options, fds: tuple[int, int, int], zygote: int) -> NoReturn:
    """Run in the forked child: confine it, then serve. `fds`: data socket, stdout pipe, stderr pipe."""
    data = socket.socket(fileno=fds[0])
    try:
        _become_session(order, options, zygote)
        repl = Repl(fds[1], fds[2])
    except Exception as error:
        data.sendall(frames.pack({"fatal": f"{type(error).__name__}: {error}"}))
        os._exit(70)
    data.sendall(frames.pack({"up": True}))
    while True:
        request = _receive(data)
        if request is None:
            os._exit(0)
        status, trace = repl.run(request["code"], request["n"])
        data.sendall(frames.pack({"n": request["n"], "status": status, "trace": trace}))


def _become_session(order: Order, options: privileges.Options, zygote: int) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(order["scratch"])
    os.environ["HOME"] = os.environ["TMPDIR"] = order["scratch"]
    preload.reseed(order["seed"])
    privileges.give_up(options["limits"], options["trees"], order["scratch"], options["layers"])
    if os.getppid() != zygote:
        raise OSError("the zygote died")


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
