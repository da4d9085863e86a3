"""A pool of vLLM replicas in miniature: slots, a KV cache with preemption, prefills, prefixes, and traces that call
tools.

Admission, router and gate in it are the real ones. Time goes in steps of half a second; what is modelled of an
engine is what decides where requests should go and how many there should be: sequences decode at a speed of their
replica's, a full cache evicts the youngest and computes it again, prefills take time from decoding, and a prefix is
kept while there is room.
"""

from __future__ import annotations

import hashlib
import random
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from factory.engines.admission import Admission
from factory.engines.protocol import EngineLoad
from factory.engines.routing import PoolLoads

STEP_S = 0.5
OBSERVE_S = 2.0


@dataclass(eq=False, slots=True)
class Trace:
    """One sample of one program: turns of so many tokens, with a tool call after each but the last."""

    name: str
    worker: int
    turns: list[int]
    context: int = 200  # tokens so far, the prompt's included
    left: float = 0.0  # tokens of the turn under way that are still to be decoded
    prefill: float = 0.0  # tokens to be computed before decoding continues
    since: float = 0.0  # when its tool began


@dataclass(eq=False)
class Replica:
    name: str
    slots: int
    tokens_per_s: float  # of one sequence
    kv_tokens: float
    prefill_per_s: float  # tokens, of a replica that does nothing else
    gate: float  # share of the cache below which a request is let in
    running: list[Trace] = field(default_factory=list)
    waiting: deque[Trace] = field(default_factory=deque)
    cached: OrderedDict[str, int] = field(default_factory=OrderedDict)  # prefixes of traces that are elsewhere now
    preemptions: int = 0
    decoded: float = 0.0
    prefilled: float = 0.0

    @property
    def held(self) -> int:
        return sum(trace.context for trace in self.running)

    def load(self) -> EngineLoad:
        return EngineLoad(running=len(self.running), waiting=len(self.waiting), capacity=self.slots)

    def arrive(self, trace: Trace) -> bool:
        """Take a request; whether its prefix is here."""
        hit = self.cached.pop(trace.name, 0)
        trace.prefill = trace.context - hit
        self.waiting.append(trace)
        return hit > 0

    def step(self) -> list[Trace]:
        """Half a second; the traces whose turn is done."""
        self._let_in()
        budget = self.prefill_per_s * STEP_S
        for trace in self.running:
            done = min(trace.prefill, budget)
            trace.prefill -= done
            budget -= done
            self.prefilled += done
        share = budget / (self.prefill_per_s * STEP_S)
        finished = []
        for trace in [t for t in self.running if not t.prefill]:
            tokens = min(share * self.tokens_per_s * STEP_S, trace.left)
            trace.left -= tokens
            trace.context += round(tokens)
            self.decoded += tokens
            if trace.left <= 0.5:
                self.running.remove(trace)
                self.cached[trace.name] = trace.context
                finished.append(trace)
        while self.held > self.kv_tokens and len(self.running) > 1:
            youngest = self.running.pop()
            youngest.prefill = youngest.context
            self.waiting.appendleft(youngest)
            self.preemptions += 1
        while self.cached and self.held + sum(self.cached.values()) > self.kv_tokens:
            self.cached.popitem(last=False)
        return finished

    def _let_in(self) -> None:
        held = self.held
        while self.waiting and len(self.running) < self.slots:
            trace = self.waiting[0]
            if self.running and held + trace.context >= self.gate * self.kv_tokens:
                break
            held += trace.context
            self.running.append(self.waiting.popleft())


