"""A small run in storage with something in every section of its page; no engine takes part."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

from factory import ingest
from factory.arrow import to_dict
from factory.recipe import Decontaminate, Prices, Recipe
from factory.records import Message, Mode, Neighbour, Problem, Reject, ToolCall, Trace, Verdict
from factory.store.run import Run
from factory.store.usage import ClusterSnapshot, Meter
from tests.store.rows import problem, trace, verdict
from tests.store.test_run import recipe as plain_recipe

PROBLEMS, EASY, COPIES = 40, 6, 4
BENCHMARKS = {"contest": "How many primes lie below 50?", "stories": "Nadia buys 14 notebooks. What do they cost?"}
SIGNALS = {
    "ngram_forward": 0.3, "ngram_backward": 0.2, "numbers_forward": 0.5, "numbers_backward": 0.5, "names": 0.5,
    "chars_forward": 0.4, "chars_backward": 0.4, "equal": 0.0, "same_language": 1.0, "has_numbers": 1.0,
    "formula_changes": 1.0, "meaning_changes": 1.0,
}  # fmt: skip


def recipe(**changes: object) -> Recipe:
    return plain_recipe(decontaminate=Decontaminate(benchmarks=("contest.jsonl", "stories.jsonl")), **changes)


def a_run(place: Path | str, *, finished: bool = True) -> Run:
    """Of 40 problems four are copies of a benchmark's, six are too easy, one is unfinished unless `finished`."""
    run = Run.open(str(place), recipe())
    chance = random.Random(7)
    problems = [_compared(f"p{n:02}", chance, copy=n < COPIES) for n in range(PROBLEMS)]
    refused = Reject(id="bad", kind="problem", stage="read", reason="no_text", detail="line 3 of problems.jsonl")
    parts = [ingest.write_part(run.store, 0, 0, list(problems)), ingest.write_part(run.store, 0, 1, [refused])]
    ingest.finish(run.store, parts)
    _benchmarks(run)
    _usage(run)
    writer = run.writer("solve-w1", recipe().journal)
    for number, each in enumerate(problems):
        for row in _rows(each, number, chance, finished):
            writer.append(row)
    writer.close()
    return run


def _rows(each: Problem, number: int, chance: random.Random, finished: bool) -> list[Trace | Verdict | Reject]:
    if number < COPIES:
        return [_reject(each, "decontaminate", "contaminated", "contest/0: identical after normalisation")]
    traces = [
        _trace(each.id, mode, tool, sample, chance) for mode in Mode for tool in (True, False) for sample in range(4)
    ]
    if number < COPIES + EASY:
        return [*traces, _reject(each, "solve", "too_easy", "low-mode pass rate 1 over 8 samples")]
    if number == PROBLEMS - 1 and not finished:
        return [*traces]
    return [*traces, verdict(each, traces)]


def _trace(name: str, mode: Mode, tool: bool, sample: int, chance: random.Random) -> Trace:
    scale = {Mode.HIGH: 600, Mode.MEDIUM: 220, Mode.LOW: 60}[mode]
    answer = "7" if chance.random() < {Mode.HIGH: 0.9, Mode.MEDIUM: 0.7, Mode.LOW: 0.35}[mode] + 0.1 * tool else "8"
    made = trace(name, mode, tool, sample, answer=answer, n_tokens=10 + round(chance.lognormvariate(0, 0.5) * scale))
    calls = [
        ToolCall(code="print(7)", status="ok" if chance.random() < 0.9 else "error", seconds=chance.expovariate(20))
        for _ in range(chance.randrange(4) if tool else 0)
    ]
    said = [*made.messages, Message(role="assistant", content="<script>alert(1)</script> & so on")]
    return dataclasses.replace(made, tool_calls=calls, messages=said)


def _compared(name: str, chance: random.Random, *, copy: bool) -> Problem:
    cosine = 0.97 if copy else chance.uniform(0.1, 0.8)
    nearest = [
        Neighbour(
            benchmark=benchmark,
            id="0",
            cosine=max(cosine - 0.2 * place, 0.0),
            verdict="contaminated" if copy and not place else "clean",
            signals={**SIGNALS, "cosine": cosine, "equal": float(copy and not place), "score": cosine**2},
        )
        for place, benchmark in enumerate(BENCHMARKS)
    ]
    return dataclasses.replace(problem(name), neighbours=nearest)


def _reject(of: Problem, stage: str, reason: str, detail: str) -> Reject:
    return Reject(id=of.id, kind="problem", stage=stage, reason=reason, detail=detail, row=json.dumps(to_dict(of)))


def _benchmarks(run: Run) -> None:
    rows = [{"text": text, "places": [{"benchmark": name, "id": "0"}]} for name, text in BENCHMARKS.items()]
    run.store.write("benchmarks/problems.jsonl", "\n".join(map(json.dumps, rows)).encode())


def _usage(run: Run) -> None:
    held = ClusterSnapshot(
        cluster={"GPU": 8.0, "CPU": 32.0, "nodes": 3.0}, gpus={"teacher": 8.0}, replicas={"teacher": 1.0}
    )
    prices = Prices(gpu_hour=2.0).model_dump(exclude_none=True)
    with Meter(run.store, lambda: held, prices=prices, engine_time=lambda: {"busy": 70.0, "tools": 30.0}).running():
        pass
