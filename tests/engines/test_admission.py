"""Admission keeps a simulated pool full without being told what programs do, and says where idle time went."""

from __future__ import annotations

import asyncio
import random

import pytest

from factory.engines.admission import Admission
from factory.engines.protocol import EngineLoad


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class World:
    """Programs that decode and call tools in turns on a pool of `capacity` slots, in steps of a tenth of a second.

    `kv_slots` is what the cache really holds, where that is less than the pool's nominal capacity.
    """

    def __init__(self, *, capacity, decode_s, tool_s, turns=5, work=10**9, kv_slots=None, workers=1, most=100_000):
        self.clock, self.random = Clock(), random.Random(0)
        self.admissions = [Admission(most=most, clock=self.clock) for _ in range(workers)]
        self.capacity, self.kv_slots = capacity, kv_slots
        self.decode_s, self.tool_s, self.turns, self.work = decode_s, tool_s, turns, work
        self.queue, self.decoding, self.tools = [], [], []  # (seconds left, turns left, worker)
        self.used = self.offered = 0.0
        self.longest_queue = self.most_programs = 0

    def run(self, seconds, every_s=2.0, measure_from=0.0):
        end = self.clock.now + seconds
        while self.clock.now < end:
            self._step(0.1)
            if self.clock.now >= measure_from:
                self.used += len(self.decoding)
                self.offered += self.slots
                self.longest_queue = max(self.longest_queue, len(self.queue))
                self.most_programs = max(self.most_programs, sum(a.in_flight for a in self.admissions))
            if int(self.clock.now / every_s) != int((self.clock.now - 0.1) / every_s):
                load = EngineLoad(running=len(self.decoding), waiting=len(self.queue), capacity=self.capacity)
                for worker, admission in enumerate(self.admissions):
                    admission.observe(load, in_tools=sum(w == worker for _, _, w in self.tools))
        return self.used / self.offered if self.offered else 0.0

    @property
    def slots(self):
        return min(self.capacity, self.kv_slots or self.capacity)

    def _step(self, dt):
        self.clock.now += dt
        for worker, admission in enumerate(self.admissions):
            while admission.in_flight < admission.target and self.work > 0:
                admission.in_flight += 1
                self.work -= 1
                self.queue.append((self._time(self.decode_s), self.turns, worker))
        self.decoding, done = self._advance(self.decoding, dt)
        self.tools, back = self._advance(self.tools, dt)
        self.queue += [(self._time(self.decode_s), turns, worker) for _, turns, worker in back]
        for _, turns, worker in done:
            if turns == 1:
                self.admissions[worker].in_flight -= 1
            else:
                self.tools.append((self._time(self.tool_s), turns - 1, worker))
        while self.queue and len(self.decoding) < self.slots:
            self.decoding.append(self.queue.pop(0))

    def _advance(self, items, dt):
        items = [(left - dt, turns, worker) for left, turns, worker in items]
        return [i for i in items if i[0] > 0], [i for i in items if i[0] <= 0]

    def _time(self, mean):
        return self.random.lognormvariate(0, 0.7) * mean


@pytest.mark.parametrize("tool_s", [0.0, 5.0, 20.0, 90.0])
@pytest.mark.parametrize("workers", [1, 4])
def test_the_pool_is_full_whatever_share_of_time_goes_to_tools(tool_s, workers):
    world = World(capacity=64, decode_s=10.0, tool_s=tool_s, workers=workers)
    assert world.run(1200, measure_from=300) > 0.97
    assert world.longest_queue < 3 * 64
    expected = 64 * (10.0 + tool_s) / 10.0
    assert world.most_programs < 2.0 * expected


def test_it_follows_a_pool_that_grows_and_shrinks():
    world = World(capacity=32, decode_s=10.0, tool_s=10.0)
    world.run(300)
    small = world.most_programs
    world.capacity = 128
    assert world.run(600, measure_from=600) > 0.97
    assert world.most_programs > 2 * small
    world.capacity = 32
    world.run(300)
    world.longest_queue = 0
    assert world.run(300, measure_from=1200) > 0.97
    assert world.longest_queue < 32


def test_a_cache_that_holds_less_than_the_nominal_capacity_bounds_the_queue():
    world = World(capacity=256, decode_s=10.0, tool_s=10.0, kv_slots=60)
    assert world.run(900, measure_from=300) > 0.97
    assert world.longest_queue < 256
    assert world.most_programs < 256


