"""The real context of one problem: models, sandbox and checker behind protocols, and the journal behind all of them.

Each effect has a deterministic key. What the journal already holds under it is the answer; anything else is done once
and handed to the journal before the program sees it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from factory.engines.connect import Model
from factory.engines.failover import Failover
from factory.engines.metered import MeteredEngine
from factory.metrics import SAMPLE_TOKENS, SAMPLES, SILENT, TOKENS_TOOL, Sink
from factory.programs import call_budget
from factory.programs.asking import answer
from factory.programs.context import SamplingPlan
from factory.programs.rollout import Draw, SampleProgress, rollout
from factory.prompts.loader import prompt as prompt_file
from factory.recipe import Role
from factory.records import FinishedTurn, Mode, ModelReply, Problem, SampleKey, Trace, tool_name
from factory.sandbox.protocol import Sandbox
from factory.verify import Equivalence


class Journal(Protocol):
    """Takes finished effects. `put` returns once a row is buffered, before it is in storage; readers drop repeats."""

    async def put(self, row: Trace | FinishedTurn | ModelReply) -> object: ...


@dataclass(frozen=True, slots=True)
class JournaledWork:
    """What earlier attempts at this row left in the journal."""

    traces: Mapping[str, Trace] = field(default_factory=dict)  # by str(SampleKey)
    turns: Mapping[str, list[FinishedTurn]] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resources:
    """What all rows of a worker share."""

    models: Mapping[Role, Model]
    sandbox: Sandbox | None
    equal: Callable[[str, str], Awaitable[Equivalence]]
    journal: Journal
    turn_tokens: int = 4096
    """Turns of a sample under way are journaled once they add up to this many tokens."""
    metrics: Sink = SILENT


class Effects:
    """The `Context` of one row; `owner` is the row's id, under which its questions are journaled."""

    def __init__(self, owner: str, resources: Resources, recorded: JournaledWork | None = None) -> None:
        self._owner, self._resources, self._recorded = owner, resources, recorded or JournaledWork()

    async def samples(self, problem: Problem, mode: Mode, settings: SamplingPlan) -> AsyncGenerator[Trace, None]:
        keys = _keys(problem, mode, settings)
        drawing = [asyncio.create_task(self._draw(problem, key, settings)) for key in keys]
        try:
            for next_finished in asyncio.as_completed(drawing):
                yield await next_finished
        finally:
            for task in drawing:
                task.cancel()
            await asyncio.gather(*drawing, return_exceptions=True)

    async def sample(self, problem: Problem, mode: Mode, settings: SamplingPlan) -> list[Trace]:
        traces = [trace async for trace in self.samples(problem, mode, settings)]
        return sorted(traces, key=lambda trace: (not trace.tool, trace.sample))

    async def ask(self, role: Role, prompt: str, variables: Mapping[str, str]) -> str:
        file = prompt_file(prompt)
        text = file.render(variables)
        key = f"{role}/{prompt}/{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"
        if key in self._recorded.asked:
            return self._recorded.asked[key]
        resources = self._resources
        said = await answer(resources.models[role], text, role=role, affinity=self._owner, sink=resources.metrics)
        await resources.journal.put(ModelReply(owner=self._owner, key=key, text=said))
        return said

    async def equal(self, gold: str, prediction: str | None) -> Equivalence:
        if prediction is None:
            return Equivalence(False, "no_answer")
        return await self._resources.equal(gold, prediction)

    async def _draw(self, problem: Problem, key: SampleKey, settings: SamplingPlan) -> Trace:
        if (finished := self._recorded.traces.get(str(key))) is not None:
            return finished
        teacher, sampling = self._resources.models[settings.role], settings.sampling
        file, seed = prompt_file(sampling.prompt), seed_of(settings.seed, key)
        draw = Draw(
            key=key,
            prompt=teacher.dialect.prompt(
                file.render({"problem": problem.text}),
                mode=key.mode,
                tool=key.tool,
                system=call_budget.told(sampling, seed, tool=key.tool),
            ),
            sampling=sampling,
            seed=seed,
            prompt_fingerprint=file.fingerprint,
        )
        turns = _Turns(key, self._resources, self._recorded.turns.get(str(key), []))
        tags = {"mode": key.mode.value, "tool": tool_name(key.tool)}
        trace = await rollout(
            draw,
            engine=MeteredEngine(teacher.engine, self._resources.metrics, role=settings.role, **tags),
            dialect=teacher.dialect,
            sandbox=self._resources.sandbox if key.tool else None,
            resume=turns.progress,
            on_turn=turns.journal,
            failover=partial(Failover, silence_s=teacher.silence_s),
        )
        record = self._resources.metrics.record
        record(SAMPLES, 1, **tags, finish_reason=trace.finish_reason)
        record(SAMPLE_TOKENS, trace.n_generated_tokens, **tags)
        record(TOKENS_TOOL, trace.n_tool_tokens, mode=key.mode.value)
        await self._resources.journal.put(trace)
        return trace


def _keys(problem: Problem, mode: Mode, settings: SamplingPlan) -> list[SampleKey]:
    return [
        SampleKey(problem_id=problem.id, mode=mode, tool=tool, sample=number, task=settings.task, teacher=settings.role)
        for tool in sorted(settings.tools, reverse=True)
        for number in range(settings.samples)
    ]


class _Turns:
    """Journals the turns of one long sample, several in one row until they hold enough tokens to be worth a row."""

    def __init__(self, key: SampleKey, resources: Resources, recorded: list[FinishedTurn]) -> None:
        self._key, self._resources = key, resources
        self._turn = len(recorded)
        self.progress = _replay(recorded)
        self._saved = (len(self.progress.token_ids), len(self.progress.tool_calls)) if self.progress else (0, 0)

    async def journal(self, progress: SampleProgress) -> None:
        n_tokens, n_calls = self._saved
        if len(progress.token_ids) - n_tokens < self._resources.turn_tokens:
            return
        self._saved = len(progress.token_ids), len(progress.tool_calls)
        row = FinishedTurn(
            problem_id=self._key.problem_id,
            mode=self._key.mode,
            tool=self._key.tool,
            sample=self._key.sample,
            task=self._key.task,
            teacher=self._key.teacher,
            turn=self._turn,
            token_ids=progress.token_ids[n_tokens:],
            mask=progress.mask[n_tokens:],
            tool_calls=progress.tool_calls[n_calls:],
            n_regenerated_tokens=progress.n_regenerated_tokens,
            seconds=progress.seconds,
        )
        self._turn += 1
        await self._resources.journal.put(row)


def _replay(turns: list[FinishedTurn]) -> SampleProgress | None:
    """The safe point that journaled turns add up to; a turn that is missing ends it."""
    known = [turn for position, turn in enumerate(turns) if turn.turn == position]
    if not known:
        return None
    return SampleProgress(
        token_ids=[token for turn in known for token in turn.token_ids],
        mask=[origin for turn in known for origin in turn.mask],
        tool_calls=[call for turn in known for call in turn.tool_calls],
        n_regenerated_tokens=known[-1].n_regenerated_tokens,
        seconds=known[-1].seconds,
    )


def seed_of(base: int, key: SampleKey) -> int:
    """The seed of one sample: 31 bits that depend on the run's seed and the sample's key alone."""
    return int.from_bytes(hashlib.blake2b(f"{base}/{key}".encode(), digest_size=4).digest(), "big") >> 1
