"""Tokens per second of the factory's rollouts, beside raw vLLM and beside the usual ways to run tool loops.

    python tests/bench/rollout_speed.py [--model DIR] [--traces 256] [--seqs 64] [--tokens 768] [--parts raw,factory]

Each part runs in a process of its own with one engine of the same settings, the same prompts, lengths and seeds. The
parts run one after the other, and all of them again, as the speed of a shared machine drifts; of each figure the best
counts. The model's end token is taken away, so that every part says the same number of tokens. A turn costs a request
and the part of a cache block that is computed again, whatever its length: `--tokens` far below those of real traces
(thousands) show that cost, not the loop's. Parts:

    raw         vllm.LLM.generate, engine core in a process of its own as AsyncLLM has it (the reference)
    raw_inproc  the same in one process (VLLM_ENABLE_V1_MULTIPROCESSING=0)
    factory     rollouts over `VllmEngine`: without tools, with three calls of 0.3 s, and in lockstep
    cells       rollouts over `VllmEngine`, without tools and with three real Python cells each in the sandbox pool, on
                this machine: what engine and sessions take from each other
    ray_data    a Ray Data `map_batches` actor around LLM.generate, batches of 64, without tools
    stream      CPU seconds of program and replica per 1,000 tokens over Ray Serve, at chunks of 16, 64 and 256 tokens
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

TURNS = 4  # three calls and a conclusion
TOOL_S = 0.3
OUTPUT = [5] * 20  # tokens that show a result
CELL = "from sympy import *\nx = symbols('x')\nprint(factor(x**4 - 5*x**2 + 4), integrate(x**2 * exp(x), x))"
PARTS = ["raw", "raw_inproc", "factory", "cells", "ray_data", "stream"]


def main() -> None:
    options = _options()
    if options.part:
        print("RESULT " + json.dumps(_part(options)), flush=True)
        return
    with tempfile.TemporaryDirectory() as scratch:
        options.model = str(_without_end_token(Path(options.model), Path(scratch) / "model"))
        results: dict[str, float] = {}
        for part in options.repeat * options.parts.split(","):
            for name, figure in _run_part(part, options).items():
                best = min if name.startswith(("cpu_s", "cell_s")) else max
                results[name] = best(figure, results.get(name, figure))
            print(json.dumps(results, indent=2), flush=True)
    _report(results)


def _report(results: dict[str, float]) -> None:
    def ratio(label: str, above: str, below: str, wanted: str = "") -> None:
        if above in results and below in results:
            print(f"{label:52s} {results[above] / results[below]:6.3f} {wanted}")

    ratio("factory without tools / raw LLM.generate", "factory", "raw", "(at least 0.95)")
    ratio("factory without tools / raw LLM in one process", "factory", "raw_inproc")
    ratio("factory with tools / factory without tools", "factory_tools", "factory", "(at least 0.90)")
    ratio("factory with tools / lockstep with tools", "factory_tools", "lockstep_tools")
    ratio("factory with real cells / factory without tools", "cells_python", "cells_none", "(at least 0.85)")
    ratio("a real cell under load / alone (seconds)", "cell_s_under_load", "cell_s_alone")
    ratio("factory without tools / Ray Data map_batches", "factory", "ray_data")


def _part(options: argparse.Namespace) -> dict[str, float]:
    if options.part in {"raw", "raw_inproc"}:
        return {options.part: _raw(options)}
    if options.part == "factory":
        return asyncio.run(_factory(options))
    if options.part == "cells":
        return asyncio.run(_cells(options))
    if options.part == "ray_data":
        return {"ray_data": _ray_data(options)}
    return asyncio.run(_stream(options))


def _raw(options: argparse.Namespace) -> float:
    llm = _llm(options)
    prompts, sampling = _requests(options)
    llm.generate(prompts[:8], sampling[:8], use_tqdm=False)
    started = time.perf_counter()
    outputs = llm.generate(prompts, sampling, use_tqdm=False)
    n_tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
    return n_tokens / (time.perf_counter() - started)


async def _factory(options: argparse.Namespace) -> dict[str, float]:
    from factory.engines.vllm_engine import VllmEngine
    from tests.bench.rollout_parts import Slow

    engine = VllmEngine(options.model, _config(options))
    await _rollouts(engine, options, n_traces=8)
    results = {
        "factory": await _rollouts(engine, options),
        "factory_tools": await _rollouts(engine, options, sandbox=Slow(TOOL_S)),
        "lockstep_tools": await _lockstep(engine, options),
    }
    await engine.close()
    return results


async def _cells(options: argparse.Namespace) -> dict[str, float]:
    os.environ["RAY_AUTH_MODE"] = "disabled"
    import ray

    from factory import recipe
    from factory.engines.vllm_engine import VllmEngine
    from factory.sandbox.pool import SandboxPool
    from tests.bench.rollout_parts import Timed

    ray.init(address="local", num_cpus=os.cpu_count(), include_dashboard=False, log_to_driver=False)
    sandbox = Timed(SandboxPool.start(recipe.SandboxSettings(actors=(1, 1), num_cpus=os.cpu_count() or 1)))
    session = await sandbox.open()
    for _ in range(5):
        await session.run(CELL)
    await session.close()
    alone = sandbox.mean_s()
    engine = VllmEngine(options.model, _config(options))
    await _rollouts(engine, options, n_traces=8)
    results = {
        "cells_none": await _rollouts(engine, options),
        "cells_python": await _rollouts(engine, options, sandbox=sandbox),
        "cell_s_alone": alone,
        "cell_s_under_load": sandbox.mean_s(),
    }
    await engine.close()
    ray.shutdown()
    return results


async def _rollouts(
    engine: Any, options: argparse.Namespace, *, sandbox: Any = None, n_traces: int | None = None
) -> float:
    """Programs of eight traces each, let in by the engine's load, as the pipeline does it."""
    from factory.engines.admission import Admission
    from tests.bench.rollout_parts import Plain, TurnEnds, draw

    lengths = _lengths(options)[:n_traces]
    admission = Admission(most=len(lengths), first=max(1, 2 * options.seqs // 8))
    watch = asyncio.create_task(admission.watch(engine, every_s=0.5))
    from factory.programs.rollout import rollout

    async def trace(number: int) -> int:
        turns = _turns(lengths[number]) if sandbox else [lengths[number]]
        result = await rollout(
            draw(number, _prompt(number), tool=sandbox is not None),
            engine=TurnEnds(engine, turns),
            dialect=Plain(len(turns), OUTPUT, CELL),
            sandbox=sandbox,
        )
        return result.n_generated_tokens

    async def program(numbers: range) -> int:
        async with admission.program():
            return sum(await asyncio.gather(*(trace(number) for number in numbers if number < len(lengths))))

    started = time.perf_counter()
    n_tokens = sum(await asyncio.gather(*(program(range(i, i + 8)) for i in range(0, len(lengths), 8))))
    seconds = time.perf_counter() - started
    watch.cancel()
    assert n_tokens == sum(lengths), (n_tokens, sum(lengths))
    return n_tokens / seconds


async def _lockstep(engine: Any, options: argparse.Namespace) -> float:
    """Batches of as many traces as the engine decodes at once; all finish a turn before any begins the next."""
    lengths = _lengths(options)
    started = time.perf_counter()
    n_tokens = 0
    for first in range(0, len(lengths), options.seqs):
        batch = range(first, min(first + options.seqs, len(lengths)))
        tokens = {number: _prompt(number) for number in batch}
        for turn in range(TURNS):
            said = await asyncio.gather(
                *(_say(engine, tokens[number], _turns(lengths[number])[turn], number) for number in batch)
            )
            n_tokens += sum(map(len, said))
            tokens = {n: tokens[n] + new + OUTPUT for n, new in zip(batch, said, strict=True)}
            if turn < TURNS - 1:
                await asyncio.sleep(TOOL_S)
    return n_tokens / (time.perf_counter() - started)


async def _say(engine: Any, prompt: list[int], n_tokens: int, seed: int) -> list[int]:
    from factory.engines.protocol import SamplingParams

    stream = engine.generate(prompt, SamplingParams(max_tokens=n_tokens, seed=seed), affinity=str(seed))
    return [token async for chunk in stream for token in chunk.token_ids]


def _ray_data(options: argparse.Namespace) -> float:
    os.environ["RAY_AUTH_MODE"] = "disabled"
    import ray

    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False

    class Generate:
        def __init__(self) -> None:
            self.llm = _llm(options)
            self.prompts, self.sampling = _requests(options)

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            numbers = [int(i) for i in batch["id"]]
            started = time.time()
            outputs = self.llm.generate(
                [self.prompts[i] for i in numbers], [self.sampling[i] for i in numbers], use_tqdm=False
            )
            n_tokens = [len(output.outputs[0].token_ids) for output in outputs]
            return {"n": n_tokens, "start": [started] * len(numbers), "end": [time.time()] * len(numbers)}

    gpus = {"num_gpus": 1} if options.gpu else {"num_cpus": 1}
    rows = ray.data.range(options.traces, override_num_blocks=max(1, options.traces // 64)).map_batches(
        Generate, batch_size=64, compute=ray.data.ActorPoolStrategy(size=1), **gpus
    )
    taken = rows.take_all()
    ray.shutdown()
    return float(sum(r["n"] for r in taken) / (max(r["end"] for r in taken) - min(r["start"] for r in taken)))


async def _stream(options: argparse.Namespace) -> dict[str, float]:
    """CPU time of this process and of the replica's, its engine core and workers not counted."""
    os.environ["RAY_AUTH_MODE"] = "disabled"
    import psutil
    import ray

    from factory import recipe
    from factory.engines import serve

    ray.init(address="local", num_cpus=4, num_gpus=int(options.gpu), include_dashboard=False, log_to_driver=False)
    results: dict[str, float] = {}
    for chunk_tokens in (16, 64, 256):
        config = _config(options).model_copy(update={"chunk_tokens": chunk_tokens})
        pool = serve.deploy("bench", recipe.Teacher(model=options.model, engine=config))
        await pool.identity()
        where = await pool._handle.options(method_name="location").remote()
        processes = {"program": psutil.Process(), "replica": psutil.Process(where["pid"])}
        before = {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
        started = time.perf_counter()
        said = await asyncio.gather(
            *(_say(pool, _prompt(i), n, i) for i, n in enumerate(_lengths(options))), return_exceptions=False
        )
        n_tokens = sum(map(len, said))
        results[f"serve_{chunk_tokens}"] = n_tokens / (time.perf_counter() - started)
        for name, process in processes.items():
            spent = sum(process.cpu_times()[:2]) - before[name]
            results[f"cpu_s_per_1000_tokens_{name}_{chunk_tokens}"] = 1000 * spent / n_tokens
        serve.shutdown("bench")
    ray.shutdown()
    return results


def _llm(options: argparse.Namespace) -> Any:
    from vllm import LLM

    from factory.engines import model_files
    from factory.engines.vllm_engine import engine_args

    arguments = engine_args(model_files.resolve(options.model), _config(options), cpu=not options.gpu)
    return LLM(**arguments)


def _config(options: argparse.Namespace) -> Any:
    from factory import recipe

    extra = {} if options.gpu else {"kv_cache_memory_bytes": 2**29}
    if options.block_size:
        extra["block_size"] = options.block_size
    return recipe.VllmSettings(
        dtype=options.dtype, max_model_len=2048, max_num_seqs=options.seqs, num_gpus=int(options.gpu), extra=extra
    )


def _requests(options: argparse.Namespace) -> tuple[list[Any], list[Any]]:
    from vllm import SamplingParams

    lengths = _lengths(options)
    prompts = [{"prompt_token_ids": _prompt(number)} for number in range(len(lengths))]
    return prompts, [SamplingParams(max_tokens=n, seed=i, detokenize=False) for i, n in enumerate(lengths)]


def _lengths(options: argparse.Namespace) -> list[int]:
    """Tokens of each trace: lognormal, as the lengths of real traces are, in multiples of the number of turns."""
    dice = random.Random(0)
    drawn = (dice.lognormvariate(0.0, 0.6) * options.tokens for _ in range(options.traces))
    return [TURNS * max(2, min(int(n), 1400) // TURNS) for n in drawn]


def _turns(n_tokens: int) -> list[int]:
    return [n_tokens // TURNS] * TURNS


def _prompt(number: int) -> list[int]:
    dice = random.Random(number)
    return [dice.randrange(10, 200) for _ in range(100)]


def _without_end_token(model: Path, target: Path) -> Path:
    """The same model with links to its files, but with nothing that would make an engine stop by itself."""
    if not model.is_dir():
        raise SystemExit(f"--model must be a directory, not {model}")
    target.mkdir()
    for file in model.iterdir():
        if file.name == "generation_config.json":
            continue
        if file.name in {"config.json", "tokenizer_config.json"}:
            values = json.loads(file.read_text())
            values = {key: value for key, value in values.items() if key not in {"eos_token_id", "eos_token"}}
            (target / file.name).write_text(json.dumps(values))
        else:
            shutil.copy2(file, target) if file.stat().st_size < 2**20 else (target / file.name).symlink_to(
                file.resolve()
            )
    return target


def _run_part(part: str, options: argparse.Namespace) -> dict[str, float]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "VLLM_LOGGING_LEVEL": "ERROR"}
    environment["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0" if part == "raw_inproc" else "1"
    kept = ["model", "traces", "seqs", "tokens", "dtype", "block_size"]
    arguments = [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in kept] + ["--gpu"] * options.gpu
    command = [sys.executable, __file__, "--part", part, *arguments]
    finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    lines = [line for line in finished.stdout.splitlines() if line.startswith("RESULT ")]
    if finished.returncode or not lines:
        raise SystemExit(f"the part {part} failed:\n{finished.stdout[-3000:]}")
    return dict(json.loads(lines[-1].removeprefix("RESULT ")))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ROOT / "jobs" / "demo" / "teacher"))
    parser.add_argument("--traces", type=int, default=256)
    parser.add_argument("--seqs", type=int, default=64, help="sequences that the engine decodes at once")
    parser.add_argument("--tokens", type=int, default=768, help="median length of a trace")
    parser.add_argument("--repeat", type=int, default=2, help="rounds over all parts")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--block-size", type=int, default=0, help="tokens of a cache block; 0: as the engine has it")
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
