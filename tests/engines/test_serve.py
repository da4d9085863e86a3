"""A pool of real vLLM replicas on a real Ray: what it says, and what its deaths cost. Growth: `test_serve_scaling`.

The tests of this file share one pool and build on each other: an engine takes long to start on a small machine.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal

import psutil
import pytest
import pytest_asyncio

from factory import recipe
from factory.engines import serve, serve_pool
from factory.engines.failover import Failover
from factory.engines.protocol import EngineError, EngineUnavailable, SamplingParams
from factory.errors import FactoryError
from tests.engines.helpers import collect
from tests.engines.traffic import GREEDY, PROMPTS, Traffic, location, until

pytestmark = [pytest.mark.ray, pytest.mark.engine, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(1800)]

N_CLIENTS = 6
SILENCE_S = 20.0


@pytest.fixture(scope="session")
def teacher(tiny_model_dir, tiny_config):
    values = tiny_config.model_dump() | {"replicas": (1, 1), "silence_s": SILENCE_S}
    return recipe.Teacher(model=str(tiny_model_dir), engine=recipe.VllmSettings.model_validate(values))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(ray_local, teacher):
    pool = serve.deploy("test run", teacher)
    yield pool
    serve.shutdown("test run")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def undisturbed(engine):
    """What the same model says in this process, where nobody kills it."""
    return [await collect(engine, prompt, GREEDY) for prompt in PROMPTS[:N_CLIENTS]]


async def test_roles_with_the_same_model_and_engine_share_a_pool(pool, teacher):
    assert serve.deploy("test run", teacher).name == pool.name
    assert serve.pool_name("test run", teacher) == pool.name
    other = teacher.model_copy(update={"engine": recipe.VllmSettings(dtype="bfloat16")})
    assert serve.pool_name("test run", other) != pool.name
    assert serve.pool_name("another run", teacher) != pool.name


async def test_a_replica_says_what_the_engine_in_process_says(pool, undisturbed, engine):
    assert await pool.identity() == await engine.identity()
    elsewhere = pickle.loads(pickle.dumps(pool))  # as an actor would get it
    assert await collect(elsewhere, PROMPTS[0], GREEDY) == undisturbed[0]


async def test_errors_keep_their_kind(pool):
    with pytest.raises(EngineError, match="1024"):
        await collect(pool, [1] * 1024, GREEDY)


async def test_closing_early_frees_the_replica(pool):
    stream = pool.generate([3, 1], SamplingParams(max_tokens=1000, temperature=0.0))
    await anext(stream)
    await stream.aclose()
    await until(lambda: _load_after_a_request(pool), lambda load: load.running <= 1)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
async def test_a_dead_engine_core_costs_no_trace_and_its_replica_is_replaced(pool, undisturbed, how):
    """Also the only replica may die: its requests wait for the next one. A core that only stopped is as dead."""
    before = await location(pool, "")
    core = _engine_processes(before["pid"])[0]
    guarded = Failover(pool)
    async with Traffic(guarded, n=N_CLIENTS, expected=undisturbed):
        core.send_signal(how)
        await _gone([psutil.Process(before["pid"]), core])
    assert guarded.failovers >= 1
    assert (await location(pool, ""))["replica"] != before["replica"]


async def test_a_model_that_is_incomplete_is_refused_before_anything_starts(ray_local, teacher, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FactoryError, match="not a complete model"):
        serve.deploy("broken", teacher.model_copy(update={"model": str(tmp_path)}))


async def test_a_pool_that_failed_for_good_says_why(ray_local, teacher):
    pool = serve.deploy("broken", teacher.model_copy(update={"model": "not-on-any-machine"}))
    with pytest.raises(FactoryError, match="there is no model directory not-on-any-machine"):
        await pool.identity()
    serve.shutdown("broken")


async def test_waiting_for_a_gpu_is_said_and_is_no_error(ray_local, teacher, caplog, monkeypatch):
    monkeypatch.setattr(serve_pool, "_FIRST_WORD_S", 3.0)
    waiting = teacher.model_copy(update={"engine": recipe.VllmSettings(tensor_parallel_size=2)})
    pool = serve.deploy("gpu", waiting)
    identity = asyncio.create_task(pool.identity())
    await until(lambda: asyncio.sleep(0, caplog.text), lambda text: "needs 2 GPUs, the cluster has 0" in text)
    assert not identity.done()
    identity.cancel()
    serve.shutdown("gpu")


async def test_a_killed_replica_leaves_no_process_and_its_streams_break(pool):
    """The last test of this pool: nobody waits for another replica."""
    before = await location(pool, "")
    family = [psutil.Process(before["pid"]), *_engine_processes(before["pid"])]
    assert len(family) >= 2
    stream = pool.generate([3, 1], SamplingParams(max_tokens=1000, temperature=0.0))
    await anext(stream)
    os.kill(before["pid"], signal.SIGKILL)
    await _gone(family)
    with pytest.raises(EngineUnavailable, match="gone") as broken:
        _ = [chunk async for chunk in stream]
    assert broken.value.lost_tokens == 16


def _engine_processes(pid):
    """The engine core of a replica, and its workers after it."""
    children = psutil.Process(pid).children(recursive=True)
    engine = [p for p in children if "VLLM" in " ".join(p.cmdline())]
    return sorted(engine, key=lambda p: "EngineCore" not in " ".join(p.cmdline()))


async def _load_after_a_request(pool):
    """The load that a replica reports with the answer to a short request."""
    await collect(pool, [1], SamplingParams(max_tokens=1))
    return await pool.load()


async def _gone(processes):
    await until(lambda: asyncio.to_thread(psutil.wait_procs, processes, 1), lambda result: not result[1], 120.0)
