"""Messages between actor and session: four bytes of length, big-endian, then JSON. Never pickle."""

from __future__ import annotations

import json
import struct
from json import dumps  # by name: a cell that replaces `json.dumps` does not replace this one
from struct import pack as pack_struct
from typing import Any

HEADER = 4
MAX_REPLY = 64 * 1024
"""The longest frame that an actor accepts from a session, in bytes."""


def pack(message: dict[str, Any]) -> bytes:
    """A message as the bytes of one frame. Lone surrogates survive as JSON escapes."""
    body = dumps(message).encode("ascii")
    return pack_struct(">I", len(body)) + body


def take(buffer: bytearray) -> dict[str, Any] | None:
    """Remove the first frame from `buffer` and return it; None while it is incomplete.

    Raises `ValueError` for a frame that is too long or is not a JSON object.
    """
    if len(buffer) < HEADER:
        return None
    (length,) = struct.unpack(">I", buffer[:HEADER])
    if length > MAX_REPLY:
        raise ValueError(f"a frame of {length} bytes")
    if len(buffer) < HEADER + length:
        return None
    try:
        message = json.loads(bytes(buffer[HEADER : HEADER + length]))
    except RecursionError:
        raise ValueError("a frame nested too deeply") from None
    if not isinstance(message, dict):
        raise ValueError("a frame that is not an object")
    del buffer[: HEADER + length]
    return message
