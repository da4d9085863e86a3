"""How fast answers are compared: our ladder against plain math-verify on the same pairs, workers, and the cache.

    python tests/bench/verify_speed.py [--pairs FILE.jsonl] [--repeat N] [--verdicts N] [--workers 1 2 ...]

FILE holds {"gold", "prediction"} rows; without it the labelled pairs of the tests are used. Both sides of the first
comparison run in this one process, interleaved, in CPU seconds, so that a busy machine slows them alike.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from factory.verify import Checker, equivalent
from factory.verify.equivalence import extracted
from factory.verify.evaluate import coordinate
from factory.verify.grammar.parser import parse
from factory.verify.normalise import clean
from factory.verify.points import _drawn, _shaped
from factory.verify.symbolic import _parse, warm_up
from tests.verify.cases import EQUAL, UNEQUAL

Pair = tuple[str, str]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pairs", type=Path)
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--verdicts", type=int, default=1_000_000)
    options.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    given = options.parse_args()
    pairs = read_pairs(given.pairs)
    print(f"{len(pairs)} pairs")
    against_math_verify(pairs, given.repeat)
    start_up()
    for workers in given.workers:
        asyncio.run(with_workers(pairs, workers))
    asyncio.run(with_repetition(pairs, given.verdicts))


def read_pairs(path: Path | None) -> list[Pair]:
    if path is not None:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [(row["gold"], row["prediction"]) for row in rows]
    return [pair for table in (EQUAL, UNEQUAL) for pairs in table.values() for pair in pairs]


def against_math_verify(pairs: list[Pair], repeat: int) -> None:
    """CPU time per pair of both, each pair first the one, then the other; our memories are emptied for every pass."""
    import math_verify

    for name in ("math_verify.parser", "math_verify.grader", "math_verify.utils"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warm_up()
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(repeat):
        for cached in (clean, parse, extracted, coordinate, _shaped, _drawn, _parse):
            cached.cache_clear()
        for gold, prediction in pairs:
            ours.append(cpu_of(lambda g=gold, p=prediction: equivalent(g, p)))
            theirs.append(cpu_of(lambda g=gold, p=prediction: plain(math_verify, g, p)))
    report("ours, no cache", ours)
    report("plain math-verify", theirs)
    print(f"ratio of pairs/s, ours over math-verify: {sum(theirs) / sum(ours):.2f}")


def plain(library, gold: str, prediction: str) -> bool:  # type: ignore[no-untyped-def]
    try:
        parsed = [library.parse(side, parsing_timeout=None) for side in (gold, prediction)]
        return bool(library.verify(*parsed, timeout_seconds=None))
    except Exception:
        return False


def cpu_of(action) -> float:  # type: ignore[no-untyped-def]
    started = time.process_time()
    action()
    return time.process_time() - started


def report(name: str, seconds: list[float]) -> None:
    cuts = statistics.quantiles(seconds, n=100)
    print(
        f"{name:>20}: {len(seconds) / sum(seconds):8.0f} pairs/s  "
        f"p50 {cuts[49] * 1e3:.2f} ms  p99 {cuts[98] * 1e3:.1f} ms  max {max(seconds) * 1e3:.0f} ms"
    )


def start_up() -> None:
    """CPU seconds of a bare worker until it reads pairs, and of the import of sympy that it puts off."""
    for name, code in (
        ("worker start-up", "import factory.verify.worker"),
        ("with sympy", "import factory.verify.worker, factory.verify.symbolic as s; s.warm_up()"),
    ):
        times = "import os; t = os.times(); print(t.user + t.system)"
        outcome = subprocess.run([sys.executable, "-c", f"{code}\n{times}"], capture_output=True, text=True, check=True)
        print(f"{name:>20}: {outcome.stdout.strip()} s of CPU")


async def with_workers(pairs: list[Pair], workers: int) -> None:
    """Wall time over the pool, cache off, so that the workers do all of it."""
    async with Checker(workers=workers, timeout_s=30, cache_size=0) as checker:
        await checker.warm_up()
        await checker.equal("\\int_0^1 x\\,dx", "\\lim_{x\\to 0} x")  # sympy in one worker at least
        started = time.perf_counter()
        await asyncio.gather(*(checker.equal(*pair) for pair in pairs))
        seconds = time.perf_counter() - started
    print(f"{workers:>13} workers: {len(pairs) / seconds:8.0f} pairs/s of wall time, no cache")


async def with_repetition(pairs: list[Pair], verdicts: int) -> None:
    """Sixteen samples a problem, few distinct answers: four in five samples repeat one of the first two answers."""
    draw = random.Random(0)
    problems = [(gold, [prediction, gold.replace(" ", ""), draw.choice(pairs)[1]]) for gold, prediction in pairs]
    async with Checker(workers=1, timeout_s=30) as checker:
        await checker.warm_up()
        started, cpu_started = time.perf_counter(), time.process_time()
        for _ in range(verdicts // 16):
            gold, answers = draw.choice(problems)
            for _ in range(16):
                await checker.equal(gold, draw.choices(answers, (5, 3, 2))[0])
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
        stats = checker.stats
    print(
        f"{stats.pairs} verdicts with repetition: {stats.pairs / seconds:.0f} pairs/s of wall time, "
        f"{stats.pairs / cpu:.0f} of the caller's CPU time; {stats.cached} from the cache, {stats.at_sight} at sight"
    )


if __name__ == "__main__":
    main()
