"""A replica that makes its model go round in circles: noticed by comparing it with the others of its pool.

A poisoned engine (a damaged weight, a broken kernel) writes "!!!!" without an error. Every model loops now and then,
and how often depends on the problems; but traces are spread over the replicas by hash, so what differs between replicas
is the replica.
"""

from __future__ import annotations

import math

LOOP_TOKENS = 256
MAX_PERIOD = 32
MIN_LOOPS = 10
"""Fewer are chance, whatever the shares say."""
MIN_RATIO = 4.0
MIN_SIGMAS = 6.0
"""About one in a billion for a healthy replica, so that a week of looks condemns none."""


def loops(token_ids: list[int]) -> bool:
    """Whether the text ends in a short pattern over and over, as broken engines write; a rambling model's is longer."""
    tail = token_ids[-LOOP_TOKENS:]
    if len(tail) < LOOP_TOKENS:
        return False
    return any(tail[period:] == tail[:-period] for period in range(1, MAX_PERIOD + 1))


class Tally:
    """Streams by replica, and how many of them ended in a loop."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[float, float]] = {}
        self._outliers: dict[str, str] = {}  # replicas that should leave, and why

    def add(self, replica: str, ended: float, looped: float) -> None:
        if replica in self._outliers:
            return
        so_far = self._counts.get(replica, (0.0, 0.0))
        self._counts[replica] = so_far[0] + ended, so_far[1] + looped

    def fade(self, share: float = 0.5) -> None:
        """Let what was counted so far weigh less: a replica may fall ill late."""
        self._counts = {name: (n * share, k * share) for name, (n, k) in self._counts.items() if n >= 1}

    def outlier_reason(self, replica: str) -> str | None:
        """In words, why this replica is no longer to be trusted; None if it is like the others, or alone.

        The same words each time that it asks, as an answer may get lost on the way. Its streams no longer count among
        the others'.
        """
        if replica not in self._outliers and (wrong := self._compare(replica)) is not None:
            self._outliers[replica] = wrong
            del self._counts[replica]
        return self._outliers.get(replica)

    def _compare(self, replica: str) -> str | None:
        ended, looped = self._counts.get(replica, (0.0, 0.0))
        others = [counts for name, counts in self._counts.items() if name != replica]
        their_ended, their_looped = sum(n for n, _ in others), sum(k for _, k in others)
        if looped < MIN_LOOPS or their_ended < MIN_LOOPS:
            return None
        usual = (their_looped + 1) / (their_ended + 2)
        expected, spread = ended * usual, math.sqrt(ended * usual * (1 - usual))
        if looped < MIN_RATIO * expected or looped < expected + MIN_SIGMAS * spread:
            return None
        theirs = f"{their_looped:.0f} of {their_ended:.0f}"
        return f"{looped:.0f} of {ended:.0f} streams ended in a loop, of the other replicas' {theirs}"
