"""A machine that has no process, memory or descriptor to spare costs a session, never the batch or the run."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from factory import recipe
from factory.commands import sandbox_file
from factory.errors import FactoryError
from factory.sandbox import launcher
from factory.sandbox.local import LocalSandbox
from factory.sandbox.protocol import StateLost
from tests.sandbox.support import run_cells

# The zygote's own fork, which the kernel refuses from the second one (the first is the canary's) to the last named.
_REFUSING_BOOT = """import errno, os, sys; sys.path.insert(0, sys.argv.pop(1))
from factory.sandbox.inside import hooks; hooks.refuse()
from factory.sandbox.inside import zygote
real, calls = zygote.fork, [0]
def fork():
    calls[0] += 1
    if 2 <= calls[0] <= LAST: raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return real()
zygote.fork = fork
zygote.main()"""


def refuse_forks(monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    monkeypatch.setattr(launcher, "_BOOT", _REFUSING_BOOT.replace("LAST", str(last)))
    monkeypatch.setattr(launcher, "_PAUSES_S", (0.01, 0.01, 0.01))


async def test_a_refused_fork_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_forks(monkeypatch, 3)
    async with LocalSandbox() as sandbox:
        (result,) = await run_cells(sandbox, "1 + 1")
    assert result.stdout == "2\n"


async def test_one_that_stays_refused_costs_that_session(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_forks(monkeypatch, 5)
    async with LocalSandbox() as sandbox:
        assert sandbox._root is not None
        files, fds = os.listdir(sandbox._root.path), os.listdir("/proc/self/fd")
        with pytest.raises(StateLost, match="Resource temporarily unavailable"):
            await sandbox.open()
        await asyncio.sleep(0.1)
        assert os.listdir(sandbox._root.path) == files
        assert len(os.listdir("/proc/self/fd")) == len(fds)
        (result,) = await run_cells(sandbox, "1 + 1")
    assert result.stdout == "2\n"


async def test_a_session_under_way_gets_a_process_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its interpreter died and none is to be had: the trace is told, and the next cell may be luckier."""
    async with LocalSandbox() as sandbox:
        session = await sandbox.open()
        await session.run("import os\nos._exit(1)")
        with monkeypatch.context() as patched:
            patched.setattr(launcher, "_PAUSES_S", (0.01,))
            patched.setattr(os, "pipe2", _fail(errno.EMFILE))
            with pytest.raises(StateLost, match="Too many open files"):
                await session.run("1")
        assert (await session.run("print(1)")).stdout == "1\n"


@pytest.mark.parametrize("function", [(socket, "socketpair"), (subprocess, "Popen")])
async def test_a_machine_without_room_for_the_first_process_says_so(
    monkeypatch: pytest.MonkeyPatch, function: tuple[Any, str]
) -> None:
    sandbox = LocalSandbox()
    monkeypatch.setattr(*function, _fail(errno.EAGAIN))
    with pytest.raises(FactoryError, match="cannot start"):
        await sandbox.start()
    await sandbox.close()


async def test_no_room_for_a_new_zygote_costs_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    async with LocalSandbox() as sandbox:
        assert sandbox._zygote is not None
        sandbox._zygote.close()
        with monkeypatch.context() as patched:
            patched.setattr(subprocess, "Popen", _fail(errno.ENOMEM))
            with pytest.raises(StateLost, match="Cannot allocate memory"):
                await sandbox.open()
        (result,) = await run_cells(sandbox, "1")
    assert result.stdout == "1\n"


async def test_a_lasting_fault_is_no_lost_session(monkeypatch: pytest.MonkeyPatch) -> None:
    async with LocalSandbox() as sandbox:
        assert sandbox._root is not None
        monkeypatch.setattr(sandbox._root, "folder", _fail(errno.EROFS))
        with pytest.raises(FactoryError, match="Read-only"):
            await sandbox.open()


def test_one_row_of_a_batch_fails_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refuse_forks(monkeypatch, 5)
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"id": n, "cells": ["1"]}) + "\n" for n in range(12)))
    rows = [json.loads(line) for line in sandbox_file.run_file(str(file))]
    assert [row["id"] for row in rows] == list(range(12))
    failed = [row for row in rows if "error" in row]
    assert len(failed) <= 1
    assert all(row["results"][0]["stdout"] == "1\n" for row in rows if "error" not in row)


async def test_a_package_that_is_not_installed_is_an_error() -> None:
    sandbox = LocalSandbox(recipe.SandboxSettings(packages=("numpy", "no-such-package")))
    with pytest.raises(FactoryError, match="lacks packages: no-such-package"):
        await sandbox.start()
    await sandbox.close()


def _fail(number: int) -> Any:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail
