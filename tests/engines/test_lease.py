"""Engine pools end when no driver holds them any more; on a real Serve, with an application that needs no engine."""

from __future__ import annotations

import time

import pytest
from ray import serve

from factory.engines import lease

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


class App:
    async def __call__(self) -> str:
        return "here"


@pytest.fixture
def application(ray_local):
    """A pool of the run `r`, as far as its name tells."""
    serve.start(proxy_location="Disabled")
    serve.run(serve.deployment(App, ray_actor_options={"num_cpus": 0}).bind(), name="app@r", route_prefix=None)
    yield "app@r"
    serve.delete("app@r")


def is_up(application):
    return application in serve.status().applications


def until(condition, limit_s=240.0):
    deadline = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert condition()


def keeper_is_gone(ray):
    try:
        ray.get_actor("keeper@r", namespace="trace-factory")
    except ValueError:
        return True
    return False


def test_without_a_word_of_the_driver_the_pools_end_and_the_keeper_with_them(application, ray_local):
    keeper = lease._keeper("r")
    ray_local.get(keeper.renew.remote(2.0))
    assert is_up(application)
    until(lambda: not is_up(application))
    until(lambda: keeper_is_gone(ray_local))


def test_a_held_lease_outlasts_its_time_and_its_end_ends_the_pools(application, ray_local, monkeypatch):
    monkeypatch.setattr(lease, "RENEW_S", 0.5)
    monkeypatch.setattr(lease, "MIN_LEASE_S", 0.0)
    with lease.held("r", linger_s=3.0):
        time.sleep(6)
        assert is_up(application)
    until(lambda: not is_up(application))
    until(lambda: keeper_is_gone(ray_local))


def test_a_driver_that_comes_back_in_time_finds_its_pools(application, ray_local):
    ray_local.get(lease._keeper("r").renew.remote(30.0))  # the last word of a driver that then was gone
    with lease.held("r", linger_s=30.0):
        assert is_up(application)
