"""Of two drivers one has the run: the other refuses, waits for a dead one, or ends if it was taken for dead."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest

from factory.store import driver_lease
from factory.store.driver_lease import EXIT_STATUS, Holder, RunLocked, held
from factory.store.fs import Store
from tests.conftest import ROOT

HERE_ALONE = pytest.mark.parametrize("store", ["local"], indirect=True)
SLOW_IN_A_BUCKET = pytest.mark.parametrize(
    "store", ["local", pytest.param("s3", marks=[pytest.mark.s3, pytest.mark.long])], indirect=True
)


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.s3)])
def store(request, tmp_path):
    if request.param == "local":
        return Store.open(tmp_path / "run")
    return Store.open(f"{request.getfixturevalue('s3_bucket')}/some/run")


@pytest.fixture
def start(tmp_path, store):
    """Starts drivers as processes; each writes its number to a file of its own, as long as it continues."""
    started = []

    def one(name, seconds=60):
        command = [sys.executable, "tests/store/lease_holder.py", store.uri, str(tmp_path / name), str(seconds)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield one
    for process in started:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def lines(tmp_path, name):
    path = tmp_path / name
    return path.read_text().split() if path.exists() else []


def until(condition, limit_s=240.0):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_each_driver_gets_the_next_number_and_sweeps_up(store):
    for number in (1, 2, 3):
        with held(store) as lease:
            assert lease.number == number
            lease.beat()
            lease.check()
            assert [driver_lease.passed_on(store, n) for n in range(4)] == [n < number for n in range(4)]
    assert {entry.key for entry in store.list()} == {f"driver/00000003.{kind}" for kind in ("json", "beat", "end")}


def test_a_second_driver_refuses_with_a_clear_word(store):
    with held(store, beat_s=0.05), pytest.raises(RunLocked) as refused, held(store):
        raise AssertionError("two drivers have the run")
    assert f"process {os.getpid()} on " in refused.value.why
    assert "is alive" in refused.value.why
    assert "ray job stop" in refused.value.remedy


def test_a_block_that_fails_gives_the_run_back(store):
    with pytest.raises(KeyError), held(store):
        raise KeyError
    with held(store) as lease:
        assert lease.number == 2


def test_a_killed_driver_of_this_machine_is_not_waited_for(store, start, tmp_path):
    first = start("first")
    until(lambda: lines(tmp_path, "first"))
    first.kill()
    first.wait()
    with held(store, lease_s=3600) as lease:
        assert lease.number == 2


@pytest.mark.parametrize("gone", [True, False])
def test_a_driver_of_another_machine_is_waited_for_as_long_as_the_lease(store, gone):
    elsewhere = replace(Holder.here(), machine="another kernel")
    store.create("driver/00000001.json", json.dumps(asdict(elsewhere)).encode())
    beats = threading.Event()

    def live():
        number = 0
        while not beats.wait(0.05):
            store.write("driver/00000001.beat", str(number := number + 1).encode())

    thread = threading.Thread(target=live)
    if not gone:
        thread.start()
    try:
        began = time.monotonic()
        if gone:
            with held(store, lease_s=0.5) as lease:
                assert lease.number == 2
            assert time.monotonic() - began >= 0.5
        else:
            with pytest.raises(RunLocked), held(store, lease_s=30):
                pass
    finally:
        beats.set()
        if thread.ident:
            thread.join()


@SLOW_IN_A_BUCKET
def test_a_driver_that_was_stopped_for_longer_than_its_lease_ends_and_writes_nothing_more(store, start, tmp_path):
    first = start("first")
    until(lambda: lines(tmp_path, "first"))
    first.send_signal(signal.SIGSTOP)
    second = start("second", seconds=5)
    until(lambda: lines(tmp_path, "second"))
    said = lines(tmp_path, "first")
    first.send_signal(signal.SIGCONT)
    assert first.wait(30) == EXIT_STATUS
    assert "another driver has taken over" in first.stderr.read()
    after = lines(tmp_path, "first")
    assert len(after) <= len(said) + 1, "at most the line that it was about to write"
    assert second.wait(60) == 0
    assert set(said) == {"1"}
    assert set(lines(tmp_path, "second")) == {"2"}


@HERE_ALONE
def test_a_driver_that_was_stopped_for_a_moment_goes_on(store, start, tmp_path):
    first = start("first", seconds=3)
    until(lambda: lines(tmp_path, "first"))
    first.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    first.send_signal(signal.SIGCONT)
    assert first.wait(60) == 0


@SLOW_IN_A_BUCKET
def test_of_drivers_that_start_at_once_one_gets_the_run(store, start, tmp_path):
    racers = [start(f"racer{n}", seconds=6) for n in range(3)]
    ended = [process.wait(120) for process in racers]
    assert ended.count(0) == 1
    assert sum(bool(lines(tmp_path, f"racer{n}")) for n in range(3)) == 1


def test_what_the_holder_wrote_badly_holds_nobody_up(store):
    store.write("driver/00000004.json", b"{")
    with held(store) as lease:
        assert lease.number == 5


def test_processes_are_told_apart_by_when_they_began():
    here = Holder.here()
    assert not here.is_gone
    assert replace(here, began="1").is_gone, "the number is another process's now"
    assert replace(here, pid=2**22 + 1).is_gone
    assert not replace(here, machine="x", pid=2**22 + 1).is_gone, "of another machine nothing is known"
    assert driver_lease._start_of(2**22 + 1) == ""
