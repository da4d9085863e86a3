"""Time, memory, disk, output, descriptors, threads: every limit ends the cell and says so."""

from __future__ import annotations

import asyncio
import os

import pytest

from factory import recipe
from factory.sandbox.local import LocalSandbox
from tests.sandbox.support import run_cells

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A function, because CPython 3.11 lets a signal between two rounds of a bare `while` slip past the `try` around it.
SPIN = "def spin():\n    while True: pass\n"

# name -> (cell, status, is the state lost)
CASES = {
    "endless loop": ("while True: pass", "timeout", False),
    "sleep": ("import time\ntime.sleep(60)", "timeout", False),
    "swallowed once": (SPIN + "try: spin()\nexcept BaseException: pass", "timeout", False),
    "swallowed for ever": (SPIN + "while True:\n    try: spin()\n    except BaseException: pass", "timeout", True),
    "masked": ("import signal\nsignal.pthread_sigmask(0, range(1, 65))\nwhile True: pass", "timeout", True),
    "ignored": ("import signal\nsignal.signal(signal.SIGUSR2, signal.SIG_IGN)\nwhile True: pass", "timeout", True),
    "default action": (
        "import signal\nsignal.signal(signal.SIGUSR2, signal.SIG_DFL)\nwhile True: pass",
        "timeout",
        True,
    ),
    "loop in C": ("sum(range(10**13))", "timeout", True),
    "big power": ("x = 7 ** (10 ** 9)", "timeout", None),
    "regular expression": ("import re\nre.match('(a+)+b', 'a' * 40)", "timeout", False),
    "finalizer": (
        "class A:\n    def __del__(self):\n        while True: len('')\na = A(); del a\nwhile True: len('')",
        "timeout",
        None,
    ),
    "stops itself": ("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", "timeout", True),
    "waits for a lock": (
        "import threading\nthreading.Lock().acquire() or 1\nl = threading.Lock(); l.acquire(); l.acquire()",
        "timeout",
        False,
    ),
    "big list": ("x = [0] * 10**10", "memory", False),
    "many objects": ("x = []\nwhile True: x.append('a' * 10000)", "memory", False),
    "numpy": ("import numpy as np\nnp.ones((10**5, 10**5))", "memory", False),
    "one big file": ("open('f', 'wb').write(bytes(100 << 20))", "disk", False),
    "many files": ("for i in range(100): open(str(i), 'wb').write(bytes(4 << 20))", "disk", True),
    "many small files": ("for i in range(10**6): open(str(i), 'w').close()", "disk", True),
    "deleted but open": (
        "import os\nf = []\nfor i in range(50):\n    f.append(open('f', 'wb'))\n    f[-1].write(bytes(8 << 20))\n"
        "    os.unlink('f')\nwhile True: pass",
        "disk",
        True,
    ),
    "deleted but mapped": (
        "import ctypes, os\nlibc = ctypes.CDLL(None)\n"
        "libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 4 * [ctypes.c_long]\n"
        "for i in range(20):\n    f = open('f', 'wb+'); f.write(bytes(8 << 20)); f.flush()\n"
        "    libc.mmap(None, 4096, 1, 1, f.fileno(), 0); f.close(); os.unlink('f')\nwhile True: len('')",
        "disk",
        True,
    ),
    "descriptors": ("f = [open('/dev/null') for _ in range(100)]", "error", False),
    "threads": (
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        "error",
        False,
    ),
    "recursion in C": (
        "import sys\nsys.setrecursionlimit(10**8)\nclass A:\n    def __repr__(s): return repr([s])\nrepr(A())",
        "killed",
        True,
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_limit(sandbox: LocalSandbox, name: str) -> None:
    cell, status, lost = CASES[name]
    session = await sandbox.open()
    before = await session.run("kept = 1\nprint('before')")
    result = await session.run("print('partial')\n" + cell, 60.0 if status in ("memory", "disk", "killed") else 0.5)
    after = await session.run("kept")
    await session.close()
    assert before.status == "ok"
    assert result.status == status, result
    assert result.state_lost == (lost if lost is not None else result.state_lost)
    assert result.stdout == "partial\n"
    assert after.status == ("error" if result.state_lost else "ok"), after


async def test_partial_output_survives_the_hard_kill(sandbox: LocalSandbox) -> None:
    cell = "import sys\nfor i in range(50): print(i)\nprint('e', file=sys.stderr)\nsum(range(10**13))"
    (result,) = await run_cells(sandbox, cell, timeout_s=0.3)
    assert result.stdout == "".join(f"{i}\n" for i in range(50))
    assert result.stderr.startswith("e\n")
    assert "Variables are gone" in result.stderr


async def test_partial_output_survives_the_soft_interrupt(sandbox: LocalSandbox) -> None:
    results = await run_cells(sandbox, "for i in range(5000): print(i)\nwhile True: len('')", "i", timeout_s=0.7)
    assert results[0].stdout.endswith("4999\n")
    assert results[1].stdout == "4999\n"


async def test_hundred_megabytes_are_cut(sandbox: LocalSandbox) -> None:
    (result,) = await run_cells(sandbox, "for _ in range(100): print('x' * (1 << 20))", timeout_s=60)
    assert result.status == "ok"
    assert len(result.stdout) < 11_000
    assert f"[{100 * ((1 << 20) + 1) - 10_000} characters cut]" in result.stdout


async def test_endless_output_is_killed(sandbox: LocalSandbox) -> None:
    (result,) = await run_cells(sandbox, "import sys\nwhile True: sys.stderr.write('x' * (1 << 20))", timeout_s=60)
    assert (result.status, result.state_lost) == ("killed", True)
    assert "printed more than" in result.stderr


async def test_time_without_a_core_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far more cells than cores: in wall time each takes longer than its limit."""
    monkeypatch.setattr("factory.sandbox.cell.PATIENCE", 1000)  # whatever else the machine does
    cell = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"
    async with LocalSandbox(cells=100) as sandbox:
        crowd = 12 * len(os.sched_getaffinity(0))
        results = await asyncio.gather(*(run_cells(sandbox, cell, timeout_s=2.4) for _ in range(crowd)))
    assert {r.status for (r,) in results} == {"ok"}
    assert max(r.seconds for (r,) in results) > 0.8


async def test_cpu_seconds_of_a_session() -> None:
    async with LocalSandbox(recipe.SandboxSettings(cpu_s=1)) as sandbox:
        (result,) = await run_cells(sandbox, "while True: pass", timeout_s=20)
    assert (result.status, result.state_lost) == ("timeout", True)
    assert "CPU" in result.stderr


async def test_memory_budget_is_the_recipe_s(sandbox: LocalSandbox) -> None:
    async with LocalSandbox(recipe.SandboxSettings(memory_mb=200)) as small:
        (refused,) = await run_cells(small, "x = bytearray(300 << 20)")
    (allowed,) = await run_cells(sandbox, "x = bytearray(300 << 20)")
    assert (refused.status, allowed.status) == ("memory", "ok")


async def test_a_session_full_of_objects_still_answers(sandbox: LocalSandbox) -> None:
    fill = "x = []\nwhile True: x.append(object())"
    results = await run_cells(sandbox, fill, "y = [0] * 10**6", "del x", "1", timeout_s=60)
    assert [r.status for r in results] == ["memory", "memory", "ok", "ok"]


async def test_what_short_cells_hide_is_added_up(sandbox: LocalSandbox) -> None:
    """Each is over before anyone looks while it runs."""
    cell = "import os\nfor _ in range(2):\n    f = open('f', 'wb'); f.write(bytes(4 << 20)); f.flush()\n"
    cell += "    os.unlink('f'); kept.append(f)"
    results = await run_cells(sandbox, "kept = []", *[cell] * 25, "import time\ntime.sleep(0.7)")
    assert "disk" in [r.status for r in results]
