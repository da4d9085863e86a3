"""What the benchmark puts around the factory's rollout loop: turns of given lengths, and tools that only take time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from factory.dialects.protocol import ParsedTrace, Turn
from factory.engines.protocol import Chunk, Engine, EngineLoad, ModelIdentity, SamplingParams
from factory.programs.rollout import Draw
from factory.recipe import Sampling
from factory.records import Mode, SampleKey, ToolCall
from factory.sandbox.protocol import Sandbox, Session


def draw(number: int, prompt: list[int], *, tool: bool) -> Draw:
    key = SampleKey(problem_id=f"p{number // 8}", mode=Mode.HIGH, tool=tool, sample=number % 8)
    # No repetition detector: a model without its end token repeats itself, and every part must say as much.
    # The budget is more than any trace needs: a program that is told to conclude would end before its last turn.
    sampling = Sampling(max_tokens=4000, max_calls=100, repetition_tokens=0)
    return Draw(key=key, prompt=prompt, sampling=sampling, seed=number)


class TurnEnds:
    """The engine of one trace: its k-th request ends, as if at a stop token, after `turns[k]` tokens."""

    def __init__(self, engine: Engine, turns: list[int]) -> None:
        self._engine, self._turns = engine, list(turns)

    async def generate(
        self, prompt_token_ids: list[int], sampling: SamplingParams, *, affinity: str = ""
    ) -> AsyncGenerator[Chunk, None]:
        limited = replace(sampling, max_tokens=self._turns.pop(0))
        async with aclosing(self._engine.generate(prompt_token_ids, limited, affinity=affinity)) as chunks:
            async for chunk in chunks:
                yield Chunk(chunk.token_ids, "stop" if chunk.finish_reason else None)

    async def identity(self) -> ModelIdentity:
        return await self._engine.identity()

    async def load(self) -> EngineLoad:
        return await self._engine.load()

    async def close(self) -> None:
        pass


class Plain:
    """The dialect of one trace: each of its `n_turns` turns but the last is a call of `code`."""

    name = "plain"

    def __init__(self, n_turns: int, output: list[int], code: str) -> None:
        self.stop_token_ids: list[int] = []
        self._calls_left, self._output, self._code = n_turns - 1, output, code

    def prompt(self, user: str, *, mode: Mode | None, tool: bool, system: str = "") -> list[int]:
        raise NotImplementedError

    def turn(self, generated: list[int], **_: object) -> Turn:
        self._calls_left -= 1
        return Turn(code=self._code) if self._calls_left >= 0 else Turn()

    def turn_end(self) -> None:
        return None

    def tool_output(self, *calls: ToolCall, **_: object) -> list[int]:
        return self._output

    def parse(self, token_ids: list[int], mask: list[int] | None = None) -> ParsedTrace:
        return ParsedTrace(messages=[], n_python_calls=0, n_tool_outputs=0, truncated=False)


class Slow:
    """Sessions whose cells take `seconds` and do nothing."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def open(self, *, seed: int = 0, trace: str = "") -> Slow:
        return self

    async def run(self, code: str, timeout_s: float | None = None) -> ToolCall:
        await asyncio.sleep(self._seconds)
        return ToolCall(code=code, status="ok", seconds=self._seconds)

    async def close(self) -> None:
        pass


class Timed:
    """A sandbox whose cells are timed as a trace sees them: from the call to its answer."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._seconds: list[float] = []

    async def open(self, *, seed: int = 0, trace: str = "") -> _TimedSession:
        return _TimedSession(await self._sandbox.open(seed=seed, trace=trace), self._seconds)

    def mean_s(self) -> float:
        """Mean seconds of the cells since the last call."""
        seconds, self._seconds[:] = list(self._seconds), []
        return sum(seconds) / len(seconds)

    async def close(self) -> None:
        await self._sandbox.close()


class _TimedSession:
    def __init__(self, session: Session, seconds: list[float]) -> None:
        self._session, self._seconds = session, seconds

    async def run(self, code: str, timeout_s: float | None = None) -> ToolCall:
        started = time.perf_counter()
        call = await self._session.run(code, timeout_s)
        assert call.status == "ok", call
        self._seconds.append(time.perf_counter() - started)
        return call

    async def close(self) -> None:
        await self._session.close()
