"""Draw one sample: the model writes, Python answers, until the model ends or a budget does.

A rollout is tokens in, tokens out: each turn sends exactly the tokens of the turns before it, and what is stored is
exactly what the model saw and said, with a mask that tells who wrote what. It knows the protocols of engine, dialect
and sandbox, and nothing of what stands behind them. What a model may do wrong becomes data; engines and sandboxes that
stay away (`Unavailable`) are raised, after bounded retries, because then there is no sample to speak of.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from factory.dialects.protocol import Dialect, Turn
from factory.engines.failover import Failover
from factory.engines.protocol import Engine, EngineError, EngineUnavailable, ModelIdentity, SamplingParams
from factory.programs.budget import Allowance, Budget
from factory.programs.call_budget import max_calls
from factory.programs.interpreter import Interpreter
from factory.programs.repetition import Repetition
from factory.programs.traces import final_answer
from factory.recipe import Sampling
from factory.records import Origin, SampleKey, ToolCall, Trace, uid_of
from factory.sandbox.protocol import Sandbox

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One sample to draw: its identity, its prompt as the dialect renders it, and how to sample."""

    key: SampleKey
    prompt: list[int]
    sampling: Sampling
    seed: int = 0
    attempt: int = 0
    prompt_fingerprint: str = ""


@dataclass(slots=True, kw_only=True)
class SampleProgress:
    """A sample under way. After a finished turn it is a safe point: another worker may continue from there."""

    token_ids: list[int]
    mask: list[int]
    tool_calls: list[ToolCall] = field(default_factory=list)
    n_regenerated_tokens: int = 0
    seconds: float = 0.0

    @classmethod
    def start(cls, prompt: list[int]) -> SampleProgress:
        return cls(token_ids=list(prompt), mask=[Origin.PROMPT] * len(prompt))

    def copy(self) -> SampleProgress:
        return replace(self, token_ids=list(self.token_ids), mask=list(self.mask), tool_calls=list(self.tool_calls))

    def extend(self, token_ids: list[int], origin: int) -> None:
        self.token_ids += token_ids
        self.mask += [origin] * len(token_ids)

    def truncate(self, n_tokens: int) -> None:
        del self.token_ids[n_tokens:]
        del self.mask[n_tokens:]


async def rollout(
    draw: Draw,
    *,
    engine: Engine,
    dialect: Dialect,
    sandbox: Sandbox | None = None,
    resume: SampleProgress | None = None,
    on_turn: Callable[[SampleProgress], Awaitable[None]] | None = None,
    failover: Callable[[Engine], Failover] = Failover,
    clock: Callable[[], float] = time.monotonic,
) -> Trace:
    """Draw one sample to its end.

    `resume` goes on from a safe point that `on_turn` was given earlier; the Python state of that attempt is gone, and
    the model is told at its next call. Without a sandbox, or with a key that asks for no tool, no call is run.
    `failover` wraps the engine so that a turn continues at another replica when one dies.
    """
    progress = _begin(draw, resume)
    identity = await engine.identity()
    budget = Budget(
        n_prompt=len(draw.prompt),
        max_tokens=draw.sampling.max_tokens,
        context=identity.max_model_len,
        max_calls=max_calls(draw.sampling, draw.seed) if draw.key.tool and sandbox is not None else 0,
        wall_time_s=draw.sampling.wall_time_s,
        seconds_spent=progress.seconds,
    )
    interpreter = Interpreter(sandbox, seed=draw.seed, trace=str(draw.key), history=progress.tool_calls)
    sample = _Sample(draw, failover(engine), dialect, interpreter, budget, progress, on_turn, clock)
    try:
        reason = await sample.run()
    except EngineError as error:
        log.warning("%s: the engine refused to go on: %s", draw.key, error)
        reason = "error"
    finally:
        await interpreter.close()
    return _trace(draw, sample.safe_point(), reason, dialect, identity)


