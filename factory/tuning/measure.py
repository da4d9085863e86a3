"""One candidate: an engine kept full by a run's own programs for some minutes, and what it did meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from scipy import stats

from factory.engines.admission import Admission
from factory.engines.connect import open_model
from factory.engines.protocol import Engine, EngineLoad
from factory.metrics import TOKENS_GENERATED, Metric
from factory.programs.effects import Effects, Resources
from factory.programs.solve import solve
from factory.recipe import Recipe, VllmSettings
from factory.records import Problem
from factory.sandbox.protocol import Sandbox
from factory.verify import Checker

SLICES = 10
"""Parts of the measured time; their spread gives the interval."""
LOOK_S = 1.0
FULL = 0.9
"""Measuring begins once this share of the engine's sequences is decoding, or the time to warm up is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What one setting gave. Rates are generated tokens per second and GPU (per replica if there are none)."""

    changes: dict[str, Any]
    gpus: float = 0.0
    rate: float = 0.0
    low: float = 0.0
    high: float = 0.0  # of the 95 % interval of `rate`, from slices of the measured time
    seconds: float = 0.0
    start_s: float = 0.0
    sequences: float = 0.0  # decoding on average
    kv_usage: float = 0.0  # the highest share of the cache that was held
    preemptions: int = 0
    prefix_hits: float = 0.0  # share of prompt tokens that were found in the cache
    failed: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class _Tokens:
    """A metrics sink that counts generated tokens by the second."""

    began: float = field(default_factory=time.monotonic)
    by_second: dict[int, float] = field(default_factory=dict)

    def record(self, metric: Metric, value: float, **_: str) -> None:
        if metric is TOKENS_GENERATED:
            second = int(time.monotonic() - self.began)
            self.by_second[second] = self.by_second.get(second, 0.0) + value

    def between(self, start: int, end: int) -> float:
        return sum(self.by_second.get(second, 0.0) for second in range(start, end))


class _Nowhere:
    """A journal that keeps nothing: what is drawn here is thrown away."""

    async def put(self, row: object) -> None:
        pass


async def measure(
    recipe: Recipe,
    problems: Sequence[Problem],
    pool: Engine,
    sandbox: Sandbox,
    *,
    warm_up_s: float,
    seconds: float,
) -> Measurement:
    """Run the recipe's programs over `problems`, again and again, against a pool of one replica, and count.

    `recipe.teacher.engine` is the candidate. The time until the engine is full does not count.
    """
    engine = recipe.teacher.engine
    assert isinstance(engine, VllmSettings)
    tokens = _Tokens()
    async with _programs(recipe, problems, pool, sandbox, tokens):
        loads = await _warm(pool, warm_up_s)
        before = loads[-1]
        start = int(time.monotonic() - tokens.began) + 1
        await asyncio.sleep(tokens.began + start - time.monotonic())
        loads = await _watch(pool, seconds)
        end = int(time.monotonic() - tokens.began)
    rate, half = _rate(tokens, start, end)
    share = engine.reserved_gpus or 1.0
    queries = loads[-1].prefix_queries - before.prefix_queries
    return Measurement(
        changes={},
        gpus=engine.reserved_gpus,
        rate=rate / share,
        low=max(0.0, rate - half) / share,
        high=(rate + half) / share,
        seconds=end - start,
        sequences=sum(load.running for load in loads) / len(loads),
        kv_usage=max(load.kv_usage for load in loads),
        preemptions=loads[-1].preemptions - before.preemptions,
        prefix_hits=(loads[-1].prefix_hits - before.prefix_hits) / queries if queries else 0.0,
    )


@asynccontextmanager
async def _programs(
    recipe: Recipe, problems: Sequence[Problem], pool: Engine, sandbox: Sandbox, tokens: _Tokens
) -> AsyncIterator[None]:
    """As many programs under way as the engine can use, for the length of a block."""
    verify = recipe.verify
    checker = Checker(
        workers=verify.workers, timeout_s=verify.timeout_s, memory_mb=verify.memory_mb, policy=verify.policy
    )
    model = open_model(recipe.teacher, pool=pool)
    resources = Resources(
        dict.fromkeys(recipe.roles, model), sandbox, checker.equal, _Nowhere(), recipe.journal.turn_tokens, tokens
    )
    admission = Admission(most=recipe.programs.problems_in_flight)
    endless = (replace(problem, id=f"{problem.id}#{n}") for n in itertools.count() for problem in problems)

    async def programs() -> None:
        async with asyncio.TaskGroup() as running:
            for problem in endless:
                entered = asyncio.Event()
                running.create_task(_program(problem, admission, entered, recipe, resources))
                await entered.wait()

    tasks = [asyncio.create_task(admission.watch(pool)), asyncio.create_task(programs())]
    try:
        yield
        if tasks[1].done():
            tasks[1].result()  # a program that raised: its error, not a rate
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await checker.close()


async def _program(
    problem: Problem, admission: Admission, entered: asyncio.Event, recipe: Recipe, resources: Resources
) -> None:
    async with admission.program():
        entered.set()
        await solve(problem, Effects(problem.id, resources), recipe.solve, recipe.verify)


async def _warm(pool: Engine, warm_up_s: float) -> list[EngineLoad]:
    loads, deadline = [await pool.load()], time.monotonic() + warm_up_s
    while time.monotonic() < deadline and loads[-1].running < FULL * max(loads[-1].capacity, 1):
        await asyncio.sleep(LOOK_S)
        loads.append(await pool.load())
    return loads


async def _watch(pool: Engine, seconds: float) -> list[EngineLoad]:
    loads, deadline = [], time.monotonic() + seconds
    while time.monotonic() < deadline:
        await asyncio.sleep(LOOK_S)
        loads.append(await pool.load())
    return loads


def _rate(tokens: _Tokens, start: int, end: int) -> tuple[float, float]:
    """Tokens a second, and half of its 95 % interval (Student's t over the slices)."""
    count = min(SLICES, end - start)
    edges = [start + (end - start) * n // count for n in range(count + 1)]
    rates = [tokens.between(a, b) / (b - a) for a, b in itertools.pairwise(edges)]
    mean = sum(rates) / count
    if count < 2:
        return mean, math.inf
    spread = math.sqrt(sum((r - mean) ** 2 for r in rates) / (count - 1))
    return mean, float(stats.t.ppf(0.975, count - 1)) * spread / math.sqrt(count)
