"""Cells that attack their own interpreter: they may ruin their session, never the actor, nor what is said of them."""

from __future__ import annotations

import pytest

from factory.sandbox.local import LocalSandbox
from tests.sandbox.support import run_cells, state_of, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

# A cell that tampers; afterwards the same session answers as if nothing had happened.
HARMLESS = {
    "replace builtins": "import builtins\nbuiltins.len = builtins.eval = builtins.compile = None",
    "remove builtins": "import builtins\nvars(builtins).clear()",
    "empty sys.modules": "import sys\nsys.modules.clear()",
    "poison sys.modules": "import sys\nfor m in ('ast', 'traceback', 'json', 'io'): sys.modules[m] = None",
    "close stdout": "import sys\nsys.stdout.close()",
    "close the descriptors": "import os\nos.close(1); os.close(2)",
    "replace stdout": "import sys\nsys.stdout = sys.stderr = None",
    "close the lowest descriptors": "import os\nos.closerange(0, 3)",
    "replace stdout by one that exits": (
        "import sys\nclass Out:\n    def flush(self): raise SystemExit\nsys.stdout = Out()"
    ),
    "replace stdout by an object": "import sys\nsys.stdout = object()",
    "trace": "import sys\nsys.settrace(lambda *a: 1 / 0)",
    "profile": "import sys, threading\nsys.setprofile(lambda *a: None); threading.setprofile(None)",
    "recursion limit": "import sys\nsys.setrecursionlimit(50)",
    "hooks": "import sys\nsys.excepthook = sys.displayhook = sys.unraisablehook = None",
    "main": "import sys\ndel sys.modules['__main__']",
    "line cache": "import linecache\nlinecache.cache.clear(); linecache.getlines = None",
    "change folder": "import os\nos.mkdir('d'); os.chdir('d'); os.rmdir('../d')",
    "environment": "import os\nos.environ.clear()",
    "interrupt handler": "import signal\nsignal.signal(signal.SIGUSR2, signal.SIG_IGN)",
    "mask": "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))",
    "import system": "import sys\nsys.path.clear(); sys.meta_path.clear(); sys.path_hooks.clear()",
    "exit hook": "import atexit\natexit.register(print, 'exit')",
    "collector": "import gc\ngc.disable(); gc.set_threshold(0)",
    "raise in a thread": "import threading\nthreading.Thread(target=lambda: 1 / 0).start()",
    "interrupt oneself": "import os, signal\nos.kill(os.getpid(), signal.SIGUSR2)",
    "warnings": "import warnings\nwarnings.showwarning = None; warnings.simplefilter('error')",
    "raise StopIteration": "raise StopIteration",
    "raise GeneratorExit": "raise GeneratorExit",
}

# A cell that ends its process, and what is said about it.
FATAL = {
    "_exit": ("import os\nos._exit(0)", "exited with status 0"),
    "kill": ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    "abort": ("import os\nos.abort()", "SIGABRT"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "SIGSEGV"),
    "bad bytecode": (
        "import types\ndef f(): pass\nf.__code__ = f.__code__.replace(co_code=b'\\x64\\xff' * 50)\nf()",
        "",
    ),
    "real-time signal": ("import os\nos.kill(os.getpid(), 40)", "signal 40"),
    "terminate": ("import os, signal\nsignal.raise_signal(signal.SIGTERM)", "SIGTERM"),
    "close everything": ("import os\nos.closerange(0, 64)", ""),
    "garbage on the socket": (
        "import os, socket, stat\nfor fd in range(64):\n    try:\n        if stat.S_ISSOCK(os.fstat(fd).st_mode):"
        " os.write(fd, b'GARBAGE!' * 10)\n    except OSError: pass",
        "",
    ),
}

# The key of a cell's answer can be read from the runner's own variables, which share the process with the cell.
FORGE = """
import json, os, stat, struct, sys, time
frame = sys._getframe()
while 'request' not in frame.f_locals: frame = frame.f_back
key = frame.f_locals['request']['key']
def forge(times=1, **message):
    body = json.dumps(message).encode()
    for fd in range(64):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode): os.write(fd, times * (struct.pack('>I', len(body)) + body))
        except OSError: pass
"""


