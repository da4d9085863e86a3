"""Difficulty: pass rates, the too-easy rule, the release's six regimes, and when a problem is certain to be too easy.

The rule is Nemotron-Math's (arXiv 2512.15489, section 2.2): a problem whose low-mode samples reach the reference at a
rate of 0.8 or above is dropped. The paper says both "0.8 or above" and "above 0.8"; with 16 samples 13 are 0.8125 and
12 are 0.75, so the two never differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import product

from factory.records import Judgement, Mode, Regime

THRESHOLD = 0.8


def pass_rate(outcomes: Sequence[bool | None]) -> float:
    """Share of samples equal to the reference, of those that could be judged (undecided is None); 0 of 0 is 0."""
    judged = decided(outcomes)
    return sum(judged) / len(judged) if judged else 0.0


def decided(outcomes: Iterable[bool | None]) -> list[bool]:
    """The outcomes without None. A checker or judge that was away leaves None, which is not a wrong answer."""
    return [outcome for outcome in outcomes if outcome is not None]


def needed(total: int, threshold: float = THRESHOLD) -> int:
    """The minimum number of passes out of `total` that makes a problem too easy: 13 of 16 at 0.8."""
    return math.ceil(Fraction(str(threshold)) * total)


def too_easy(passed: int, total: int, threshold: float = THRESHOLD) -> bool:
    """Whether `passed` of `total` low-mode samples is too many. Never true without samples."""
    return total > 0 and passed >= needed(total, threshold)


def regimes(judgements: Iterable[Judgement]) -> list[Regime]:
    """Judged samples and passes in all six regimes, in the order of the release's fields; one without samples counts 0.

    Undecided samples are in neither number, or they would lower the accuracy as if they were wrong.
    """
    counts = {regime: [0, 0] for regime in product((Mode.LOW, Mode.MEDIUM, Mode.HIGH), (True, False))}
    for judgement in judgements:
        tally = counts[judgement.mode, judgement.tool]
        tally[0] += judgement.equal is not None
        tally[1] += judgement.equal is True
    return [Regime(mode=mode, tool=tool, count=n, passed=k) for (mode, tool), (n, k) in counts.items()]


def already_too_easy(agreeing: int | None, largest_class: int, total: int, threshold: float = THRESHOLD) -> bool:
    """Whether a problem is too easy whatever its low-mode samples still to be drawn say (`order: cheap_first`).

    `agreeing` counts samples equal to the forum's answer, None if the forum has none; then `largest_class` decides, the
    number of samples in the biggest class of equal answers. `total` is the number of low-mode samples in the end.

    **When `cheap_first` and `paper` can differ.** Only for problems that `cheap_first` drops early, and of these
    exactly:

    1. with a forum answer F: at least `needed` low samples equal F, but none of the high samples does (the paper then
       replaces F by the high samples' majority M, which at most `total - needed` low samples can equal) and the high
       samples have an answer at all;
    2. without a forum answer: at least `needed` low samples equal one answer A, but the high samples' majority is
       another answer, or none.

    In these cases `paper` keeps the problem and `cheap_first` drops it. The opposite never happens: a problem that is
    not dropped early is settled and filtered exactly as in `paper`, on the same samples.
    """
    return too_easy(largest_class if agreeing is None else agreeing, total, threshold)
