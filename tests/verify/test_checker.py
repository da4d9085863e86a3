"""The checker under attack: every pair ends, nothing is lost, and the pool stays healthy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import uvloop

from factory.verify import Checker, Equivalence
from factory.verify import checker as checker_module
from tests.conftest import ROOT

FOR_EVER = ("\\int_0^{10} \\sin(x^{x^{x^{x}}}) e^{\\cos(x!)} dx", "3")  # only sympy would try

ADVERSARIAL = [
    ("5", "10^{10^{10}}"),
    ("10^{10^{10^{10}}}", "10^{10^{10^{10}}}+1"),
    ("2", "\\sqrt{" * 40 + "2" + "}" * 40),
    ("2", "\\sqrt{" * 20_000 + "2" + "}" * 20_000),
    ("1" * 10_000, "1" * 9_999 + "2"),
    ("5", "0." + "3" * 10_000),
    ("5", "{" * 50_000),
    ("5", "}" * 50_000),
    ("5", "(" * 3_000 + "5" + ")" * 3_000),
    ("5", "-" * 3_000 + "5"),
    ("5", "x^" * 1_500 + "x"),
    ("5", "\\frac" * 500),
    ("5", "\\left(" * 500),
    ("5", "a" * 1_000_000),
    ("5", "\\boxed{" * 140_000),
    ("5", "$" * 100_000),
    ("5", "((((1+x)^{99})^{99})^{99})^{99}"),
    ("5", "\\binom{10^9}{5\\cdot 10^8}"),
    ("5", "(10^6)!"),
    ("5", "\\sum_{k=1}^{10^9} k"),
    ("5", "\\{" + ",".join(map(str, range(2_000))) + "\\}"),
    ("5", "\ud800 \x00 \u202e"),
    ("5", "1/0"),
    ("5", "0^{-1}"),
    ("5", "|" * 999),
    ("5", "\\begin{pmatrix}" * 200),
]


@contextlib.asynccontextmanager
async def healthy(**options):
    """A checker that must still compare properly when the block is done."""
    async with Checker(**options) as checker:
        yield checker
        assert (await checker.equal("\\sqrt{50}", "5\\sqrt{2}")).equal is True
        assert (await checker.equal("\\sqrt{50}", "5\\sqrt{3}")).equal is False


async def test_adversarial_answers_end_and_leave_the_pool_healthy():
    async with healthy(workers=1, timeout_s=1.0) as checker:
        for gold, prediction in ADVERSARIAL:
            verdict = await checker.equal(gold, prediction)
            assert verdict.equal is not True, prediction[:40]
            swapped = await checker.equal(prediction, gold)
            assert swapped.equal is not True, prediction[:40]


async def test_a_pair_past_its_budget_is_undecided_and_its_worker_replaced():
    async with healthy(workers=1, timeout_s=0.5) as checker:
        await checker.equal("1/2", "0.5")
        first = checker.process_ids()
        assert await checker.equal(*FOR_EVER) == Equivalence(None, "undecided", "timeout")
        assert checker.stats.replaced == 1
        assert (await checker.equal("1/2", "2/4")).equal is True
        assert checker.process_ids() != first
        assert not any(psutil.pid_exists(pid) for pid in first)


async def test_a_slow_pair_holds_up_only_its_own_worker():
    async with healthy(workers=2, timeout_s=3.0) as checker:
        await checker.warm_up()
        slow = asyncio.create_task(checker.equal(*FOR_EVER))
        quick = [await checker.equal("1/2", f"{k}/{2 * k}") for k in range(2, 30)]
        assert all(verdict.equal for verdict in quick)
        assert not slow.done()
        assert (await slow).detail == "timeout"


async def kill_the_worker(checker: Checker, later_s: float = 0.0) -> None:
    """Kill the one worker once it has a pair."""
    (worker,) = checker._workers
    while not (worker.tainted and worker.process_id):  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    await asyncio.sleep(later_s)
    os.kill(worker.process_id, signal.SIGKILL)


async def test_a_worker_killed_from_outside_costs_its_pair_nothing():
    async with healthy(workers=1, timeout_s=30.0) as checker:
        await checker.warm_up()
        task = asyncio.create_task(checker.equal("\\int_0^1 x\\,dx", "\\lim_{x\\to 0} (x + 1/2)"))
        await kill_the_worker(checker, 0.2)  # while it imports sympy
        assert (await task).equal is True
        assert checker.stats.replaced == 1


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_worker_killed_between_two_pairs_costs_the_next_one_nothing(loop):
    """Ray Serve brings uvloop into the processes that run programs."""

    async def two_pairs() -> tuple[Equivalence, Equivalence, int]:
        async with healthy(workers=1, timeout_s=30.0) as checker:
            first = await checker.equal("1/2", "2/4")
            (worker,) = checker._workers
            process = psutil.Process(worker.process_id)
            process.kill()
            while worker._process.returncode is None:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            return first, await checker.equal("1/3", "2/6"), checker.stats.replaced

    with asyncio.Runner(loop_factory=loop) as runner:
        first, second, replaced = runner.run(two_pairs())
    assert (first.equal, second.equal, replaced) == (True, True, 1)


async def test_a_pair_that_kills_two_workers_is_undecided():
    async with healthy(workers=1, timeout_s=60.0) as checker:
        await checker.warm_up()
        task = asyncio.create_task(checker.equal(*FOR_EVER))
        await kill_the_worker(checker)
        while checker.stats.replaced == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await kill_the_worker(checker)
        assert (await task).detail == "crash"
        assert checker.stats.replaced == 2


async def size_of_a_worker() -> int:
    """MiB of address space that a fresh worker takes."""
    async with Checker(workers=1) as checker:
        await checker.warm_up()
        (process_id,) = checker.process_ids()
        return psutil.Process(process_id).memory_info().vms >> 20


def test_a_worker_starts_without_arrow_and_numpy():
    """They are most of an import's time and of a process's size, and there are many workers."""
    code = "import sys, factory.verify.worker; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "factory.verify.worker" in loaded
    assert {"pyarrow", "numpy", "sympy", "ray"}.isdisjoint(loaded)


async def test_a_worker_past_its_memory_bound_is_replaced():
    """12 MiB more than a worker starts with are enough for our own rules, but not for sympy, which takes about 35."""
    memory_mb = await size_of_a_worker() + 12
    async with healthy(workers=1, timeout_s=30.0, memory_mb=memory_mb) as checker:
        verdict = await checker.equal("\\int_0^1 x\\,dx", "\\lim_{x\\to 0} x")
        assert verdict.equal is None
        assert verdict.detail in ("memory", "crash")
        assert checker.stats.replaced in (1, 2)  # an import without memory may also crash, which gets a second try


async def test_verdicts_are_cached_by_normal_form_but_not_timeouts():
    async with healthy(workers=1, timeout_s=0.5) as checker:
        await checker.equal("\\frac{1}{2}", "0.25 + 0.25")
        for gold, prediction in (
            ("\\frac{1}{2}", "$0.25+0.25$"),
            ("\\dfrac{1}{2}", "0.25+0.25."),
            ("\\tfrac{1}{2}", "\\boxed{0.25 + 0.25}"),
        ):
            assert (await checker.equal(gold, prediction)).equal is True
        assert checker.stats.cached == 3
        await checker.equal(*FOR_EVER)
        await checker.equal(*FOR_EVER)
        assert checker.stats.replaced == 2


async def test_equal_pairs_under_way_are_compared_once():
    async with Checker(workers=1) as checker:
        verdicts = await asyncio.gather(*(checker.equal("\\sqrt{8}", "2\\sqrt{2}") for _ in range(50)))
        assert all(verdict.equal for verdict in verdicts)
        assert checker.stats.cached == 49


async def test_the_cache_is_bounded():
    async with Checker(workers=1, cache_size=3) as checker:
        for k in range(10):
            await checker.equal("1/2", f"{k}/7")
        assert len(checker._cache) == 3


async def test_a_cancelled_comparison_does_not_shift_the_answers_of_the_next():
    async with healthy(workers=1, timeout_s=30.0) as checker:
        await checker.warm_up()
        task = asyncio.create_task(checker.equal(*FOR_EVER))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await checker.equal("2/4", "1/2")).equal is True
        assert (await checker.equal("2/4", "1/3")).equal is False


async def test_nothing_predicted_is_unequal_without_a_worker():
    async with Checker(workers=1) as checker:
        assert (await checker.equal("5", None)).equal is False
        assert (await checker.equal("5", "  ")).equal is False
        assert checker.process_ids() == []


async def test_close_kills_the_workers_and_refuses_further_pairs():
    checker = Checker(workers=2)
    await checker.warm_up()
    pids = checker.process_ids()
    assert len(pids) == 2
    await checker.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    with pytest.raises(RuntimeError, match="closed"):
        await checker.equal("1", "2")


async def test_a_worker_that_cannot_start_is_an_error_that_says_so(monkeypatch):
    monkeypatch.setattr(checker_module, "_WORKER", "factory.verify.no_such_module")
    async with Checker(workers=1) as checker:
        with pytest.raises(checker_module.FactoryError, match="no checker process starts"):
            await checker.equal("\\sqrt{8}", "2\\sqrt{2}")


PARENT = """
import asyncio, sys
from factory.verify import Checker
async def main():
    checker = Checker(workers=2)
    await checker.warm_up()
    print(*checker.process_ids(), flush=True)
    await asyncio.gather(checker.equal("\\\\int_0^{10} \\\\sin(x^{x^{x}}) dx", "3"), asyncio.sleep(60))
asyncio.run(main())
"""


def test_workers_die_with_their_parent():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 120
    while any(_lives(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_lives(pid) for pid in workers)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