def test_memory_is_bounded_by_the_most_programs_allowed():
    world = World(capacity=64, decode_s=1.0, tool_s=100.0, most=200)
    world.run(600)
    assert world.most_programs == 200


def test_while_no_engine_is_up_nothing_more_is_let_in():
    admission = Admission(most=1000, first=4)
    for _ in range(50):
        admission.in_flight = admission.target
        admission.observe(EngineLoad(running=0, waiting=4, capacity=0))
    assert admission.target == 4


class TestIdleTime:
    """One second each, of a pool of ten slots."""

    def admission(self, *, in_flight, queued):
        clock = Clock()
        admission = Admission(most=20, clock=clock)
        admission.observe(EngineLoad(running=0, waiting=0, capacity=0))
        clock.now = 1.0
        admission.in_flight = admission.target = in_flight
        loop = asyncio.new_event_loop()
        admission._gate.extend(loop.create_future() for _ in range(queued))
        loop.close()
        return admission

    def test_waiting_for_memory_is_a_cause_of_its_own(self):
        admission = self.admission(in_flight=9, queued=5)
        admission.observe(EngineLoad(running=4, waiting=6, capacity=10, kv_usage=0.9), in_tools=3)
        assert admission.idle.memory == pytest.approx(0.6)
        assert admission.idle.engine == 0

    @pytest.mark.parametrize(
        ("load", "in_flight", "queued", "in_tools", "expected"),
        [
            ((10, 3, 10), 9, 5, 0, {"busy": 1.0}),
            ((0, 4, 0), 4, 5, 0, {"loading": 1.0}),
            ((0, 0, 0), 0, 0, 0, {"no_work": 1.0}),
            ((4, 0, 10), 9, 5, 9, {"busy": 0.4, "tools": 0.6}),
            ((4, 0, 10), 9, 5, 3, {"busy": 0.4, "tools": 0.3, "ramp": 0.3}),
            ((4, 0, 10), 9, 5, 0, {"busy": 0.4, "ramp": 0.6}),
            ((4, 0, 10), 20, 5, 3, {"busy": 0.4, "tools": 0.3, "limit": 0.3}),
            ((4, 6, 10), 9, 5, 3, {"busy": 0.4, "engine": 0.6}),
            ((4, 0, 10), 4, 0, 3, {"busy": 0.4, "tools": 0.3, "tail": 0.3}),
            ((0, 0, 10), 0, 0, 0, {"no_work": 1.0}),
        ],
    )
    def test_each_second_has_a_cause(self, load, in_flight, queued, in_tools, expected):
        admission = self.admission(in_flight=in_flight, queued=queued)
        running, waiting, capacity = load
        admission.observe(EngineLoad(running=running, waiting=waiting, capacity=capacity), in_tools=in_tools)
        found = {cause: getattr(admission.idle, cause) for cause in expected}
        assert found == pytest.approx(expected)
        assert admission.idle.total == pytest.approx(1.0)


class TestGate:
    async def test_programs_enter_in_order_as_room_appears(self):
        admission, entered, leave = Admission(most=10, first=2), [], asyncio.Event()

        async def program(i):
            async with admission.program():
                entered.append(i)
                await leave.wait()

        tasks = [asyncio.create_task(program(i)) for i in range(5)]
        await asyncio.sleep(0)
        assert (entered, admission.queued) == ([0, 1], 3)
        admission.observe(EngineLoad(running=2, waiting=0, capacity=100))
        await asyncio.sleep(0)
        assert entered == [0, 1, 2]
        leave.set()
        await asyncio.gather(*tasks)
        assert (entered, admission.in_flight, admission.queued) == ([0, 1, 2, 3, 4], 0, 0)

    async def test_a_program_that_fails_or_is_cancelled_leaves_its_place(self):
        admission = Admission(most=1, first=1)

        async def fail():
            async with admission.program():
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await fail()

        async def hold():
            async with admission.program():
                await asyncio.sleep(60)

        first, second = asyncio.create_task(hold()), asyncio.create_task(hold())
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        assert admission.queued == 0
        first.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        async with admission.program():
            assert admission.in_flight == 1
