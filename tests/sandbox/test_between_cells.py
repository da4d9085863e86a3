"""What a cell leaves behind (timers, threads, limits, hooks) does not end the session, nor take its variables."""

from __future__ import annotations

import pytest

from factory.sandbox.local import LocalSandbox
from tests.sandbox.support import run_cells

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A thread that continues after its cell; `again` strikes the main thread.
THREAD = """
import ctypes, os, signal, threading, time, _thread
main = threading.main_thread().ident
def go():
    end = time.monotonic() + {seconds}
    while time.monotonic() < end:
        time.sleep(0.0005)
        {again}
threading.Thread(target=go, daemon=True).start()
"""
STRIKES = {
    "interrupts": "_thread.interrupt_main()",
    "terminates": "os.kill(os.getpid(), signal.SIGTERM)",
    "hangs up": "os.kill(os.getpid(), signal.SIGHUP)",
    "raises": "ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(main), ctypes.py_object(KeyError))",
}
# After these the session continues as if nothing had happened.
LEFT = {
    "timer": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.03)",
    "alarm": "import signal\nsignal.alarm(1)",
    "repeated timer": "import signal\nsignal.setitimer(signal.ITIMER_PROF, 0.03, 0.01)",
    "timer with a handler that raises": (
        "import signal\ndef late(*_): raise OSError('late')\nsignal.signal(signal.SIGALRM, late)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.03, 0.01)"
    ),
    "pending signal": (
        "import os, signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
        "os.kill(os.getpid(), signal.SIGTERM)"
    ),
    "no descriptors": "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))",
    "few descriptors": "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (2, 3))",
    "no files": "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
    "less memory": (
        "import resource\nsoft, hard = resource.getrlimit(resource.RLIMIT_AS)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 20, hard))"
    ),
    "no data": "import resource\nresource.setrlimit(resource.RLIMIT_DATA, (0, -1))",
    "hook that refuses to open": (
        "import sys\ndef hook(event, _):\n    if event == 'open': raise RuntimeError('no')\nsys.addaudithook(hook)"
    ),
    "replaced functions": (
        "import os, signal, resource, json, socket, threading\nos.dup2 = os.fstat = os._exit = json.dumps = None\n"
        "json.loads = signal.signal = resource.setrlimit = resource.getrlimit = threading.settrace = None"
    ),
    "event loop": (
        "import asyncio\nawait asyncio.sleep(0)\nasyncio.get_event_loop().run_until_complete(asyncio.sleep(0))"
    ),
}


@pytest.mark.parametrize("name", LEFT)
async def test_the_session_goes_on(sandbox: LocalSandbox, name: str) -> None:
    results = await run_cells(
        sandbox, f"kept = 1\n{LEFT[name]}", "import time\ntime.sleep(0.06)", "kept", "print(kept)"
    )
    assert not any(r.state_lost for r in results), results
    assert [r.stdout for r in results[2:]] == ["1\n", "1\n"], results


@pytest.mark.parametrize("name", STRIKES)
async def test_a_thread_that_strikes_the_idle_session_takes_no_variables(sandbox: LocalSandbox, name: str) -> None:
    """It may hit a cell that runs, as it would anywhere; in the end the variables are there."""
    quiet = "import signal\nfor s in (signal.SIGTERM, signal.SIGHUP): signal.signal(s, lambda *_: None)\nkept = 1\n"
    cells = ["kept"] * 20
    first, *others = await run_cells(sandbox, quiet + THREAD.format(seconds=0.3, again=STRIKES[name]), *cells)
    assert not any(r.state_lost for r in (first, *others)), others
    last = (await run_cells(sandbox, quiet + THREAD.format(seconds=0.0, again="pass"), "kept"))[-1]
    assert last.stdout == "1\n"
    assert any(r.stdout == "1\n" for r in others)


async def test_a_handler_comes_back_with_the_next_cell(sandbox: LocalSandbox) -> None:
    results = await run_cells(
        sandbox,
        "import signal\nsignal.signal(signal.SIGTERM, lambda *_: print('heard'))",
        "signal.raise_signal(signal.SIGTERM)",
    )
    assert results[1].stdout == "heard\n"


async def test_a_refusing_hook_is_the_cell_s_own_trouble(sandbox: LocalSandbox) -> None:
    """An audit hook cannot be taken away: one that refuses to compile lets no cell run, and says so each time."""
    hook = "def hook(event, _):\n    if event == 'compile': raise RuntimeError('never')\n"
    hook += "import sys\nsys.addaudithook(hook)"
    results = await run_cells(sandbox, hook, "1", "2")
    assert [(r.status, r.state_lost) for r in results] == [("ok", False), ("error", False), ("error", False)]
    assert "RuntimeError: never" in results[2].stderr


async def test_a_session_that_has_to_end_says_why(sandbox: LocalSandbox) -> None:
    broken = "import sys\nf = sys._getframe()\nwhile f.f_code.co_name != 'run': f = f.f_back\n"
    broken += "type(f.f_locals['self'])._prepare = lambda self: 1 / 0"
    results = await run_cells(sandbox, broken, "1", "2")
    assert (results[1].status, results[1].state_lost) == ("killed", True)
    assert "broke what the interpreter itself needs: ZeroDivisionError" in results[1].stderr
    assert results[2].stdout == "2\n"


async def test_a_timer_without_a_handler_is_named(sandbox: LocalSandbox) -> None:
    (result,) = await run_cells(
        sandbox, "import signal, time\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\ntime.sleep(5)"
    )
    assert "SIGALRM (a timer of the code's own went off while no handler was set)" in result.stderr


async def test_the_stack_may_grow(sandbox: LocalSandbox) -> None:
    cell = (
        "import resource, sys, threading\nresource.setrlimit(resource.RLIMIT_STACK, (1 << 26, -1))\n"
        "sys.setrecursionlimit(10**6)\nthreading.stack_size(1 << 26)\n"
        "def depth(n): return 0 if n == 0 else 1 + depth(n - 1)\ndepth(20000)"
    )
    (result,) = await run_cells(sandbox, cell)
    assert result.stdout == "20000\n", result.stderr
