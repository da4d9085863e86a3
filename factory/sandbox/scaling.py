"""When the pool grows and when it shrinks: a pure rule over the loads of its actors. Knows no Ray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from factory.sandbox.slots import SandboxLoad

GROW_AFTER_S = 1.0
"""A cell that waits this long on every actor asks for another actor."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now: actors to start (0 or 1), the actor that takes no new sessions, the one that takes them again."""

    start: int = 0
    drain: str | None = None
    refill: str | None = None


class Scaler:
    """Decides step by step. `low`, `high`: bounds of the number of actors that take sessions.

    The pool must have had an actor's worth of idle cores for `shrink_after_s` before it gives one back.
    """

    def __init__(self, low: int, high: int, shrink_after_s: float) -> None:
        self._low, self._high, self._shrink_after_s = low, max(low, high), shrink_after_s
        self._busy_at = 0.0

    def step(self, loads: Mapping[str, SandboxLoad], draining: set[str], starting: int, now: float) -> Step:
        """One decision. `loads`: actors that answer, by name, draining ones included; `starting`: not yet ready."""
        open_ = {name: load for name, load in loads.items() if name not in draining}
        count = len(open_) + starting
        if count < self._low:
            return self._one_more(draining & loads.keys())
        if open_ and min(load.waited_s for load in open_.values()) > GROW_AFTER_S:
            self._busy_at = now
            return self._one_more(draining & loads.keys()) if count < self._high and not starting else Step()
        spare = sum(1 for load in open_.values() if load.running + load.waiting == 0)
        if spare < 1 or len(open_) <= self._low:
            self._busy_at = now
        elif now - self._busy_at > self._shrink_after_s:
            self._busy_at = now
            return Step(drain=min(open_, key=lambda name: open_[name].sessions))
        return Step()

    def _one_more(self, draining: set[str]) -> Step:
        return Step(refill=min(draining)) if draining else Step(start=1)


def choose(loads: Mapping[str, SandboxLoad]) -> str:
    """The actor for a new session: the shortest wait first, then the fewest sessions. `loads` must not be empty."""
    return min(loads, key=lambda name: (loads[name].waited_s, loads[name].sessions))
