"""Machine time on record: measured while a start works, kept when it is killed, added up over starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from factory.store.fs import Store
from factory.store.usage import DIRECTORY, ClusterSnapshot, Meter, usages

HELD = ClusterSnapshot(cluster={"GPU": 8.0, "CPU": 4.0, "nodes": 2.0}, gpus={"teacher": 8.0}, replicas={"teacher": 1.0})


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when the test says so."""
    now = [1000.0]
    monkeypatch.setattr("factory.store.usage.time.monotonic", lambda: now[0])
    return now


def test_what_is_held_is_multiplied_by_its_time(tmp_path, clock):
    store = Store.open(tmp_path)
    with Meter(store, lambda: HELD, prices={"gpu_hour": 2.0}, every_s=60).running() as meter:
        clock[0] += 100
        meter.measure()
        meter.cluster_snapshot = lambda: ClusterSnapshot(cluster={"CPU": 4.0, "nodes": 1.0})
        meter.engine_time = lambda: {"busy": 3.0}
        clock[0] += 50
    (usage,) = usages(store)
    assert usage.ended
    assert usage.seconds == 150
    assert usage.cluster_s == {"GPU": 800, "CPU": 600, "nodes": 250}
    assert usage.gpu_s == {"teacher": 800}
    assert usage.replica_s == {"teacher": 100}
    assert (usage.engine_time, usage.prices) == ({"busy": 3.0}, {"gpu_hour": 2.0})
    assert usage.started <= usage.updated


def test_a_cluster_in_trouble_costs_a_measurement_and_no_run(tmp_path, clock, caplog):
    def lost() -> ClusterSnapshot:
        raise ConnectionError("the head is gone")

    store = Store.open(tmp_path)
    with Meter(store, lost, every_s=60).running():
        clock[0] += 10
    (usage,) = usages(store)
    assert usage.seconds == 10
    assert usage.cluster_s == {}
    assert "the head is gone" in caplog.text


def test_an_error_in_the_work_is_on_record_and_goes_on_up(tmp_path):
    store = Store.open(tmp_path)
    with pytest.raises(ZeroDivisionError), Meter(store, lambda: HELD).running():
        _ = 1 / 0
    assert usages(store)[0].ended


def test_a_killed_start_leaves_what_it_measured(tmp_path):
    script = (
        "import sys, time\n"
        "from factory.store.fs import Store\n"
        "from factory.store.usage import ClusterSnapshot, Meter\n"
        "snapshot = lambda: ClusterSnapshot(cluster={'CPU': 1.0})\n"
        "meter = Meter(Store.open(sys.argv[1]), snapshot, every_s=0.05, write_s=0.1)\n"
        "with meter.running():\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=Path(__file__).parents[2])
    store = Store.open(tmp_path)
    deadline = time.monotonic() + 120
    while not any(usage.seconds > 0.2 for usage in usages(store)) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with Meter(store, lambda: HELD).running():
        pass
    killed, ended = usages(store)
    assert not killed.ended
    assert killed.cluster_s["CPU"] == pytest.approx(killed.seconds)
    assert ended.ended


def test_a_file_that_is_no_usage_is_left_out(tmp_path, caplog):
    store = Store.open(tmp_path)
    store.write(f"{DIRECTORY}x.json", b"{broken")
    store.write(f"{DIRECTORY}y.json", b'{"start": "y"}')
    assert usages(store) == []
    assert caplog.text.count("skipping") == 2
