"""What a run says while its cluster lacks something: what was asked, by whom, since when, and what is in the way."""

from __future__ import annotations

import pytest
from ray.autoscaler.v2.schema import (
    ClusterStatus,
    LaunchRequest,
    NodeInfo,
    NodeUsage,
    RayTaskActorDemand,
    ResourceDemandSummary,
    ResourceRequestByCount,
    ResourceUsage,
)

from factory.cluster.demand import bundle
from factory.cluster.waiting import Account

ENGINE, SANDBOX = {"GPU": 8.0}, {"CPU": 1.0}
NAMES = {bundle(ENGINE): "engine", bundle(SANDBOX): "sandbox"}


def node(**resources):
    usage = [ResourceUsage(name, total=total, used=used) for name, (total, used) in resources.items()]
    return NodeInfo("t", "t", "i", "ip", resource_usage=NodeUsage(usage, 0))


def status(nodes=(), pending=(), **market):
    demand = RayTaskActorDemand([ResourceRequestByCount(asked, n) for asked, n in pending])
    names = {usage.resource_name for n in nodes for usage in n.resource_usage.usage}
    usage = [
        ResourceUsage(
            name,
            total=sum(n.total_resources().get(name, 0) for n in nodes),
            used=sum(n.used_resources().get(name, 0) for n in nodes),
        )
        for name in names
    ]
    demands = ResourceDemandSummary(ray_task_actor_demand=[demand])
    return ClusterStatus(active_nodes=list(nodes), cluster_resource_usage=usage, resource_demands=demands, **market)


def said(*states):
    """What is said of a cluster in these states: pairs of a time and a status."""
    account = Account(NAMES)
    lines = [account.line(state, now) for now, state in states]
    return [line for line in lines if line]


def waiting(state):
    (line,) = said((0.0, state), (40.0, state))
    return line


def test_nothing_is_said_of_what_is_placed_soon():
    short = status([node(CPU=(4, 4))], [(SANDBOX, 1)])
    assert said((0.0, short), (5.0, short), (9.0, status([node(CPU=(4, 4))]))) == []


def test_a_resource_that_no_machine_has():
    line = waiting(status([node(CPU=(4, 1))], [(ENGINE, 2)]))
    assert line == "waiting 40 s for 2 x 8 GPU (engine): the cluster has no GPU"


def test_machines_that_are_too_small():
    line = waiting(status([node(GPU=(4, 0)), node(GPU=(4, 0))], [(ENGINE, 1)]))
    assert "no machine has 8 GPU, of 8 in the cluster" in line


def test_machines_that_are_full():
    line = waiting(status([node(CPU=(4, 3.5))], [(SANDBOX, 1), ({"CPU": 2.0}, 1)]))
    assert "1 x 1 CPU (sandbox): 0.5 of 4 CPU are free; 1 x 2 CPU (a task): 0.5 of 4 CPU are free" in line


def test_room_that_is_spread():
    line = waiting(status([node(CPU=(1, 0.5)), node(CPU=(1, 0.5))], [(SANDBOX, 1)]))
    assert "what is free is spread over several machines" in line


def test_what_the_market_says():
    pending = LaunchRequest("", "cpu", 2, LaunchRequest.Status.PENDING, 0)
    failed = LaunchRequest("", "gpu", 1, LaunchRequest.Status.FAILED, 0, 1, "InsufficientInstanceCapacity")
    line = waiting(status([], [(ENGINE, 1)], pending_launches=[pending], failed_launches=[failed]))
    assert line.endswith("Autoscaler: starting 2 cpu, no gpu to be had (InsufficientInstanceCapacity)")


@pytest.mark.parametrize("hours", [1, 8])
def test_long_waiting_is_said_once_a_minute_and_its_end_once(hours):
    lacking, given = status([], [(ENGINE, 1)]), status([node(GPU=(8, 8))])
    seconds = range(0, hours * 3600, 2)
    lines = said(*((float(now), lacking) for now in seconds), (hours * 3600.0, given), (hours * 3600.0 + 2, given))
    assert len(lines) - 1 <= hours * 60 + 5
    assert lines[0].startswith("waiting 10 s")
    assert lines[-1] == "no longer waiting for machines"
