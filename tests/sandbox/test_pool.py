"""The pool on a real (local) Ray cluster."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from factory import recipe
from factory.errors import FactoryError
from factory.sandbox import pool as pool_module
from factory.sandbox.pool import SandboxPool, _SandboxActor
from factory.sandbox.protocol import StateLost
from tests.sandbox.support import is_alive, until, zygotes

CONFIG = recipe.SandboxSettings(actors=(1, 2), num_cpus=0.5, timeout_s=30)


@pytest.fixture(scope="module")
def pool(ray_local: Any) -> Iterator[SandboxPool]:
    started = SandboxPool.start(CONFIG)
    yield started
    started.stop()


@pytest.mark.ray
async def test_a_session_keeps_its_state_and_its_seed(pool: SandboxPool) -> None:
    here, elsewhere = pool, pickle.loads(pickle.dumps(pool))
    outputs = []
    for user in (here, elsewhere):
        session = await user.open(seed=5, trace="t")
        assert (await session.run("import random\nx = random.random()")).status == "ok"
        outputs.append((await session.run("x")).stdout)
        await session.close()
        with pytest.raises(StateLost):
            await session.run("x")
    assert outputs[0] == outputs[1] != ""


@pytest.mark.ray
async def test_failures_of_code_are_results(pool: SandboxPool) -> None:
    session = await pool.open()
    assert (await session.run("1 / 0")).status == "error"
    assert (await session.run("while True: pass", 0.3)).status == "timeout"
    assert (await session.run("import os; os._exit(1)")).state_lost
    assert (await session.run("print('fresh')")).stdout == "fresh\n"
    await session.close()


@pytest.mark.ray
async def test_the_pool_grows_while_cells_wait(pool: SandboxPool) -> None:
    sessions = [await pool.open() for _ in range(4)]
    busy = [asyncio.create_task(session.run("import time; time.sleep(20)")) for session in sessions]
    grown = False
    for _ in range(120):
        grown = pool_size(pool) == 2
        if grown:
            break
        await asyncio.sleep(0.5)
    for session in sessions:
        await session.close()
    await asyncio.gather(*busy, return_exceptions=True)
    assert grown


@pytest.mark.ray
async def test_a_killed_actor_means_state_lost_and_leaves_no_process(pool: SandboxPool, ray_local: Any) -> None:
    session = await pool.open()
    actor_pid = parent_of(await zygote_of(session))
    below = zygotes(actor_pid)
    assert below
    cell = asyncio.create_task(session.run("import time; time.sleep(60)"))
    await asyncio.sleep(0.5)
    os.kill(actor_pid, signal.SIGKILL)
    with pytest.raises(StateLost):
        await cell
    with pytest.raises(StateLost):
        await session.run("1")
    assert until(lambda: not any(map(is_alive, below)))
    again = await pool.open()
    assert (await again.run("1 + 1")).stdout == "2\n"
    await again.close()


@pytest.mark.ray
def test_the_manifest_says_what_holds(pool: SandboxPool) -> None:
    described = pool.describe()
    assert set(described["effects"].values()) == {True}
    assert described["if_missing"] == "refuse"


@pytest.mark.ray
def test_a_machine_that_cannot_confine_is_refused_at_the_start(ray_local: Any) -> None:
    impossible = CONFIG.model_copy(update={"scratch_mb": -5})  # even an empty folder is too large
    with pytest.raises(FactoryError, match="canary could not run") as caught:
        SandboxPool.start(impossible)
    assert "-5 MiB" in caught.value.why


@pytest.mark.ray
def test_a_stopped_pool_leaves_no_process(ray_local: Any) -> None:
    before = zygotes(os.getpid())
    pool = SandboxPool.start(CONFIG)
    started = zygotes(os.getpid()) - before
    assert started
    pool.stop()
    assert until(lambda: not any(map(is_alive, started)))


async def test_a_session_whose_worker_is_silent_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "LEASE_S", 1.0)
    actor = _SandboxActor(CONFIG)
    await actor.open("kept", 0, "")
    await actor.open("silent", 0, "")
    for _ in range(12):
        await asyncio.sleep(0.2)
        actor.renew(["kept", "unknown"])
    assert (await actor.run("kept", "print(1)", None)) is not None
    assert await actor.run("silent", "print(1)", None) is None
    assert (await actor.load()).sessions == 1
    await actor.stop()


def pool_size(pool: SandboxPool) -> int:
    size: int = pool.describe()["actors"]
    return size


async def zygote_of(session: Any) -> int:
    return int((await session.run("import os; print(os.getppid())")).stdout)


def parent_of(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rpartition(")")[2].split()[1])
