"""Many sessions in a row leave no process, no file, no descriptor, and memory stays flat.

python tests/bench/sandbox_soak.py [--sessions 10000]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from pathlib import Path

from factory.sandbox.local import LocalSandbox

CELLS = (
    "x = 1 + 1\nx",
    "open('f', 'w').write('x' * 1000)",
    "import sympy\nsympy.factor(sympy.Symbol('x')**4 - 1)",
    "1 / 0",
    "import os; os._exit(1)",
    "print('y' * 100_000)",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=10_000)
    asyncio.run(soak(parser.parse_args().sessions))


async def soak(count: int) -> None:
    async with LocalSandbox() as sandbox:
        await run(sandbox, 200)
        before = state(sandbox)
        print(f"after   200 sessions: {before}")
        began = time.perf_counter()
        for tenth in range(1, 11):
            await run(sandbox, count // 10)
            print(f"after {tenth * (count // 10) + 200:5} sessions: {state(sandbox)}", flush=True)
        took = time.perf_counter() - began
        after = state(sandbox)
        root = sandbox._root.path if sandbox._root else ""
    print(f"{count} sessions in {took:.0f} s ({count / took:.0f}/s), load {os.getloadavg()[0]:.1f}")
    leaked = [key for key in ("processes", "files", "descriptors") if after[key] != before[key]]
    print("leaked:", leaked or "nothing", "| folder left:", Path(root).name in os.listdir(Path(root).parent))
    grown = {key: after[key] - before[key] for key in ("actor_mb", "zygote_mb")}
    print("memory grown by (MiB):", grown)


async def run(sandbox: LocalSandbox, count: int) -> None:
    gate = asyncio.Semaphore(4)

    async def one(number: int) -> None:
        async with gate:
            session = await sandbox.open(seed=number)
            await session.run(CELLS[number % len(CELLS)])
            await session.close()

    await asyncio.gather(*(one(number) for number in range(count)))


def state(sandbox: LocalSandbox) -> dict[str, int]:
    assert sandbox._zygote is not None
    assert sandbox._root is not None
    pid = sandbox._zygote.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return {
        "processes": len(children),
        "files": sum(len(files) + len(folders) for _, folders, files in os.walk(sandbox._root.path)),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "actor_mb": resident_mb(os.getpid()),
        "zygote_mb": resident_mb(pid),
    }


def resident_mb(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


if __name__ == "__main__":
    main()
