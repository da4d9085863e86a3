"""What `scale.py` puts in the place of GPUs: an engine and a sandbox that cost next to no CPU, and problems for them.

Lengths by mode, shares of right answers and of too-easy problems are the likely ones of `factory/planning/figures.py`,
which names their sources in the Nemotron-Math papers; lengths are shrunk by a factor, and time with them. What the
engine says is valid harmony: a thought, Python calls, a boxed answer. Everything follows from the sample's key, so two
runs say the same.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from factory.cluster.metrics_sink import RaySink
from factory.dialects.harmony import Harmony
from factory.dialects.tokenizer import HfTokenizer, encode_markup
from factory.engines.connect import Model
from factory.engines.protocol import Chunk, EngineLoad, EngineUnavailable, ModelIdentity, SamplingParams
from factory.planning.figures import PlanFigures
from factory.recipe import Recipe
from factory.records import Mode, ToolCall
from factory.sandbox.protocol import Session
from factory.stages.services import Services
from factory.store.run import Run

FIGURES = PlanFigures()
SPREAD = 0.8  # sigma of the lengths' logarithm: 88 % of all samples below 16K tokens at full length, as in the release
CALLS = 2.0  # Python calls of a sample with the tool, on average; ours
EXPRESSIONS = 0.3  # share of problems whose answer is no whole number, so that pairs reach the checker's rules; ours
CODE = "from sympy import *\nx = symbols('x')\nprint(solve(x**2 - 5*x + 6, x))"
CHUNK_TOKENS = 64
SAMPLES_PER_PROBLEM = 48 - 16 * FIGURES.too_easy.likely  # a too-easy problem leaves before medium is drawn


@dataclass(frozen=True)
class Simulation:
    """How much is simulated, and how fast."""

    length: float  # of samples, as a share of the real
    tokens_per_s: float  # of one sequence
    capacity: int  # sequences of one worker's engine
    failures: float  # share of requests whose engine goes away

    def expected_tokens(self) -> float:
        """Mean generated tokens of a sample of a problem that stays, all six regimes alike."""
        return self.length * sum(FIGURES.tokens.of(mode, tool).likely for mode in Mode for tool in (True, False)) / 6


class Problem:
    """Problem number `index`: how hard it is, and what is answered to it."""

    def __init__(self, index: int) -> None:
        dice = random.Random(index)
        self.easy = dice.random() < FIGURES.too_easy.likely
        p, q = dice.randrange(2, 9999), dice.choice((3, 4, 7, 8, 9, 11))
        if dice.random() < EXPRESSIONS:
            self.answer, self.spellings = rf"\frac{{{p}}}{{{q}}}", (rf"\dfrac{{{p}}}{{{q}}}", f"{p}/{q}")
            self.wrong = [rf"\frac{{{p + k}}}{{{q}}}" for k in (1, 2, 5)]
        else:
            self.answer, self.spellings = str(p), (str(p),)
            self.wrong = [str(p + k) for k in (1, 2, 5)]

    def passes(self, mode: Mode, tool: bool) -> float:
        return 0.95 if self.easy else FIGURES.accepted.of(mode, tool).likely


def write_problems(path: Path, count: int) -> None:
    """A table of `count` problems, each with its right answer."""
    with path.open("w") as file:
        for index in range(count):
            row = {"id": f"s-{index:08d}", "problem": f"Problem {index}: find x.", "answer": Problem(index).answer}
            file.write(json.dumps({**row, "source": "simulated", "license": "CC BY-SA 4.0"}) + "\n")


@dataclass(frozen=True, slots=True)
class Sample:
    """What one sample says, turn by turn, apart from the words of its thoughts."""

    n_tokens: int
    n_calls: int
    answer: str
    offset: int
    fails: float


class SimulatedEngine:
    """An `Engine` that knows from a request's name what is asked, and from its prompt how many turns were said."""

    def __init__(self, simulation: Simulation, dialect: Harmony) -> None:
        self._simulation, self._dialect = simulation, dialect
        self._slots = asyncio.Semaphore(simulation.capacity)
        self._running = self._waiting = 0
        self._broken: dict[str, int] = {}  # requests whose stream broke: how much of the turn was said
        tokenizer = dialect.tokenizer
        dice = random.Random(0)
        plain = [i for i in range(256, len(tokenizer._tokenizer.get_vocab())) if i not in tokenizer.control.values()]
        # words as frequent as in text (Zipf), so that storage compresses them as it would text
        weights = [1 / (rank + 3) for rank in range(len(plain))]
        self._words = dice.choices(plain, weights, k=1 << 16) * 2
        self._finals: dict[str, list[int]] = {}
        self._thought = encode_markup(tokenizer, "<|channel|>analysis<|message|>")
        header = "<|start|>assistant<|channel|>analysis to=python code<|message|>"
        self._call = encode_markup(tokenizer, f"{header}{CODE}<|call|>")
        self._end = encode_markup(tokenizer, "<|end|>")

    @cached_property
    def _identity(self) -> ModelIdentity:
        return ModelIdentity(name="simulated", revision="0", max_model_len=131_072, engine="simulated")

    async def identity(self) -> ModelIdentity:
        return self._identity

    async def generate(
        self, prompt_token_ids: list[int], sampling: SamplingParams, *, affinity: str = ""
    ) -> AsyncGenerator[Chunk, None]:
        problem_id, mode, tool, number = affinity.split("/")
        sample = draw(problem_id, Mode(mode), tool == "python", int(number), self._simulation)
        tokens = self._turn(sample, prompt_token_ids.count(self._dialect.tokens.call))
        said = self._broken.pop(affinity, None)
        dies_at = len(tokens) // 2 if said is None and sample.fails < self._simulation.failures else len(tokens)
        self._waiting += 1
        await self._slots.acquire()
        self._waiting -= 1
        self._running += 1
        try:
            for start in range(said or 0, len(tokens), CHUNK_TOKENS):
                chunk = tokens[start : start + CHUNK_TOKENS]
                await asyncio.sleep(len(chunk) / self._simulation.tokens_per_s)
                if dies_at < start + len(chunk):
                    self._broken[affinity] = start
                    raise EngineUnavailable("simulated preemption", lost_tokens=len(chunk))
                yield Chunk(chunk, "stop" if start + CHUNK_TOKENS >= len(tokens) else None)
        finally:
            self._running -= 1
            self._slots.release()

    async def load(self) -> EngineLoad:
        return EngineLoad(running=self._running, waiting=self._waiting, capacity=self._simulation.capacity)

    async def close(self) -> None:
        pass

    def _turn(self, sample: Sample, n_calls_said: int) -> list[int]:
        share = sample.n_tokens // (sample.n_calls + 1)
        offset = (sample.offset + n_calls_said * share) % (1 << 16)
        words = self._words[offset : offset + share] if share < 1 << 16 else self._words[:share]
        ending = self._call if n_calls_said < sample.n_calls else self._final(sample.answer)
        return self._thought + words + self._end + ending

    def _final(self, answer: str) -> list[int]:
        if answer not in self._finals:
            if len(self._finals) > 10_000:
                self._finals.clear()
            text = f"<|start|>assistant<|channel|>final<|message|>The answer is \\boxed{{{answer}}}.<|return|>"
            self._finals[answer] = encode_markup(self._dialect.tokenizer, text)
        return self._finals[answer]


