"""Difficulty: pass rates, the too-easy rule, the release's six regimes, and when a decision is already sealed.

The rule is Nemotron-Math's (arXiv 2512.15489, section 2.2): a problem whose low-mode samples reach the reference at a
rate of 0.8 or above is dropped. The paper says both "0.8 or above" and "above 0.8"; with 16 samples 13 are 0.8125 and
12 are 0.75, so the two never differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import product
from typing import Literal

from factory.records import Judgement, Mode, Regime

Fate = Literal["too_easy", "keep", "open"]
THRESHOLD = 0.8


def pass_rate(verdicts: Sequence[bool | None]) -> float:
    """Share of samples equal to the reference, of those that could be judged (undecided is None); 0 of 0 is 0."""
    judged = decided(verdicts)
    return sum(judged) / len(judged) if judged else 0.0


def decided(verdicts: Iterable[bool | None]) -> list[bool]:
    """The verdicts there are. A checker or judge that was away leaves None, which must not look like a wrong answer."""
    return [verdict for verdict in verdicts if verdict is not None]


def needed(total: int, threshold: float = THRESHOLD) -> int:
    """The least number of passes out of `total` that makes a problem too easy: 13 of 16 at 0.8."""
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


def sealed(  # noqa: PLR0917
    agreeing: int | None,
    largest_class: int,
    drawn: int,
    total: int,
    threshold: float = THRESHOLD,
    undecided: int = 0,
) -> Fate:
    """What is already certain about a problem after `drawn` of its `total` low-mode samples (`order: cheap_first`).

    `agreeing` counts samples equal to the forum's answer, None where the forum has none. `largest_class` counts the
    samples in the biggest class of equal answers. `undecided` counts samples whose comparison with the forum's answer
    or with another sample is open, so that they may still join any class.

    * "too_easy": enough samples agree with the forum's answer, or, without one, with each other. What is left to draw
      cannot take them back, so the rest is not drawn.
    * "keep": even if every sample still to come agreed, no answer could collect enough passes, whichever answer the
      high-mode samples settle on. High-mode sampling may begin while the low-mode samples are completed.
    * "open": draw on; after the last sample, settle the reference and apply the paper's rule.

    **When `cheap_first` and `paper` can differ.** Only for problems that `cheap_first` drops early, and of these
    exactly:

    1. with a forum answer F: at least `needed` low samples equal F, but none of the high samples does (the paper then
       replaces F by the high samples' majority M, which at most `total - needed` low samples can equal) and the high
       samples have an answer at all;
    2. without a forum answer: at least `needed` low samples equal one answer A, but the high samples' majority is
       another answer, or none.

    In these cases `paper` keeps the problem and `cheap_first` drops it. The opposite never happens: a problem that is
    not dropped early is settled and filtered exactly as in `paper`, on the same samples. "keep" changes nothing.
    """
    enough = needed(total, threshold)
    certain = largest_class if agreeing is None else agreeing
    if total > 0 and certain >= enough:
        return "too_easy"
    reachable = max(largest_class, agreeing or 0) + undecided + (total - drawn)
    return "keep" if reachable < enough else "open"
