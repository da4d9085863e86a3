"""A run's claim on its engine pools. Pools outlive their driver; this ends those whose driver is gone for good.

A driver that was killed (`ray job stop` does no less) runs no clean-up, and its engines would hold their GPUs, and the
bill, for ever. So an actor on the head machine waits for the driver's word. Where none has come for the time that the
recipe gives (`linger_s`), it ends the pools, and then itself. A driver that starts again in time finds them warm.

The same actor hears from all clients how the streams of each replica ended, and tells a replica that is an outlier.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError

from factory.engines import serve
from factory.engines.outliers import Tally
from factory.engines.serve_pool import NAMESPACE
from factory.periodic import every

RENEW_S = 5.0
MIN_LEASE_S = 60.0
"""A busy driver may be this late with its word, whatever the recipe says."""
FADE_S = 1800.0
"""After this time what was counted weighs half."""
_HEAD = {"node:__internal_head__": 0.001}  # never on a machine that may go, nor one that it would keep up


@contextmanager
def held(run: str, linger_s: float, driver: int = 0) -> Iterator[None]:
    """A driver's claim for the length of a block in which it needs the pools of `run`. Its end ends them at once.

    `driver` is the number of its lease on the run: the claim of a driver with a lower one no longer counts.
    """
    for_s = max(linger_s, MIN_LEASE_S)
    keeper = _keeper(run)
    try:
        ray.get(keeper.renew.remote(for_s, driver))
    except RayActorError:  # the keeper of an earlier driver was just leaving
        keeper = _keeper(run)
        ray.get(keeper.renew.remote(for_s, driver))
    try:
        with every(RENEW_S, lambda: keeper.renew.remote(for_s, driver), name="lease"):
            yield
    finally:
        if _is_ours(keeper, driver):
            serve.shutdown(run)
            ray.kill(keeper)


def _is_ours(keeper: Any, driver: int) -> bool:
    """Whether no later driver has claimed the pools. A keeper that was lost has nobody's claim but this one's."""
    try:
        return bool(ray.get(keeper.renew.remote(MIN_LEASE_S, driver), timeout=MIN_LEASE_S))
    except (RayActorError, GetTimeoutError):
        return True


class Keeper:
    """The other side: an actor that ends the pools of a run unless its lease is renewed, and judges their replicas."""

    def __init__(self, run: str) -> None:
        self._run, self._driver = run, 0
        self._tallies: dict[str, Tally] = {}  # by pool
        self._faded = time.monotonic()
        self._until = (
            time.monotonic() + MIN_LEASE_S
        )  # for the first word, or the next one where this actor was restarted
        threading.Thread(target=self._watch, name="lease", daemon=True).start()

    def renew(self, for_s: float, driver: int = 0) -> bool:
        """A driver's word that it needs the pools; False if they are another's by now."""
        if driver < self._driver:
            return False
        self._driver, self._until = driver, time.monotonic() + for_s
        return True

    def note(self, pool: str, counts: dict[str, tuple[int, int]]) -> None:
        """A client's streams since its last word, by replica: how many ended, and how many of them in a loop."""
        if time.monotonic() - self._faded > FADE_S:
            self._faded = time.monotonic()
            for tally in self._tallies.values():
                tally.fade()
        tally = self._tallies.setdefault(pool, Tally())
        for replica, (ended, looped) in counts.items():
            tally.add(replica, ended, looped)

    def outlier_reason(self, pool: str, replica: str) -> str | None:
        """Why a replica should leave, if it should."""
        tally = self._tallies.get(pool)
        return tally.outlier_reason(replica) if tally else None

    def _watch(self) -> None:
        while time.monotonic() < self._until:
            time.sleep(1.0)
        print(f"no driver holds run {self._run} any more: its engines end", flush=True)
        serve.shutdown(self._run)
        ray.kill(ray.get_runtime_context().current_actor)


def _keeper(run: str) -> Any:
    actor = ray.remote(Keeper).options(
        name=f"keeper@{run}",
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        resources=_HEAD,
        max_restarts=-1,
    )
    return actor.remote(run)
