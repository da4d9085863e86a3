"""The Python of one sample: a sandbox session that is opened at the first call and replaced when it is lost."""

from __future__ import annotations

import contextlib

from factory.dialects.protocol import Turn
from factory.records import ToolCall
from factory.sandbox.protocol import Sandbox, Session, StateLost

_OPEN_ATTEMPTS = 3


class Interpreter:
    """Runs calls in one session as long as it lives.

    A lost session is never rebuilt by running old cells again: their results might differ from what the model has
    seen. A cell that nothing depends on yet is run again in a new session; otherwise the call comes back as `killed`
    with `state_lost`, the model reads that its variables are gone, and its next call gets a new session.
    """

    def __init__(self, sandbox: Sandbox | None, *, seed: int, trace: str, history: list[ToolCall]) -> None:
        self._sandbox, self._seed, self._trace = sandbox, seed, trace
        self._session: Session | None = None
        self._depends_on_state = _leaves_state(history)

    async def run(self, turn: Turn) -> ToolCall:
        """The outcome of a call, whatever it is. A call that could not be read is `malformed` and runs nothing."""
        if turn.code is None:
            return ToolCall(code="", status="malformed", stderr=turn.malformed or "")
        if self._session is None and self._depends_on_state:
            self._depends_on_state = False
            return _lost(turn.code)
        for _ in range(1 if self._depends_on_state else _OPEN_ATTEMPTS):
            try:
                result = await self._run(turn.code)
            except StateLost:
                await self.close()
                continue
            self._depends_on_state = not result.state_lost
            if result.state_lost:
                await self.close()
            return result
        self._depends_on_state = False
        return _lost(turn.code)

    async def close(self) -> None:
        """Close the session; no error if it is already gone."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(StateLost):
                await session.close()

    async def _run(self, code: str) -> ToolCall:
        if self._sandbox is None:
            raise RuntimeError("a Python call was allowed to a sample that has no sandbox")
        if self._session is None:
            self._session = await self._sandbox.open(seed=self._seed, trace=self._trace)
        return await self._session.run(code)


def _lost(code: str) -> ToolCall:
    note = "The interpreter was lost before this cell was answered. Variables and imports are gone.\n"
    return ToolCall(code=code, status="killed", stderr=note, state_lost=True)


def _leaves_state(history: list[ToolCall]) -> bool:
    """Whether calls of an earlier attempt left variables behind, which are gone now."""
    executed = [call for call in history if call.status != "malformed"]
    return bool(executed) and not executed[-1].state_lost
