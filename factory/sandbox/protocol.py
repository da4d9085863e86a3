"""What a program may ask of a sandbox: a stateful Python session for one trace."""

from __future__ import annotations

from typing import Protocol

from factory.records import ToolCall


class StateLost(Exception):
    """The session is gone (its actor or machine died) before the cell was answered."""


class Session(Protocol):
    """One trace's interpreter. Variables persist until `close`, or until a result says `state_lost`."""

    async def run(self, code: str, timeout_s: float | None = None) -> ToolCall:
        """Run one cell. Failures of the code are results; only the loss of the session itself raises `StateLost`."""
        ...

    async def close(self) -> None: ...


class Sandbox(Protocol):
    """A pool that opens sessions. `seed` fixes the session's random state; `trace` names it in logs."""

    async def open(self, *, seed: int = 0, trace: str = "") -> Session: ...

    async def close(self) -> None: ...
