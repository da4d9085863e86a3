"""Workers of a driver that lost its run end, and are not started again."""

from __future__ import annotations

import time

import pytest
import ray
from ray.exceptions import RayActorError

from factory.cluster.fence import end_with_driver
from factory.store import driver_lease
from factory.store.fs import Store

pytestmark = pytest.mark.ray


class Worker:
    def __init__(self, uri: str, driver: int) -> None:
        end_with_driver(Store.open(uri), driver, look_s=0.1)

    def here(self) -> bool:
        return True


def test_a_worker_ends_for_good_when_its_driver_is_not_the_last(ray_local, tmp_path):
    """Ray would start a process that merely exits again, on a machine that the new driver's workers need."""
    store = Store.open(tmp_path / "run")
    workers = ray.remote(Worker).options(num_cpus=0, max_restarts=-1)
    with driver_lease.held(store) as first:
        old = workers.remote(store.uri, first.number)
        assert ray.get(old.here.remote())
        time.sleep(0.5)
        assert ray.get(old.here.remote()), "its driver still has the run"
    with driver_lease.held(store) as second:
        new = workers.remote(store.uri, second.number)
        with pytest.raises(RayActorError):
            _until_it_ends(old)
        assert ray.get(new.here.remote())
        ray.kill(new)


def _until_it_ends(worker) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ray.get(worker.here.remote(), timeout=120)
        time.sleep(0.1)
