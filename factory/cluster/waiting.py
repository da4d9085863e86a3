"""What a run waits for on its cluster, in words: which requests no machine holds, since when, and why not.

Read from Ray's own account of demand (the one that its autoscaler acts on), whoever asked: engines, sandboxes, workers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import ray
from ray.autoscaler.v2.schema import ClusterStatus
from ray.autoscaler.v2.sdk import get_cluster_status

from factory.cluster.demand import Bundle, bundle
from factory.periodic import every

PATIENCE_S = 10.0


def reported(
    emit: Callable[[str], None], names: Mapping[Bundle, str], every_s: float = 2.0
) -> AbstractContextManager[None]:
    """Says, while a driver's block runs, what has been asked for and not been given for `PATIENCE_S`.

    Once said, it is said again when it has lasted twice as long, at least once a minute, and when it is over. `names`
    tells who asks for a bundle ("an engine"). Needs a Ray that is initialised.
    """
    account, address = Account(names), ray.get_runtime_context().gcs_address

    def look() -> None:
        try:
            status = get_cluster_status(address)
        except Exception:  # the cluster's own tables are late: they will be asked again
            return
        line = account.line(status, time.monotonic())
        if line:
            emit(line)

    return every(every_s, look, name="waiting")


class Account:
    """Which bundles have been pending since when; pure, for the clock is given."""

    def __init__(self, names: Mapping[Bundle, str]) -> None:
        self._names = names
        self._since: dict[Bundle, float] = {}
        self._said_at: float | None = None
        self._next = PATIENCE_S

    def line(self, status: ClusterStatus, now: float) -> str | None:
        """What there is to say now, if anything."""
        pending = _pending(status)
        self._since = {asked: self._since.get(asked, now) for asked in pending}
        long = {asked: n for asked, n in pending.items() if now - self._since[asked] >= PATIENCE_S}
        if not long:
            over, self._said_at, self._next = self._said_at is not None, None, PATIENCE_S
            return "no longer waiting for machines" if over else None
        waited = max(now - self._since[asked] for asked in long)
        if self._said_at is not None and now < self._said_at + self._next:
            return None
        self._said_at, self._next = now, min(waited, 60.0)
        requests = "; ".join(self._request(asked, n, status) for asked, n in long.items())
        return f"waiting {waited:.0f} s for {requests}{_market(status)}"

    def _request(self, asked: Bundle, count: int, status: ClusterStatus) -> str:
        what = " + ".join(f"{n:g} {name}" for name, n in asked)
        who = self._names.get(asked, "a task")
        return f"{count} x {what} ({who}): {_why(asked, status)}"


def _pending(status: ClusterStatus) -> dict[Bundle, int]:
    """Tasks and actors that are not placed, placement groups likewise; wishes for the future are left out."""
    counts: dict[Bundle, int] = {}
    demands = [*status.resource_demands.ray_task_actor_demand, *status.resource_demands.placement_group_demand]
    for demand in demands:
        for request in demand.bundles_by_count:
            asked = bundle(request.bundle)
            counts[asked] = counts.get(asked, 0) + request.count
    return {asked: n for asked, n in counts.items() if asked}


def _why(asked: Bundle, status: ClusterStatus) -> str:
    """The resource that stands in the way."""
    nodes = [node.total_resources() for node in [*status.active_nodes, *status.idle_nodes]]
    for name, n in asked:
        there = sum(node.get(name, 0.0) for node in nodes)
        if not there:
            return f"the cluster has no {name}"
        if not any(node.get(name, 0.0) >= n for node in nodes):
            return f"no machine has {n:g} {name}, of {there:g} in the cluster"
    available = status.available_resources()
    for name, n in asked:
        if available.get(name, 0.0) < n:
            return f"{available.get(name, 0.0):g} of {status.total_resources()[name]:g} {name} are free"
    return "what is free is spread over several machines"


def _market(status: ClusterStatus) -> str:
    """What the autoscaler is doing about it."""
    starting: dict[str, int] = {}
    for launch in status.pending_launches:
        starting[launch.ray_node_type_name] = starting.get(launch.ray_node_type_name, 0) + launch.count
    for node in status.pending_nodes:
        starting[node.ray_node_type_name] = starting.get(node.ray_node_type_name, 0) + 1
    failed = {launch.ray_node_type_name: _short(launch.details or "") for launch in status.failed_launches}
    said = [f"starting {n} {name}" for name, n in starting.items()]
    said += [f"no {name} to be had{f' ({why})' if why else ''}" for name, why in failed.items()]
    return f". Autoscaler: {', '.join(said)}" if said else ""


def _short(text: str, most: int = 120) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 3]}..."
