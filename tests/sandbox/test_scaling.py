"""The pool's size follows waiting time, between its bounds."""

from __future__ import annotations

import asyncio

from factory.sandbox.scaling import GROW_AFTER_S, Scaler, choose
from factory.sandbox.slots import CellSlots, SandboxLoad

SHRINK_AFTER_S = 60.0
IDLE = SandboxLoad(sessions=0, running=0, waiting=0, waited_s=0.0)
BUSY = SandboxLoad(sessions=5, running=1, waiting=4, waited_s=GROW_AFTER_S + 1)
CALM = SandboxLoad(sessions=5, running=1, waiting=0, waited_s=0.0)


def test_starts_up_to_the_lower_bound() -> None:
    scaler = Scaler(2, 4, SHRINK_AFTER_S)
    assert scaler.step({}, set(), 0, 0.0).start == 1
    assert scaler.step({}, set(), 2, 0.0).start == 0
    assert scaler.step({"a": IDLE}, set(), 0, 0.0).start == 1


def test_grows_while_cells_wait_everywhere_and_not_beyond_the_upper_bound() -> None:
    scaler = Scaler(1, 2, SHRINK_AFTER_S)
    assert scaler.step({"a": BUSY}, set(), 0, 0.0).start == 1
    assert scaler.step({"a": BUSY}, set(), 1, 1.0).start == 0  # one is on its way
    assert scaler.step({"a": BUSY, "b": BUSY}, set(), 0, 2.0).start == 0
    assert Scaler(1, 3, SHRINK_AFTER_S).step({"a": BUSY, "b": CALM}, set(), 0, 0.0).start == 0


def test_shrinks_only_after_a_long_calm_and_not_below_the_lower_bound() -> None:
    scaler = Scaler(1, 3, SHRINK_AFTER_S)
    loads = {"a": CALM, "b": IDLE}
    assert scaler.step({"a": BUSY, "b": BUSY}, set(), 0, 0.0).drain is None
    assert scaler.step(loads, set(), 0, 1.0).drain is None
    assert scaler.step(loads, set(), 0, SHRINK_AFTER_S + 1.0).drain == "b"
    assert scaler.step({"a": IDLE}, set(), 0, 10_000.0).drain is None


def test_a_draining_actor_is_taken_back_before_a_new_one_is_started() -> None:
    step = Scaler(1, 3, SHRINK_AFTER_S).step({"a": BUSY, "b": CALM}, {"b"}, 0, 0.0)
    assert (step.start, step.refill) == (0, "b")


def test_a_new_session_goes_where_nobody_waits_and_few_sessions_are() -> None:
    assert choose({"a": BUSY, "b": CALM, "c": IDLE}) == "c"
    assert choose({"a": BUSY, "b": CALM}) == "b"


async def test_slots_count_who_runs_and_who_waits() -> None:
    slots = CellSlots(1)
    async with slots.one():
        waiter = asyncio.create_task(_hold(slots))
        await asyncio.sleep(0.02)
        load = slots.load(7)
        assert (load.sessions, load.running, load.waiting) == (7, 1, 1)
        assert load.waited_s > 0
        waiter.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert slots.load(0).waiting == 0
    assert slots.load(0) == SandboxLoad(0, 0, 0, 0.0)


async def _hold(slots: CellSlots) -> None:
    async with slots.one():
        pass