@dataclass(slots=True)
class _Sample:
    draw: Draw
    engine: Failover
    dialect: Dialect
    interpreter: Interpreter
    budget: Budget
    progress: SampleProgress
    on_turn: Callable[[SampleProgress], Awaitable[None]] | None
    clock: Callable[[], float]

    async def run(self) -> str:
        """Turn after turn, to a finish reason."""
        progress = self.progress
        told_none_left = bool(progress.tool_calls) and self._calls_left() == 0
        while True:
            start = len(progress.token_ids)
            reason = await self._speak(start)
            if reason != "stop":
                return reason
            turn = self.dialect.turn(progress.token_ids[start:], opening=self._opening(start), mode=self.draw.key.mode)
            if turn.code is None and turn.malformed is None:
                return "stop"
            if told_none_left or len(progress.tool_calls) >= self.budget.max_calls:
                return "calls"
            made = [await self._run(asked) for asked in (turn, *turn.more)]
            output, told_none_left = self._show(made, turn)
            room = self.budget.allowance(len(progress.token_ids))
            if len(output) >= room.tokens:
                return room.reason
            progress.extend(output, Origin.TOOL)
            if self.on_turn is not None:
                await self.on_turn(self.safe_point())

    def safe_point(self) -> SampleProgress:
        """All there is so far, as it may be journaled."""
        progress = self.progress.copy()
        progress.seconds = self.budget.seconds
        progress.n_regenerated_tokens += self.engine.regenerated_tokens
        return progress

    async def _speak(self, start: int) -> str:
        """Let the model write one turn, chunk by chunk. The engine is free again when this returns."""
        progress = self.progress
        room = self.budget.allowance(start)
        if room.tokens <= 0 or not self.budget.seconds_left:
            return room.reason if room.tokens <= 0 else "wall_time"
        repetition = Repetition(self.draw.sampling.repetition_tokens)
        # without calls, code is only something that the model shows
        turn_end = self.dialect.turn_end() if self.budget.max_calls else None
        stream = self.engine.generate(list(progress.token_ids), self._sampling(room), affinity=str(self.draw.key))
        heard = self.clock()
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                now = self.clock()
                if not chunk.waiting:  # for a place, a prefill, another replica
                    self.budget.spend(now - heard)
                heard = now
                n_before = len(progress.token_ids)
                progress.extend(chunk.token_ids, Origin.GENERATED)
                n_turn = turn_end.feed(chunk.token_ids) if turn_end is not None else None
                n_loop = repetition.feed(chunk.token_ids)
                if n_loop is not None and (n_turn is None or n_loop <= n_turn):
                    progress.truncate(n_before + n_loop)
                    return "repetition"
                if n_turn is not None:
                    progress.truncate(n_before + n_turn)
                    return "stop"
                if chunk.finish_reason is not None:
                    return room.reason if chunk.finish_reason == "length" else "stop"
                if not self.budget.seconds_left:
                    return "wall_time"
        raise EngineUnavailable("the stream ended without a finish reason")

    def _sampling(self, room: Allowance) -> SamplingParams:
        """Sampling of what comes next. The seed moves with the position, or every turn would throw the same dice."""
        n_after_prompt = len(self.progress.token_ids) - len(self.draw.prompt)
        return SamplingParams(
            max_tokens=room.tokens,
            temperature=self.draw.sampling.temperature,
            top_p=self.draw.sampling.top_p,
            seed=(self.draw.seed + 1_000_003 * n_after_prompt) % 2**31,
            stop_token_ids=self.dialect.stop_token_ids,
        )

    def _opening(self, start: int) -> list[int]:
        """The tokens before a turn that the model has not written itself: the prompt, or the last output."""
        begin = start
        while begin and self.progress.mask[begin - 1] != Origin.GENERATED:
            begin -= 1
        return self.progress.token_ids[begin:start]

    async def _run(self, asked: Turn) -> ToolCall:
        """One call of a turn. Of several at once, those beyond the budget are answered, and not run."""
        if len(self.progress.tool_calls) >= self.budget.max_calls:
            asked = Turn(malformed="no Python calls are left")
        call = await self.interpreter.run(asked)
        self.progress.tool_calls.append(call)
        self.budget.spend(call.seconds)
        return call

    def _show(self, calls: list[ToolCall], turn: Turn) -> tuple[list[int], bool]:
        """The tokens that show the results of a turn, and whether they tell the model that no call is left."""
        calls_left = self._calls_left()
        output = self.dialect.tool_output(*calls, turn=turn, calls_left=calls_left)
        if calls_left and not self._calls_left(len(output)):  # it is this very output that uses the tokens up
            calls_left = 0
            output = self.dialect.tool_output(*calls, turn=turn, calls_left=calls_left)
        return output, calls_left == 0

    def _calls_left(self, n_more: int = 0) -> int:
        return self.budget.calls_left(len(self.progress.token_ids) + n_more, len(self.progress.tool_calls))


def _begin(draw: Draw, resume: SampleProgress | None) -> SampleProgress:
    if resume is None:
        return SampleProgress.start(draw.prompt)
    if resume.token_ids[: len(draw.prompt)] != draw.prompt:
        raise ValueError(f"{draw.key}: the progress to resume belongs to another prompt")
    return resume.copy()


def _trace(draw: Draw, progress: SampleProgress, reason: str, dialect: Dialect, identity: ModelIdentity) -> Trace:
    parsed = dialect.parse(progress.token_ids, progress.mask)
    return Trace(
        problem_id=draw.key.problem_id,
        mode=draw.key.mode,
        tool=draw.key.tool,
        sample=draw.key.sample,
        task=draw.key.task,
        teacher=draw.key.teacher,
        attempt=draw.attempt,
        uid=uid_of(draw.key, progress.token_ids),
        token_ids=progress.token_ids,
        mask=progress.mask,
        messages=parsed.messages,
        answer=final_answer(parsed),
        finish_reason=reason,
        tool_calls=progress.tool_calls,
        n_prompt_tokens=len(draw.prompt),
        n_generated_tokens=progress.mask.count(Origin.GENERATED),
        n_tool_tokens=progress.mask.count(Origin.TOOL),
        n_regenerated_tokens=progress.n_regenerated_tokens,
        seconds=progress.seconds,
        seed=draw.seed,
        temperature=draw.sampling.temperature,
        top_p=draw.sampling.top_p,
        max_tokens=draw.sampling.max_tokens,
        engine=identity.engine,
        model=identity.name,
        model_revision=identity.revision,
        dialect=dialect.name,
        prompt_fingerprint=draw.prompt_fingerprint,
    )
