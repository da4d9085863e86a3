"""What rollouts need in tests: a model that follows a list of turns, and a Python that can lose its state."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from factory.dialects.harmony import Harmony
from factory.dialects.protocol import Dialect
from factory.dialects.tokenizer import encode_markup
from factory.engines.failover import Failover
from factory.engines.protocol import SamplingParams
from factory.engines.scripted import Script, ScriptedEngine
from factory.programs.rollout import Draw, rollout
from factory.recipe import Sampling
from factory.records import Mode, Origin, SampleKey, ToolCall, Trace
from factory.sandbox.protocol import StateLost
from tests.dialects.support import harmony_bytes

TOKENIZER = harmony_bytes()
HARMONY = Harmony(TOKENIZER)
AT_ONCE = partial(Failover, tries=4, first_pause_s=0.0)

FINAL = "<|channel|>final<|message|>\\boxed{4}<|return|>"


def call(code: str) -> str:
    return f"<|channel|>analysis to=python code<|message|>{code}<|call|>"


def thought(text: str) -> str:
    return f"<|channel|>analysis<|message|>{text}<|end|><|start|>assistant"


def turns(*replies: str, dialect: Dialect = HARMONY, tokenizer: Any = TOKENIZER) -> Script:
    """A model that says its k-th reply once k outputs stand in the prompt; the last reply continues forever."""
    encoded = [encode_markup(tokenizer, reply) for reply in replies]

    def script(prompt: list[int], sampling: SamplingParams) -> Sequence[int]:
        return encoded[min(dialect.parse(prompt).n_tool_outputs, len(encoded) - 1)]

    return script


class Python:
    """A sandbox of one process: cells run for real. `lose` lists those that get lost, counted over all sessions.

    A cell says that it took `seconds`, however long that was.
    """

    def __init__(
        self, lose: Sequence[int] = (), before_cell: Callable[[], Any] | None = None, seconds: float = 0.0
    ) -> None:
        self.lose, self.before_cell, self.seconds = list(lose), before_cell, seconds
        self.n_cells = self.n_opened = self.n_closed = 0

    async def open(self, *, seed: int = 0, trace: str = "") -> PythonSession:
        self.n_opened += 1
        return PythonSession(self)

    async def close(self) -> None:
        pass


class PythonSession:
    def __init__(self, python: Python) -> None:
        self.python, self.variables = python, {}

    async def run(self, code: str, timeout_s: float | None = None) -> ToolCall:
        python = self.python
        python.n_cells += 1
        if python.before_cell:
            python.before_cell()
        if python.n_cells - 1 in python.lose:
            raise StateLost("the actor died")
        if code == "hang":
            await asyncio.sleep(3600)
        if code == "too long":
            return ToolCall(code=code, status="timeout", stdout="partial\n", state_lost=True, seconds=1.0)
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out):
                exec(code, self.variables)
        except Exception as error:
            return ToolCall(code=code, status="error", stdout=out.getvalue(), stderr=f"{type(error).__name__}: {error}")
        return ToolCall(code=code, status="ok", stdout=out.getvalue(), seconds=python.seconds)

    async def close(self) -> None:
        self.python.n_closed += 1


def draw(*, tool: bool = True, seed: int = 7, dialect: Dialect = HARMONY, **sampling: Any) -> Draw:
    key = SampleKey(problem_id="p", mode=Mode.LOW, tool=tool, sample=0)
    prompt = dialect.prompt("What is 2 + 2?", mode=Mode.LOW, tool=tool)
    return Draw(key=key, prompt=prompt, sampling=Sampling(**{"max_tokens": 10_000} | sampling), seed=seed)


async def run(
    script: Script | ScriptedEngine, sandbox: Any = None, *, order: Draw | None = None, **options: Any
) -> Trace:
    """One rollout whose trace has been checked for what holds in every trace."""
    engine = script if isinstance(script, ScriptedEngine) else ScriptedEngine(script)
    order = order or draw()
    options = {"dialect": HARMONY, "failover": AT_ONCE} | options
    trace = await rollout(order, engine=engine, sandbox=sandbox, **options)
    check(trace, order)
    return trace


def check(trace: Trace, order: Draw) -> None:
    """A trace is its prompt, then what engine and tools said; never more tokens than its budget."""
    assert len(trace.token_ids) == len(trace.mask)
    assert trace.token_ids[: trace.n_prompt_tokens] == order.prompt
    assert trace.mask[: trace.n_prompt_tokens] == [Origin.PROMPT] * trace.n_prompt_tokens
    assert trace.n_prompt_tokens + trace.n_generated_tokens + trace.n_tool_tokens == len(trace.token_ids)
    assert trace.n_generated_tokens + trace.n_tool_tokens <= order.sampling.max_tokens


def text_of(trace: Trace, origin: int) -> str:
    return TOKENIZER.decode([i for i, o in zip(trace.token_ids, trace.mask, strict=True) if o == origin])
