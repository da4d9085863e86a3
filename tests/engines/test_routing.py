"""Where a trace's next turn goes: to its prefix, unless the replica that holds it has more than its share."""

from __future__ import annotations

import pytest

from factory.engines import routing
from factory.engines.protocol import EngineLoad
from factory.engines.routing import PoolLoads
from tests.engines.pool_world import PoolWorld

RING = ["a", "b", "c", "d"]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def loads(clock):
    return PoolLoads(clock)


def load(running: int, waiting: int = 0) -> EngineLoad:
    return EngineLoad(running=running, waiting=waiting, capacity=10)


def test_nothing_heard_is_the_order_of_the_ring(loads):
    assert loads.rank("t", RING) == RING


def test_a_replica_above_its_share_is_passed_over_and_stays_the_last_resort(loads):
    loads.report("x", "a", load(10, 10))
    loads.report("y", "b", load(5))
    assert loads.rank("t", RING) == ["b", "c", "d", "a"]
    loads.report("y", "b", load(10, 10))
    assert loads.rank("t", RING) == RING  # all alike again


def test_a_trace_that_was_moved_stays_where_its_prefix_is(loads):
    loads.report("t", "c", load(5))
    assert loads.rank("t", RING)[0] == "c"
    loads.report("x", "a", load(5))
    assert loads.rank("t", RING)[0] == "c"
    loads.report("x", "c", load(10, 5))
    assert loads.rank("t", RING)[0] == "a"


def test_a_home_that_is_gone_is_no_choice(loads):
    loads.report("t", "gone", load(1))
    assert loads.rank("t", RING) == RING


def test_an_old_report_says_nothing(loads, clock):
    loads.report("x", "a", load(10, 10))
    loads.report("y", "b", load(1))
    assert loads.rank("t", RING)[0] == "b"
    clock.now = routing.HEARD_S + 1
    assert loads.rank("t", RING) == RING


def test_every_replica_is_ranked_once_whatever_was_heard(loads):
    for n, replica in enumerate(RING):
        loads.report(f"t{n}", replica, load(n, 3 * n))
    assert sorted(loads.rank("t2", RING)) == RING
    assert loads.rank("t", []) == []


def test_homes_are_bounded(loads, monkeypatch):
    monkeypatch.setattr(routing, "HOMES", 10)
    for n in range(100):
        loads.report(f"t{n}", "d", load(1))
    assert len(loads._homes) == 10
    assert loads.rank("t99", RING)[0] == "d"
    assert loads.rank("t0", RING)[0] == "a"


def test_a_pool_of_two_speeds_is_kept_busy_and_traces_mostly_stay():
    """By the ring alone the slow half piles up what the fast half lacks."""
    rates = {}
    for hashed in (True, False):
        world = PoolWorld([60.0] * 4 + [20.0] * 4, slots=8, hashed=hashed)
        world.run(300)
        rates[hashed] = world.run(300) / world.possible
    assert rates[True] < 0.7
    assert rates[False] > 0.9
    assert world.prefix_hits > 0.8


def test_a_share_of_the_cache_kept_free_ends_preemption_when_lengths_double():
    """The engine's watermark, in the same miniature: what vLLM does without one is computed again."""
    rates, preemptions = {}, {}
    for kept_free in (0.0, 0.1):
        world = PoolWorld([60.0], slots=24, kv_tokens=24 * 7000, gate=1 - kept_free, prefill_per_s=3000, workers=1)
        world.run(300)
        before = world.preemptions
        world.turn_tokens *= 2
        world.run(500)
        rates[kept_free] = world.run(500)
        preemptions[kept_free] = world.preemptions - before
    assert rates[0.1] > 1.1 * rates[0.0]
    assert preemptions[0.1] < 0.2 * preemptions[0.0]