class PoolWorld:
    """Workers whose programs feed the pool; `hashed` sends by the ring alone, as before there was a bound."""

    def __init__(
        self,
        speeds: list[float],
        *,
        slots: int = 32,
        kv_tokens: float = float("inf"),
        prefill_per_s: float = 20_000.0,
        gate: float = 0.9,
        hashed: bool = False,
        workers: int = 4,
        turn_tokens: float = 1500.0,
        turns: int = 4,
        tool_s: float = 5.0,
        seed: int = 0,
    ) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self.replicas = [
            Replica(f"r{i}", slots, speed, kv_tokens, prefill_per_s, gate) for i, speed in enumerate(speeds)
        ]
        self.turn_tokens, self.turns, self.tool_s, self.hashed = turn_tokens, turns, tool_s, hashed
        self.admissions = [Admission(most=100_000, clock=lambda: self.now) for _ in range(workers)]
        self.loads = [PoolLoads(lambda: self.now) for _ in range(workers)]
        self.seen = {replica.name: replica.load() for replica in self.replicas}  # as of the last observation
        self.tools: list[Trace] = []
        self.born = self.hits = self.later_turns = self.finished = 0

    def run(self, seconds: float) -> float:
        """Tokens decoded a second, over these seconds."""
        before, end = sum(r.decoded for r in self.replicas), self.now + seconds
        while self.now < end:
            self._step()
        return (sum(r.decoded for r in self.replicas) - before) / seconds

    @property
    def possible(self) -> float:
        """Tokens a second with every slot decoding."""
        return sum(r.slots * r.tokens_per_s for r in self.replicas)

    @property
    def preemptions(self) -> int:
        return sum(r.preemptions for r in self.replicas)

    @property
    def prefix_hits(self) -> float:
        """Share of a trace's later turns that found their prefix."""
        return self.hits / max(self.later_turns, 1)

    def _step(self) -> None:
        self.now += STEP_S
        for worker, admission in enumerate(self.admissions):
            while admission.in_flight < admission.target:
                admission.in_flight += 1
                self._send(self._new(worker))
        back = [t for t in self.tools if self.now - t.since >= self.tool_s]
        self.tools = [t for t in self.tools if self.now - t.since < self.tool_s]
        for trace in back:
            self._send(trace, later=True)
        for replica in self.replicas:
            for trace in replica.step():
                self._turn_done(trace)
        if self.now % OBSERVE_S < STEP_S:
            self._observe()

    def _observe(self) -> None:
        loads = [replica.load() for replica in self.replicas]
        total = EngineLoad(
            running=sum(load.running for load in loads),
            waiting=sum(load.waiting for load in loads),
            capacity=sum(load.capacity for load in loads),
        )
        for worker, admission in enumerate(self.admissions):
            admission.observe(total, in_tools=sum(t.worker == worker for t in self.tools))
            for replica, load in zip(self.replicas, loads, strict=True):
                self.seen[replica.name] = load
                self.loads[worker].report(f"w{worker}", replica.name, load)

    def _new(self, worker: int) -> Trace:
        self.born += 1
        turns = [max(1, round(self.random.lognormvariate(-0.18, 0.6) * self.turn_tokens)) for _ in range(self.turns)]
        return Trace(f"t{self.born}", worker, turns)

    def _send(self, trace: Trace, later: bool = False) -> None:
        trace.left = trace.turns.pop(0)
        ring = self._ring(trace.name)
        by_name = {replica.name: replica for replica in ring}
        names = list(by_name)
        chosen = names[0] if self.hashed else self.loads[trace.worker].rank(trace.name, names)[0]
        hit = by_name[chosen].arrive(trace)
        self.loads[trace.worker].report(trace.name, chosen, self.seen[chosen])
        self.later_turns += later
        self.hits += later and hit

    def _ring(self, name: str) -> list[Replica]:
        """Each trace's own order of the replicas: what walking a ring of many virtual nodes comes to."""
        return sorted(self.replicas, key=lambda r: hashlib.blake2b(f"{name}{r.name}".encode(), digest_size=8).digest())

    def _turn_done(self, trace: Trace) -> None:
        if trace.turns:
            trace.since = self.now
            self.tools.append(trace)
        else:
            self.admissions[trace.worker].in_flight -= 1
            self.finished += 1
