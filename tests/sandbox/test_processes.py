"""Code that wants processes: what it needs of them among threads works, the rest is refused in words."""

from __future__ import annotations

import pytest

from factory.sandbox.inside.processes import MAX_THREADS
from factory.sandbox.local import LocalSandbox
from tests.sandbox.support import run_cells

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORKS = {
    "thread pool": (
        "from multiprocessing.pool import ThreadPool\nwith ThreadPool(4) as p: r = p.map(abs, [-1, -2])\nr",
        "[1, 2]\n",
    ),
    "dummy pool": ("from multiprocessing.dummy import Pool\nwith Pool(2) as p: r = p.map(abs, [-1])\nr", "[1]\n"),
    "executor": (
        "from concurrent.futures import ThreadPoolExecutor as P\nwith P(3) as p: r = list(p.map(abs, [-1, 2]))\nr",
        "[1, 2]\n",
    ),
    "queue": ("import multiprocessing as m\nq = m.Queue()\nq.put('x')\nq.get(timeout=5)", "'x'\n"),
    "simple queue": ("import multiprocessing as m\nq = m.SimpleQueue()\nq.put(2)\nq.get()", "2\n"),
    "joinable queue": (
        "import multiprocessing as m\nq = m.JoinableQueue()\nq.put(1)\nq.get()\nq.task_done()\nq.join()",
        "",
    ),
    "pipe": ("import multiprocessing as m\na, b = m.Pipe()\na.send(3)\nb.recv()", "3\n"),
    "value": ("import multiprocessing as m\nv = m.Value('i', 4)\nwith v.get_lock(): v.value += 1\nv.value", "5\n"),
    "array": ("import multiprocessing as m\nlist(m.Array('d', [1.5, 2]))", "[1.5, 2.0]\n"),
    "lock": (
        "import multiprocessing as m\nl = m.Lock()\nl.acquire(), l.acquire(False), l.acquire(True, 0.01)",
        "(True, False, False)\n",
    ),
    "released too often": (
        "import multiprocessing as m\nl = m.Lock()\ntry: l.release()\nexcept ValueError as e: print(e)",
        "semaphore or lock released too many times\n",
    ),
    "reentrant lock": (
        "import multiprocessing as m\nl = m.RLock()\nl.acquire(), l.acquire()\nl.release(), l.release()\n"
        "try: l.release()\nexcept AssertionError as e: print(e)",
        "attempt to release recursive lock not owned by thread\n",
    ),
    "lock of another thread": (
        "import multiprocessing as m, threading\nl, seen = m.RLock(), []\nl.acquire();\n"
        "t = threading.Thread(target=lambda: seen.append(l.acquire(False)))\nt.start(); t.join()\nseen",
        "[False]\n",
    ),
    "semaphore": (
        "import multiprocessing as m\ns = m.BoundedSemaphore(2)\ns.acquire(), s.acquire(), s.acquire(False)",
        "(True, True, False)\n",
    ),
    "event": ("import multiprocessing as m\ne = m.Event()\ne.set()\ne.wait(5)", "True\n"),
    "condition": (
        "import multiprocessing as m, threading\nc = m.Condition()\n"
        "def wake():\n    with c: c.notify()\n"
        "with c:\n    threading.Thread(target=wake).start()\n    r = c.wait(5)\nr",
        "True\n",
    ),
    "barrier": (
        "import multiprocessing as m, threading\nb = m.Barrier(2)\nthreading.Thread(target=b.wait).start()\n"
        "b.wait(5) in (0, 1)",
        "True\n",
    ),
}

REFUSED = {
    "process": "import multiprocessing as m\np = m.Process(target=print)\np.start()",
    "pool": "import multiprocessing as m\nwith m.Pool(2) as p: p.map(abs, [1])",
    "spawned pool": "import multiprocessing as m\nwith m.get_context('spawn').Pool(2) as p: p.map(abs, [1])",
    "process executor": (
        "from concurrent.futures import ProcessPoolExecutor as P\nwith P(2) as p: print(list(p.map(abs, [1])))"
    ),
    "manager": "import multiprocessing as m\nm.Manager()",
    "shared memory": "from multiprocessing import shared_memory as s\ns.SharedMemory(create=True, size=10)",
    "fork": "import os\nos.fork()",
    "subprocess": "import subprocess\nsubprocess.run(['ls'])",
    "shell": "import os\nos.system('ls')",
    "shell's output": "import os\nos.popen('ls').read()",
    "exec": "import os\nos.execvp('ls', ['ls'])",
    "asyncio": "import asyncio\nawait asyncio.create_subprocess_exec('ls')",
}


@pytest.mark.parametrize("name", WORKS)
async def test_among_threads_it_works(sandbox: LocalSandbox, name: str) -> None:
    code, expected = WORKS[name]
    (result,) = await run_cells(sandbox, code)
    assert (result.status, result.stdout) == ("ok", expected), result.stderr


@pytest.mark.parametrize("name", REFUSED)
async def test_processes_are_refused_in_one_line(sandbox: LocalSandbox, name: str) -> None:
    refused, after = await run_cells(sandbox, REFUSED[name], "1")
    assert refused.status == "error"
    last = refused.stderr.splitlines()[-1]
    kind = "shared memory" if name == "shared memory" else "child processes or shell commands"
    assert last.startswith(f"PermissionError: [Errno 1] no {kind} here: ")
    assert "threads" in last
    assert after.stdout == "1\n"


async def test_a_loop_that_starts_threads_ends_in_words(sandbox: LocalSandbox) -> None:
    cell = (
        "import threading, time\nthreading.stack_size(65536)\nn = 0\n"
        "while True: threading.Thread(target=time.sleep, args=(30,), daemon=True).start(); n += 1"
    )
    bomb, after = await run_cells(sandbox, cell, "n")
    assert "RuntimeError: can't start new thread" in bomb.stderr
    assert after.stdout == f"{MAX_THREADS}\n"


async def test_threads_started_past_python_end_the_session(sandbox: LocalSandbox) -> None:
    cell = (
        "import ctypes, time\nlibc = ctypes.CDLL(None)\nattr = ctypes.create_string_buffer(64)\n"
        "libc.pthread_attr_init(attr); libc.pthread_attr_setstacksize(attr, 16384)\nt = ctypes.c_ulong()\n"
        f"for _ in range({3 * MAX_THREADS}): libc.pthread_create(ctypes.byref(t), attr, libc.pause, None)\n"
        "time.sleep(9)"
    )
    (result,) = await run_cells(sandbox, cell, timeout_s=20)
    assert (result.status, result.state_lost) == ("killed", True)
    assert f"more than {MAX_THREADS} threads" in result.stderr
