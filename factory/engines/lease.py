"""A run's claim on its engine pools. Pools outlive their driver; this ends those whose driver is gone for good.

A driver that was killed (`ray job stop` does no less) runs no clean-up, and its engines would hold their GPUs, and the
bill, for ever. So an actor on the head machine waits for the driver's word. Where none has come for the time that the
recipe gives (`linger_s`), it ends the pools, and then itself. A driver that starts again in time finds them warm.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import RayActorError

from factory.engines import serve
from factory.periodic import every

RENEW_S = 5.0
LEAST_S = 60.0
"""A busy driver may be this late with its word, whatever the recipe says."""
_HEAD = {"node:__internal_head__": 0.001}  # never on a machine that may go, nor one that it would keep up


@contextmanager
def held(run: str, linger_s: float) -> Iterator[None]:
    """A driver's claim for the length of a block in which it needs the pools of `run`. Its end ends them at once."""
    for_s = max(linger_s, LEAST_S)
    keeper = _keeper(run)
    try:
        ray.get(keeper.renew.remote(for_s))
    except RayActorError:  # the keeper of an earlier driver was just leaving
        keeper = _keeper(run)
        ray.get(keeper.renew.remote(for_s))
    try:
        with every(RENEW_S, lambda: keeper.renew.remote(for_s), name="lease"):
            yield
    finally:
        serve.shutdown(run)
        ray.kill(keeper)


class Keeper:
    """The other side: an actor that ends the pools of a run unless its lease is renewed."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._until = time.monotonic() + LEAST_S  # for the first word, or the next one where this actor was restarted
        threading.Thread(target=self._watch, name="lease", daemon=True).start()

    def renew(self, for_s: float) -> None:
        self._until = time.monotonic() + for_s

    def _watch(self) -> None:
        while time.monotonic() < self._until:
            time.sleep(1.0)
        print(f"no driver holds run {self._run} any more: its engines end", flush=True)
        serve.shutdown(self._run)
        ray.kill(ray.get_runtime_context().current_actor)


def _keeper(run: str) -> Any:
    actor = ray.remote(Keeper).options(
        name=f"keeper@{run}",
        namespace="trace-factory",
        lifetime="detached",
        get_if_exists=True,
        num_cpus=0,
        resources=_HEAD,
        max_restarts=-1,
    )
    return actor.remote(run)
