"""What a rollout costs in CPU beside the bare token stream: seconds per 1,000 tokens at several chunk sizes.

Run by hand: `python tests/bench/rollout_cost.py`. The engine is scripted, so nothing but the program is measured; the
repetition detector alone and the reading back of a finished trace are given apart.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from factory.dialects.harmony import Harmony
from factory.dialects.harmony_message import CONTROL_TOKENS
from factory.dialects.tokenizer import ByteTokenizer
from factory.engines.protocol import SamplingParams
from factory.engines.scripted import ScriptedEngine
from factory.programs.repetition import Repetition
from factory.programs.rollout import Draw, rollout
from factory.recipe import Sampling
from factory.records import Mode, SampleKey

N_TOKENS = 100_000
HARMONY = Harmony(ByteTokenizer(CONTROL_TOKENS))
NOISE = random.Random(0)
TOKENS = [NOISE.randrange(32, 127) for _ in range(N_TOKENS - 1)] + [HARMONY.tokens.return_]


def cpu(work: Callable[[], Any]) -> float:
    """CPU seconds of `work` per 1,000 tokens, best of three."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times) / N_TOKENS * 1000


async def drain(engine: ScriptedEngine, prompt: list[int]) -> None:
    sampling = SamplingParams(max_tokens=N_TOKENS, stop_token_ids=HARMONY.stop_token_ids)
    async with aclosing(engine.generate(prompt, sampling)) as chunks:
        async for _ in chunks:
            pass


def main() -> None:
    key = SampleKey(problem_id="p", mode=Mode.HIGH, tool=False, sample=0)
    prompt = HARMONY.prompt("q", mode=Mode.HIGH, tool=False)
    order = Draw(key=key, prompt=prompt, sampling=Sampling(max_tokens=N_TOKENS))
    print(f"one trace of {N_TOKENS} tokens; milliseconds of CPU per 1,000 tokens")
    print(f"{'chunk':>6} {'stream':>8} {'rollout':>8} {'added':>8}")
    for size in (1, 16, 64, 256):
        engine = ScriptedEngine(lambda *_: TOKENS, chunk_tokens=size, max_model_len=2 * N_TOKENS)
        stream = cpu(lambda engine=engine: asyncio.run(drain(engine, prompt)))
        whole = cpu(lambda engine=engine: asyncio.run(rollout(order, engine=engine, dialect=HARMONY)))
        print(f"{size:>6} {1e3 * stream:>8.2f} {1e3 * whole:>8.2f} {1e3 * (whole - stream):>8.2f}")
    print(f"repetition detector alone: {1e3 * cpu(lambda: Repetition(1024).feed(TOKENS)):.2f}")
    print(f"reading the trace back:    {1e3 * cpu(lambda: HARMONY.parse(prompt + TOKENS)):.2f}")


if __name__ == "__main__":
    main()
