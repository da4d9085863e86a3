"""Try again while a failure may pass: exponential backoff with full jitter, up to a deadline."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

FIRST_PAUSE_S = 0.25
MAX_PAUSE_S = 10.0


def persist(action: Callable[[], Result], *, transient: Callable[[Exception], bool], patience_s: float) -> Result:
    """Call `action` until it returns, raises something that is not `transient`, or `patience_s` has passed.

    Pauses are drawn evenly from zero to a bound that doubles, so that many clients of one overloaded server spread
    out ("full jitter", AWS Architecture Blog, Exponential Backoff and Jitter, 2015). The last failure is raised.
    """
    deadline = time.monotonic() + patience_s
    bound = FIRST_PAUSE_S
    while True:
        try:
            return action()
        except Exception as error:
            pause = random.uniform(0, bound)
            if not transient(error) or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        bound = min(2 * bound, MAX_PAUSE_S)
