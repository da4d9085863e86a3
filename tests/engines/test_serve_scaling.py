"""A pool on a real Ray that grows, keeps traces where their prefix is, and shrinks; with engines that cost nothing.

The tests of this file share one pool and build on each other.
"""

from __future__ import annotations

import pytest
import pytest_asyncio

from factory import recipe
from factory.engines import serve
from tests.engines.mortal import SlowReplica, answer
from tests.engines.traffic import GREEDY, PROMPTS, Traffic, location, until

pytestmark = [pytest.mark.ray, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]

CAPACITY = 16  # of one replica
EXPECTED = [(answer(prompt, GREEDY), "stop") for prompt in PROMPTS]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(ray_local, tiny_model_dir):
    engine = recipe.VllmSettings(
        num_gpus=0,
        num_cpus=0.1,
        chunk_tokens=16,
        max_num_seqs=CAPACITY,
        replicas=(1, 2),
        upscale_delay_s=1.0,
        downscale_delay_s=5.0,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serve, "Replica", SlowReplica)
        pool = serve.deploy("scaling", recipe.Teacher(model=str(tiny_model_dir), engine=engine))
    yield pool
    serve.shutdown("scaling")


async def test_the_pool_grows_under_load(pool):
    await pool.identity()
    assert await pool.replicas() == 1
    async with Traffic(pool, n=20, expected=EXPECTED):
        await until(pool.replicas, lambda n: n == 2)
        full = await until(pool.load, lambda load: load.capacity == 2 * CAPACITY)
        assert 0 < full.running <= 20


async def test_a_trace_stays_with_its_replica_and_traces_spread(pool):
    homes = [await location(pool, f"trace-{i}") for i in range(12)]
    again = [await location(pool, f"trace-{i}") for i in range(12)]
    assert homes == again
    assert len({home["replica"] for home in homes}) == 2


async def test_a_shrinking_pool_drains(pool):
    async with Traffic(pool, n=3, expected=EXPECTED):  # no failover: a broken stream would fail the test
        await until(pool.replicas, lambda n: n == 1)