@lru_cache(maxsize=4096)
def problem(problem_id: str) -> Problem:
    return Problem(int(problem_id.removeprefix("s-")))


def draw(problem_id: str, mode: Mode, tool: bool, number: int, simulation: Simulation) -> Sample:
    """The sample at a key: the same whoever asks."""
    dice = random.Random(f"{problem_id}{mode}{tool}{number}")
    about = problem(problem_id)
    mean = FIGURES.tokens.of(mode, tool).likely * (FIGURES.easy_length.likely if about.easy else 1.0)
    length = mean * math.exp(dice.gauss(-SPREAD * SPREAD / 2, SPREAD)) * simulation.length
    right = dice.random() < about.passes(mode, tool)
    answer = dice.choice(about.spellings) if right else dice.choice(about.wrong)
    n_calls = min(int(dice.expovariate(1 / (CALLS + 0.5))), 8) if tool else 0
    return Sample(max(8, min(round(length), 100_000)), n_calls, answer, dice.randrange(1 << 16), dice.random())


class SimulatedSandbox:
    """A sandbox whose every cell answers the same after the time that real ones take, shrunk like the engine's."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def open(self, *, seed: int = 0, trace: str = "") -> Session:
        return _Session(self.seconds)

    async def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class _Session:
    seconds: float

    async def run(self, code: str, timeout_s: float | None = None) -> ToolCall:
        await asyncio.sleep(self.seconds)
        return ToolCall(code=code, status="ok", stdout="[2, 3]\n", seconds=self.seconds)

    async def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Connector:
    """Stands in for `services.Connector`: everything in it is real but the engine and the sandbox."""

    simulation: Simulation
    model: str
    ledger: Any
    fingerprint: str
    pools: Mapping[str, Any] = field(default_factory=dict)

    async def __call__(self) -> Services:
        engine_dialect = Harmony(HfTokenizer(self.model))
        models = {"teacher": Model(SimulatedEngine(self.simulation, engine_dialect), engine_dialect)}
        sandbox = SimulatedSandbox(FIGURES.tool_seconds.likely / CALLS * self.simulation.length)
        ledger = self.ledger
        return Services(models, sandbox, ledger.begin.remote, ledger.recorded.remote, RaySink(self.fingerprint))


def running(simulation: Simulation) -> Callable[..., Any]:
    """What takes the place of `services.running`."""

    @contextmanager
    def simulated(recipe: Recipe, run: Run, ledger: Any, *_: Any) -> Iterator[Connector]:
        yield Connector(simulation, recipe.teacher.model, ledger, run.fingerprint)

    return simulated
