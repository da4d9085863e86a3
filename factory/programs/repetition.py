"""Detects a looping model: token ids whose tail repeats one pattern over and over."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int64]

_REPEATS = 4
_MAX_PERIOD = 2048
_STRIDE = 128
_PROBE = 16


class Repetition:
    """Watches the tokens of one turn as they arrive.

    A loop is a tail of at least `min_tokens` tokens that consists of one pattern, at most 2048 tokens long, at least
    four times over. The tail is looked at after every 128th token and nowhere else, so that the outcome does not
    depend on the chunks in which tokens arrive.
    """

    def __init__(self, min_tokens: int) -> None:
        self._min_tokens = min_tokens
        self._window = max(min_tokens, _REPEATS * _MAX_PERIOD)
        self._tail = np.empty(0, dtype=np.int64)
        self._n_seen = 0

    def feed(self, token_ids: list[int]) -> int | None:
        """How many of the new tokens to keep if they complete a loop, else None. `min_tokens` 0 never sees one."""
        if not self._min_tokens:
            return None
        position = 0
        while position < len(token_ids):
            step = min(_STRIDE - self._n_seen % _STRIDE, len(token_ids) - position)
            new = np.asarray(token_ids[position : position + step], dtype=np.int64)
            self._tail = np.concatenate((self._tail[-self._window :], new))
            position += step
            self._n_seen += step
            if self._n_seen % _STRIDE == 0 and loops(self._tail, self._min_tokens):
                return position
        return None


def loops(tail: Tokens, min_tokens: int) -> bool:
    """Whether the end of `tail` is a loop of at least `min_tokens` tokens."""
    if len(tail) < max(min_tokens, _REPEATS):
        return False
    # in a loop of n tokens and period p, n - p >= 3/4 n tokens equal the one p before
    probe = min(_PROBE, 3 * min_tokens // 4)
    return any(
        _periodic_span(tail, period) >= max(min_tokens, _REPEATS * period) for period in _candidate_periods(tail, probe)
    )


def _candidate_periods(tail: Tokens, probe: int) -> list[int]:
    """Distances at which the last `probe` tokens occur before. Text that does not loop has hardly any."""
    n = len(tail)
    longest = min(_MAX_PERIOD, n // _REPEATS)
    periods = np.arange(1, longest + 1)
    for back in range(probe):
        periods = periods[tail[n - 1 - back - periods] == tail[n - 1 - back]]
        if not len(periods):
            break
    return [int(p) for p in periods]


def _periodic_span(tail: Tokens, period: int) -> int:
    """Length of the longest suffix of `tail` that has this period."""
    differs = np.flatnonzero(tail[period:] != tail[:-period])
    return len(tail) if not len(differs) else len(tail) - int(differs[-1]) - 1
