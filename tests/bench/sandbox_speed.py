"""What a sandbox session costs, beside a Jupyter kernel that does the same, measured in one run.

    python tests/bench/sandbox_speed.py [--sessions 200] [--kernels 5]

CPU time is the number to plan with: wall time depends on what else the machine does. Sessions' CPU time is read from
their zygote's process accounting, the kernels' from this process's children.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from factory import recipe
from factory.sandbox.inside.privileges import LAYERS
from factory.sandbox.local import LocalSandbox

TRIVIAL = ("x = 1 + 1\nx", "print(x)")
SYMPY = (
    "from sympy import *\nx, y = symbols('x y')\nsolve([x**2 + y**2 - 25, x - y - 1], [x, y])",
    "n = symbols('n', integer=True)\nsummation(n**2, (n, 1, 100)), factor(x**5 - x)",
    "integrate(x**2 * exp(-x), (x, 0, oo)), simplify(sin(x)**4 - cos(x)**4)",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--kernels", type=int, default=5)
    options = parser.parse_args()
    asyncio.run(measure(options.sessions, options.kernels))


async def measure(sessions: int, kernels: int) -> None:
    load = os.getloadavg()[0]
    print(f"{len(os.sched_getaffinity(0))} cores, load {load:.1f}")
    claimed = recipe.SandboxSettings(if_missing="external", external_claim="a measurement")
    async with LocalSandbox() as full, LocalSandbox(claimed, layers=()) as bare:
        ours = await cost(full, TRIVIAL, sessions)
        maths = await cost(full, SYMPY, max(sessions // 4, 10))
        await layers(full, bare, sessions)
        await memory(full)
    jupyter = await kernel_cost(kernels)
    print(f"a Jupyter kernel, two trivial cells: {jupyter * 1000:.0f} ms of CPU")
    print(f"a session,        two trivial cells: {ours * 1000:.1f} ms of CPU, 1/{jupyter / ours:.0f} of it")
    print(f"sessions per second and core: {1 / ours:.0f} trivial, {1 / maths:.1f} with three sympy cells")


async def cost(sandbox: LocalSandbox, cells: tuple[str, ...], count: int) -> float:
    """CPU seconds of one session, its share of the zygote and of this process included; prints the latencies."""
    starts: list[float] = []
    runs: list[float] = []

    async def one() -> None:
        begin = time.perf_counter()
        session = await sandbox.open()
        starts.append(time.perf_counter() - begin)
        for cell in cells:
            begin = time.perf_counter()
            result = await session.run(cell)
            runs.append(time.perf_counter() - begin)
            assert result.status == "ok", result
        await session.close()

    await one()
    starts.clear()
    runs.clear()
    used = await cpu_of(sandbox, one, count)
    name = "trivial" if cells is TRIVIAL else "sympy"
    print(f"{name}: session start {spread(starts)}, cell {spread(runs)}")
    return used / count


async def cpu_of(sandbox: LocalSandbox, one: Callable[[], Awaitable[None]], count: int) -> float:
    before = zygote_cpu(sandbox) + time.process_time()
    for _ in range(count):
        await one()
    return zygote_cpu(sandbox) + time.process_time() - before


async def layers(full: LocalSandbox, bare: LocalSandbox, count: int) -> None:
    """The cost of all isolation layers, by turns of ten sessions, so that the machine's load hits both alike."""
    used = {"full": 0.0, "bare": 0.0}
    for _ in range(max(count // 10, 1)):
        for name, sandbox in (("full", full), ("bare", bare)):

            async def one(sandbox: LocalSandbox = sandbox) -> None:
                session = await sandbox.open()
                for cell in TRIVIAL:
                    await session.run(cell)
                await session.close()

            used[name] += await cpu_of(sandbox, one, 10)
    extra = used["full"] / used["bare"] - 1
    per = {name: value / (max(count // 10, 1) * 10) * 1000 for name, value in used.items()}
    print(
        f"isolation: {per['full']:.1f} ms of CPU with all {len(LAYERS)} layers, {per['bare']:.1f} without: +{extra:.0%}"
    )


async def memory(sandbox: LocalSandbox) -> None:
    idle, busy = [], []
    for _ in range(10):
        session = await sandbox.open()
        await session.run(TRIVIAL[0])
        assert session._process is not None
        idle.append(private_mb(session._process.pid))
        for cell in SYMPY:
            await session.run(cell)
        busy.append(private_mb(session._process.pid))
        await session.close()
    print(
        f"memory of a session's own: {statistics.median(idle):.1f} MiB idle, {statistics.median(busy):.1f} after sympy"
    )


async def kernel_cost(count: int) -> float:
    """CPU seconds of a Jupyter kernel that is started, runs the two trivial cells and is shut down."""
    from jupyter_client.manager import AsyncKernelManager

    before = time.process_time() + children_cpu()
    for _ in range(count):
        manager = AsyncKernelManager(kernel_name="python3")
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=120)
        for cell in TRIVIAL:
            await client.execute_interactive(cell, timeout=60, output_hook=lambda message: None)
        client.stop_channels()
        await manager.shutdown_kernel(now=False)
    return (time.process_time() + children_cpu() - before) / count


def zygote_cpu(sandbox: LocalSandbox) -> float:
    """CPU seconds of the zygote and of its ended sessions."""
    assert sandbox._zygote is not None
    fields = Path(f"/proc/{sandbox._zygote.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def private_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1024


def spread(values: list[float]) -> str:
    ordered = sorted(values)
    return f"median {statistics.median(ordered) * 1000:.2f} ms, p99 {ordered[int(len(ordered) * 0.99)] * 1000:.2f} ms"


if __name__ == "__main__":
    main()
