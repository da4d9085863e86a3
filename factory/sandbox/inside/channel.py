"""The session's end of its socket to the actor.

An exception may strike between any two lines here (see `guard`), so nothing may be lost or done twice by starting
again: what the kernel has handed out or taken is recorded within the same C call (`list.extend` over `map`), where no
exception from elsewhere can strike.
"""

from __future__ import annotations

import socket
from json import loads
from os import _exit
from struct import unpack
from typing import Any, TypedDict

from factory.sandbox import frames

_PART = 1 << 20


class Request(TypedDict):
    """A cell to run: its number, its text, and the key that its answer must show."""

    n: int
    code: str
    key: str


class Channel:
    """Receives requests and answers each once. After an exception, call again what it cut short."""

    def __init__(self, data: socket.socket) -> None:
        self._recv, self._send = data.recv, data.sendall
        self._turn: tuple[list[bytes], list[None]] = ([], [])  # the request as it came, the answer once it is sent

    def receive(self) -> Request:
        """The request that is not answered yet; waits for it. Ends the process where the actor has hung up."""
        parts, _ = self._turn
        while (count := _missing(parts)) > 0:
            parts.extend(map(self._recv, (min(count, _PART),)))
            if not parts[-1]:
                _exit(0)
        request: Request = loads(b"".join(parts)[frames.HEADER :])
        return request

    def answer(self, message: dict[str, Any]) -> None:
        """Send the answer to the request that was received last."""
        frame = frames.pack(message)
        _, sent = self._turn
        if not sent:
            sent.extend(map(self._send, (frame,)))
        self._turn = ([], [])


def _missing(parts: list[bytes]) -> int:
    """How many bytes of a frame are still to come."""
    have = sum(map(len, parts))
    if have < frames.HEADER:
        return frames.HEADER - have
    header = b"".join(parts[: frames.HEADER])[: frames.HEADER]
    (length,) = unpack(">I", header)
    return int(frames.HEADER + length - have)
