"""Which replica a trace's next turn goes to: the one that holds its prefix, unless that one has more than its share.

Consistent hashing alone is blind to load: half of a pool that is three times slower piles up requests while the other
half idles. Here a replica whose load is above the pool's mean by more than a tenth is passed over for the next one on
the ring (consistent hashing with bounded loads, Mirrokni, Thorup and Zadimoghaddam 2016), and a trace that was moved so
stays where it is, as its prefix does. A slow replica then holds as many sequences as a fast one, never more.

`PoolLoads` knows no Ray. `BoundedLoadRouter` is Serve's consistent-hash router with its ranking; it runs in each
process that holds a `ServePool`, which tells `LOADS` what its replicas report.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from ray.serve._private.common import ReplicaID
from ray.serve.experimental.consistent_hash_router import ConsistentHashRouter

from factory.engines.protocol import EngineLoad

OVER_MEAN = 1.1
"""A replica above this multiple of the pool's mean load is passed over. Nearer to 1 the load is more even and more
turns lose their prefix (`tests/bench/engine_pools.py --mixed` prints both)."""

HEARD_S = 30.0
"""A report older than this says nothing any more: the replica counts as average."""

HOMES = 200_000
"""Traces whose replica is remembered, the latest ones; 20 MB at most."""


class PoolLoads:
    """How loaded each replica is, as far as one process knows, and which one served each of its traces last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shares: dict[str, tuple[float, float]] = {}  # of each replica: when it was heard, and its share
        self._homes: OrderedDict[str, str] = OrderedDict()

    def report(self, trace: str, replica: str, load: EngineLoad) -> None:
        """A replica that serves this trace says how loaded it is."""
        self._shares[replica] = self._clock(), (load.running + load.waiting) / max(load.capacity, 1)
        self._homes[trace] = replica
        self._homes.move_to_end(trace)
        while len(self._homes) > HOMES:
            self._homes.popitem(last=False)

    def rank(self, trace: str, ring: Sequence[str]) -> list[str]:
        """Where to try this trace's request, best first: its last replica, then the ring's order, both as far as they
        are within the bound; then the others, least loaded first. `ring` names all replicas that are up, the trace's
        own place on the ring first."""
        shares = self._of(ring)
        bound = OVER_MEAN * sum(shares.values()) / max(len(shares), 1)
        home = self._homes.get(trace)
        order = [home, *(r for r in ring if r != home)] if home in shares else list(ring)
        within = [replica for replica in order if shares[replica] <= bound]
        over = sorted((replica for replica in order if shares[replica] > bound), key=shares.__getitem__)
        return within + over

    def _of(self, replicas: Sequence[str]) -> dict[str, float]:
        """Requests at each replica, as a multiple of what it decodes at once; the average for one that is not heard."""
        now = self._clock()
        self._shares = {name: heard for name, heard in self._shares.items() if now - heard[0] < HEARD_S}
        known = {name: self._shares[name][1] for name in replicas if name in self._shares}
        average = sum(known.values()) / len(known) if known else 0.0
        return {name: known.get(name, average) for name in replicas}


LOADS = PoolLoads()
"""Of this process, for all pools: names of replicas are unique."""


class BoundedLoadRouter(ConsistentHashRouter):  # type: ignore[misc]
    """Serve's ring, with `PoolLoads` choosing on it."""

    def initialize_state(self, **kwargs: object) -> None:
        super().initialize_state(**{"num_fallback_replicas": 1_000_000, **kwargs})  # rank all of the ring

    def _lookup_ranked_replicas(self, routing_key: str) -> list[ReplicaID]:
        ring = {replica.unique_id: replica for replica in super()._lookup_ranked_replicas(routing_key)}
        return [ring[name] for name in LOADS.rank(routing_key, list(ring))]