@pytest.mark.parametrize("name", HARMLESS)
async def test_the_session_goes_on(sandbox: LocalSandbox, name: str) -> None:
    checks = ("kept + len([1])", "print('a')", "1 / 0", "x = 3\nx")
    session = await sandbox.open()
    await session.run("kept = 1")
    tampered = await session.run(HARMLESS[name])
    results = [await session.run(cell) for cell in checks]
    await session.close()
    assert not tampered.state_lost, tampered
    assert [r.stdout for r in results] == ["2\n", "a\n", "", "3\n"], results
    assert results[2].stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("name", FATAL)
async def test_the_end_of_a_process_is_never_ok(sandbox: LocalSandbox, name: str) -> None:
    cell, why = FATAL[name]
    lost, after = await run_cells(sandbox, "print('before')\n" + cell, "1 + 1", timeout_s=3)
    assert (lost.status, lost.state_lost) == ("killed", True)
    assert lost.stdout == "before\n"
    assert why in lost.stderr
    assert (after.status, after.stdout) == ("ok", "2\n")


async def test_a_forged_answer_ends_the_session_at_the_next_cell(sandbox: LocalSandbox) -> None:
    forged, after, third = await run_cells(
        sandbox,
        FORGE + "forge(key=key, status='ok', trace='')\ntime.sleep(2)",
        "print('second')",
        "print('third')",
        timeout_s=9,
    )
    assert forged.status == "ok"  # a cell can lie about its own success
    assert (after.status, after.state_lost) == ("killed", True)
    assert third.stdout == "third\n"


async def test_two_answers_at_once_kill(sandbox: LocalSandbox) -> None:
    """As a forged one and the session's own arrive where the actor is slow to read."""
    (result,) = await run_cells(sandbox, f"{FORGE}forge(2, key=key, status='ok', trace='')\ntime.sleep(5)", timeout_s=3)
    assert (result.status, result.state_lost) == ("killed", True)
    assert "more than its answer" in result.stderr


@pytest.mark.parametrize(
    "message",
    [
        "key='guessed', status='ok', trace=''",
        "n=1, status='ok', trace=''",
        "key=key, status='perfect', trace=''",
        "key=key, status='timeout', trace=''",
        "key=key, status='ok'",
        "key=key, status='ok', trace=5",
    ],
)
async def test_a_wrong_answer_kills(sandbox: LocalSandbox, message: str) -> None:
    (result,) = await run_cells(sandbox, f"{FORGE}forge({message})\ntime.sleep(5)", timeout_s=3)
    assert (result.status, result.state_lost) == ("killed", True)


async def test_a_forged_timeout_flag_does_not_hide_a_timeout(sandbox: LocalSandbox) -> None:
    cell = (
        FORGE
        + "def spin():\n    while True: pass\ntry: spin()\nexcept BaseException: forge(key=key, status='ok', trace='')"
    )
    (result,) = await run_cells(sandbox, cell, timeout_s=0.3)
    assert result.status == "timeout"


async def test_late_output_of_a_thread_is_not_in_the_next_cell(sandbox: LocalSandbox) -> None:
    cell = (
        "import threading, time, os\ndef late():\n    while True:\n        os.write(1, b'LATE\\n'); time.sleep(0.001)\n"
        "threading.Thread(target=late, daemon=True).start(); time.sleep(0.05)"
    )
    results = await run_cells(sandbox, cell, "import time", "stop = True")
    assert "LATE" in results[0].stdout
    assert len(results[1].stdout) < 100  # what it prints while the next cell runs can't be told from that cell's own


async def test_nothing_runs_between_cells(sandbox: LocalSandbox) -> None:
    count = "n = 0\ndef spin():\n    global n\n    while True: n += 1\nimport threading\n"
    count += "threading.Thread(target=spin, daemon=True).start()"
    session = await sandbox.open()
    await session.run(count)
    assert session._process is not None
    pid = session._process.pid
    assert until(lambda: state_of(pid) == "T")
    await session.close()


async def test_a_long_forged_traceback_is_cut(sandbox: LocalSandbox) -> None:
    cell = f"{FORGE}forge(key=key, status='error', trace='x' * 60000)\ntime.sleep(5)"
    (result,) = await run_cells(sandbox, cell, timeout_s=3)
    assert (result.status, len(result.stderr)) == ("error", 5000)


async def test_a_timeout_of_the_cell_s_own_making_is_an_error(sandbox: LocalSandbox) -> None:
    cell = "raise next(c for c in BaseException.__subclasses__() if c.__name__ == 'CellTimeout')"
    (result,) = await run_cells(sandbox, cell)
    assert (result.status, result.stderr.splitlines()[-1]) == ("error", "CellTimeout")
