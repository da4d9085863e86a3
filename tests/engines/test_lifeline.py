"""An engine dies with its owner, also when the owner is killed and cleans nothing up.

That vLLM's processes are armed is shown where a replica is killed (`test_serve`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]

CHAIN = """
import subprocess, sys, time
from factory.engines import lifeline

if sys.argv[1] == "owner":
    lifeline.own()
    child = subprocess.Popen([sys.executable, __file__, "child"], stdout=subprocess.PIPE, text=True)
    print("ready", child.pid, child.stdout.readline().strip(), flush=True)
else:
    lifeline.arm()
    print("armed", flush=True)
time.sleep(600)
"""


def test_an_armed_child_dies_with_its_owner(tmp_path):
    with _Owner(tmp_path, CHAIN, "owner") as owner:
        _, pid, state = owner.ready_line.split()
        assert state == "armed"
        child = psutil.Process(int(pid))
        owner.kill()
        assert psutil.wait_procs([child], timeout=120)[1] == []


def test_a_process_that_started_after_its_owner_died_leaves_at_once():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    code = "from factory.engines import lifeline; lifeline.arm(); print('alive')"
    env = _environment() | {"FACTORY_ENGINE_OWNER": str(gone.pid)}
    late = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=240)
    assert (late.returncode, late.stdout) == (1, "")


def test_without_an_owner_nothing_is_armed():
    code = "from factory.engines import lifeline; lifeline.arm(); print('alive')"
    env = {k: v for k, v in _environment().items() if k != "FACTORY_ENGINE_OWNER"}
    free = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=240)
    assert (free.returncode, free.stdout) == (0, "alive\n")


class _Owner:
    """A script in a process of its own, up to the line in which it says that it is ready."""

    def __init__(self, directory: Path, script: str, argument: str) -> None:
        path = directory / "owner.py"
        path.write_text(script)
        self._process = subprocess.Popen(
            [sys.executable, str(path), argument], stdout=subprocess.PIPE, text=True, env=_environment()
        )
        self.pid = self._process.pid
        self.ready_line = ""

    def __enter__(self) -> _Owner:
        deadline = time.monotonic() + 900
        while not self.ready_line.startswith("ready"):
            assert time.monotonic() < deadline
            self.ready_line = self._process.stdout.readline()
            assert self.ready_line, "the owner ended early"
        return self

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def __exit__(self, *error: object) -> None:
        self.kill()


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}
