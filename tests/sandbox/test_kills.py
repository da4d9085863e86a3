"""Nothing is left behind: no process, no folder, no descriptor, whoever is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from factory.sandbox import scratch
from factory.sandbox.local import LocalSandbox
from factory.sandbox.protocol import StateLost
from tests.sandbox.support import descendants, is_alive, until, zygotes

STUBBORN = "import signal\nsignal.pthread_sigmask(0, range(1, 65))\nwhile True: pass"
ACTOR = textwrap.dedent("""
    import asyncio, sys
    from factory.sandbox.local import LocalSandbox

    async def main():
        sandbox = LocalSandbox(cells=4)
        sessions = [await sandbox.open() for _ in range(6)]
        await sessions[0].run("x = 1")
        busy = [asyncio.create_task(s.run(sys.argv[1], 600)) for s in sessions[1:3]]
        stop = asyncio.create_task(sessions[3].run("import os; os.kill(os.getpid(), 19)", 600))
        await asyncio.sleep(0.5)
        print("ready", sandbox._root.path, flush=True)
        await asyncio.sleep(600)

    asyncio.run(main())
""")


def test_killed_actor_leaves_nothing() -> None:
    actor = subprocess.Popen([sys.executable, "-c", ACTOR, STUBBORN], stdout=subprocess.PIPE, text=True)
    assert actor.stdout is not None
    word, folder = actor.stdout.readline().split()
    below = descendants(actor.pid)
    assert word == "ready"
    assert len(below) == 7  # the zygote and six sessions
    actor.kill()
    actor.wait()
    assert until(lambda: not any(map(is_alive, below)))
    assert until(lambda: not Path(folder).exists())


async def test_killed_zygote_takes_its_sessions_and_is_replaced() -> None:
    before = descendants()
    async with LocalSandbox(cells=4) as sandbox:
        session, other = await sandbox.open(), await sandbox.open()
        await session.run("x = 1")
        below = descendants() - before
        busy = asyncio.create_task(other.run(STUBBORN, 600))
        await asyncio.sleep(0.3)
        assert sandbox._zygote is not None
        os.kill(sandbox._zygote.pid, signal.SIGKILL)
        lost = await busy
        assert (lost.status, lost.state_lost) == ("killed", True)
        assert until(lambda: not any(map(is_alive, below)))
        idle = await session.run("x")
        assert (idle.status, idle.state_lost) == ("killed", True)
        assert "not run" in idle.stderr
        fresh = await session.run("print('again')")
        assert (fresh.status, fresh.stdout, session.epoch) == ("ok", "again\n", 1)
    assert not descendants() & below


@pytest.mark.parametrize("moment", ["it starts", "the canary is in its session"])
async def test_a_zygote_killed_while_it_comes_up_is_started_again(moment: str) -> None:
    """Whatever kills it then must not look like a machine that cannot run or confine a session."""
    here = os.getpid()
    before = zygotes(here)
    sandbox = LocalSandbox()
    starting = asyncio.create_task(sandbox.start())
    assert await asyncio.to_thread(until, lambda: bool(zygotes(here) - before))
    (first,) = zygotes(here) - before
    if moment != "it starts":
        assert await asyncio.to_thread(until, lambda: bool(zygotes(first)), 60.0)
    os.kill(first, signal.SIGKILL)
    await starting
    try:
        assert all(effect.holds for effect in sandbox.effects)
        assert first not in zygotes(here)
        assert (await (await sandbox.open()).run("print(1)")).stdout == "1\n"
    finally:
        await sandbox.close()


async def test_closing_ends_every_process() -> None:
    """One that ignores every signal, one that stops itself, one that has killed itself, one that is idle."""
    before = descendants()
    cells = (STUBBORN, "import os\nos.kill(os.getpid(), 19)", "import os\nos.kill(os.getpid(), 9)")
    async with LocalSandbox(cells=6) as sandbox:
        sessions = [await sandbox.open() for _ in cells]
        results = await asyncio.gather(*(s.run(cell, 0.3) for s, cell in zip(sessions, cells, strict=True)))
        assert [result.state_lost for result in results] == [True] * 3
        busy = [asyncio.create_task(s.run(cell, 600)) for s, cell in zip(sessions, cells, strict=True)]
        await (await sandbox.open()).run("idle = 1")
        await asyncio.sleep(0.3)
        assert sandbox._root is not None
        folder = sandbox._root.path
    assert all(result.state_lost for result in await asyncio.gather(*busy))
    assert descendants() == before
    assert not os.path.exists(folder)  # noqa: ASYNC240


async def test_a_cancelled_cell_ends_its_process() -> None:
    before = descendants()
    async with LocalSandbox() as sandbox:
        session = await sandbox.open()
        await session.run("x = 1")
        below = descendants() - before
        task = asyncio.create_task(session.run("while True: pass", 600))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len([pid for pid in below if is_alive(pid)]) == 1  # the zygote
        assert (await session.run("print('x' in globals())")).stdout == "False\n"


async def test_sessions_leave_no_process_file_or_descriptor() -> None:
    async with LocalSandbox() as sandbox:
        assert sandbox._root is not None
        await (await sandbox.open()).close()
        processes, fds, files = descendants(), os.listdir("/proc/self/fd"), os.listdir(sandbox._root.path)
        for number in range(30):
            session = await sandbox.open()
            await session.run(f"open('f', 'w').write('x')\n{number}" if number % 3 else "import os\nos._exit(1)")
            await session.close()
        assert descendants() == processes
        assert len(os.listdir("/proc/self/fd")) == len(fds)
        assert os.listdir(sandbox._root.path) == files


async def test_closed_means_state_lost() -> None:
    sandbox = LocalSandbox()
    session = await sandbox.open()
    await session.close()
    with pytest.raises(StateLost):
        await session.run("1")
    await sandbox.close()
    with pytest.raises(StateLost):
        await sandbox.open()


async def test_the_zygote_is_recycled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factory.sandbox.local.RECYCLE_AFTER", 3)
    async with LocalSandbox() as sandbox:
        first = await sandbox.open()
        old = sandbox._zygote
        await first.run("x = 1")
        second = await sandbox.open()
        third = await sandbox.open()
        assert sandbox._zygote is not old
        assert (await first.run("x")).stdout == "1\n"  # its zygote lives as long as it
        for session in (first, second, third):
            await session.close()
        await (await sandbox.open()).close()
        assert old is not None
        assert not old.alive


def test_folders_of_a_dead_holder_are_swept(tmp_path: Path) -> None:
    alive = scratch.Root(str(tmp_path))
    dead = Path(alive.path).with_name("tmpdead")
    (dead / "s1").mkdir(parents=True)
    other = scratch.Root(str(tmp_path))
    assert Path(alive.path).exists()
    assert not dead.exists()
    alive.remove()
    other.remove()


async def test_at_most_so_many_cells_run_at_once() -> None:
    async with LocalSandbox(cells=1) as sandbox:
        first, second = await sandbox.open(), await sandbox.open()
        cell = "import time\na = time.monotonic(); time.sleep(0.2); b = time.monotonic()\nprint(a, b)"
        one, two = await asyncio.gather(first.run(cell), second.run(cell))
        (_, end), (start, _) = sorted([float(x) for x in r.stdout.split()] for r in (one, two))
        assert end <= start
