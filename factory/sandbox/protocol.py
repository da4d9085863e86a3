"""What a program may ask of a sandbox: a stateful Python session for one trace."""

from __future__ import annotations

from typing import Protocol

from factory.errors import Unavailable
from factory.records import ToolCall


class StateLost(Exception):
    """The session is gone (its actor or machine died) before the cell was answered."""


class SandboxUnavailable(Unavailable):
    """No session can be opened: says nothing of the code that was to run."""


class Session(Protocol):
    """One trace's interpreter. Variables persist until `close`, or until a result says `state_lost`.

    A call always ends, if need be with `StateLost`: the sandbox bounds the time of its cells, and notices when it is
    gone itself.
    """

    async def run(self, code: str, timeout_s: float | None = None) -> ToolCall:
        """Run one cell. Failures of the code are results; only the loss of the session itself raises `StateLost`."""
        ...

    async def close(self) -> None: ...


class Sandbox(Protocol):
    """A pool that opens sessions. `seed` fixes the session's random state; `trace` names it in logs.

    `open` waits while there is no room, and raises `SandboxUnavailable` where there is nobody to wait for.
    """

    async def open(self, *, seed: int = 0, trace: str = "") -> Session: ...

    async def close(self) -> None: ...
