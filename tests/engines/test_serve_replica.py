"""Replicas that should not serve leave, say why, and are replaced; on a real Serve, with engines that cost nothing."""

from __future__ import annotations

import asyncio
import shutil
import time

import pytest

from factory import recipe
from factory.engines import departures, lease, serve
from factory.engines.failover import Failover
from factory.engines.protocol import SamplingParams
from factory.engines.serve_pool import keeper_of
from factory.store.fs import Store
from tests.engines.helpers import collect
from tests.engines.mortal import MortalReplica

pytestmark = [pytest.mark.ray, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

GREEDY = SamplingParams(max_tokens=4, temperature=0.0)
ANSWER = ([6, 9, 12, 15], "stop")


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "run")


@pytest.fixture
def model(tiny_model_dir, tmp_path):
    return shutil.copytree(tiny_model_dir, tmp_path / "model")


@pytest.fixture
def deploy(ray_local, model, store, monkeypatch, tmp_path):
    monkeypatch.setattr(serve, "Replica", MortalReplica)
    engine = recipe.VllmSettings(num_gpus=0, num_cpus=0.1, chunk_tokens=2)
    run = tmp_path.name
    yield lambda: serve.deploy(run, recipe.Teacher(model=str(model), engine=engine), store)
    serve.shutdown(run)


@pytest.mark.parametrize("illness", ["silent", "dead"])
async def test_an_engine_that_only_a_new_process_helps_is_replaced_once_it_is_well(deploy, model, store, illness):
    pool = deploy()
    assert await collect(pool, [1, 2, 3], GREEDY) == ANSWER
    (model / illness).touch()
    await _until(lambda: departures.causes(store)[illness] > 0)
    (model / illness).unlink()
    async with asyncio.timeout(300):
        assert await _patiently(pool) == ANSWER


async def test_wrong_answers_end_a_replica_and_keep_the_next_one_from_serving(deploy, model, store):
    pool = deploy()
    assert await collect(pool, [1, 2, 3], GREEDY) == ANSWER
    (model / "poisoned").touch()
    await _until(lambda: departures.causes(store)["canary"] > 1)
    request = asyncio.create_task(_patiently(pool))
    await asyncio.sleep(3)
    assert not request.done(), "no ill replica may answer"
    (model / "poisoned").unlink()
    async with asyncio.timeout(300):
        assert await request == ANSWER
    assert "greedy tokens are those of other replicas" in departures.last(store).detail


async def test_a_start_that_fails_for_its_machine_is_tried_again(deploy, model, store):
    (model / "broken").touch()
    pool = deploy()
    answer = asyncio.create_task(pool.identity())
    await _until(lambda: departures.causes(store)["machine"] > 1)
    assert not answer.done()
    assert departures.last(store).detail == "OSError: CUDA error: uncorrectable ECC error"
    (model / "broken").unlink()
    async with asyncio.timeout(300):
        assert (await answer).name == "scripted"


async def test_a_replica_that_the_keeper_calls_an_outlier_leaves(deploy, ray_local, store, tmp_path):
    pool = deploy()
    await pool.identity()
    where = await pool._handle.options(method_name="location").remote()
    with lease.held(tmp_path.name, linger_s=600):  # or the keeper ends the pool itself, after a minute
        keeper = keeper_of(tmp_path.name)
        ray_local.get(keeper.note.remote(pool.name, {where["replica"]: (100, 80), "another": (500, 5)}))
        await _until(lambda: departures.causes(store)["loops"] == 1)
        assert departures.last(store).replica == where["replica"]


async def _patiently(pool):
    return await collect(Failover(pool, tries=100, max_pause_s=1.0), [1, 2, 3], GREEDY)


async def _until(condition, limit_s=300.0):
    deadline = time.monotonic() + limit_s
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)
