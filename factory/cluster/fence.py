"""End a worker whose driver no longer has the run. Knows Ray and the driver's lease.

Ray ends the workers of a driver that is dead. One that is only stopped, or cut off, keeps its workers: what they write
harms nobody, as it is the same run's work, but they hold engines and machines that the new driver's workers wait for.
"""

from __future__ import annotations

import logging
import random
import threading
import time

import ray

from factory.store import driver_lease
from factory.store.fs import Store

log = logging.getLogger(__name__)

LOOK_S = 30.0


def end_with_driver(store: Store, driver: int, look_s: float = LOOK_S) -> None:
    """From now on end this actor, for good, once the run has a later driver than number `driver`. Returns at once."""
    me = ray.get_runtime_context().current_actor
    threading.Thread(target=_watch, args=(me, store, driver, look_s), name="fence", daemon=True).start()


def _watch(me: ray.actor.ActorHandle, store: Store, driver: int, look_s: float) -> None:
    while True:
        time.sleep(look_s * random.uniform(0.5, 1.5))  # workers start together and need not look together
        try:
            passed_on = driver_lease.passed_on(store, driver)
        except Exception as error:  # a storage out of reach says nothing of the driver
            log.warning("the driver's lease could not be looked at: %s", error)
            continue
        if passed_on:
            log.warning("another driver has taken over %s: this worker of the former one ends", store.uri)
            ray.kill(me)  # not an exit of the process: Ray would start the actor again
