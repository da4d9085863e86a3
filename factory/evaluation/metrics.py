"""Metrics: each turns the samples of P problems into one score a problem, from 0 to 1, NaN if it is undecided.

Samples are two arrays of shape (P, n), in the order of the sample number:

* `outcomes`: `RIGHT`, `WRONG`, `UNDECIDED` (no checker or judge could tell), or `ABSENT` (not drawn).
* `classes`: the number of the sample's equivalence class among the problem's samples; -1 without an answer.

The mean over problems is the metric; `intervals.py` says how sure it is. A sample that gave no answer is wrong. One
that is undecided is neither right nor wrong: `decided_as` gives the arrays under which a score is lowest and highest.
"""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

RIGHT, WRONG, UNDECIDED, ABSENT = 1, 0, -1, -2
NO_CLASS = -1
SUBSETS = 200
"""Random subsets of size k that stand in for all of them, where k is smaller than the number of samples."""

Outcomes = npt.NDArray[np.int8]
Classes = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float64]


def pass_at_1(outcomes: Outcomes) -> Scores:
    """The share of right samples, c / n: the mean of k runs ("avg@k", Nemotron-Math's pass@1)."""
    right, decided = _counts(outcomes)
    return _divided(right, decided)


def pass_at_k(outcomes: Outcomes, k: int) -> Scores:
    """The chance that one of k samples is right, 1 - C(n-c, k) / C(n, k).

    Unbiased (Chen et al. 2021, arXiv 2107.03374). NaN where fewer than k samples are decided.
    """
    right, decided = _counts(outcomes)
    return 1.0 - _share_of_subsets(decided - right, decided, k)


def pass_hat_k(outcomes: Outcomes, k: int) -> Scores:
    """The chance that all of k samples are right, C(c, k) / C(n, k): pass^k (Yao et al. 2024, arXiv 2406.12045)."""
    right, decided = _counts(outcomes)
    return _share_of_subsets(right, decided, k)


def majority_at_k(outcomes: Outcomes, classes: Classes, k: int, *, seed: int = 0) -> Scores:
    """The chance that the largest equivalence class of k samples is right; ties between classes are averaged.

    Samples without an answer have no vote, and a problem whose samples all lack one scores 0 (as in NeMo-Skills). With
    k = n this is exact; with fewer the mean over `SUBSETS` random subsets. A class counts as the share of its decided
    members that are right, which is 0 or 1 wherever equivalence is transitive. NaN where the winner is undecided, or
    fewer than k samples were drawn.
    """
    n = outcomes.shape[1]
    drawn = (outcomes != ABSENT).sum(axis=1)
    enough = drawn >= k
    right_of_class = _class_scores(outcomes, classes)
    if k >= n:
        scores = _winners(classes, right_of_class)
    else:
        rng, total, seen = np.random.default_rng(seed), np.zeros(len(classes)), np.zeros(len(classes))
        for _ in range(SUBSETS):
            order = np.argsort(rng.random(outcomes.shape) + (outcomes == ABSENT), axis=1)[:, :k]
            subset = np.take_along_axis(classes, order, axis=1)
            drawn_score = _winners(subset, right_of_class)
            seen += ~np.isnan(drawn_score)
            total += np.nan_to_num(drawn_score)
        scores = _divided(total, seen)
    return np.where(enough, scores, np.nan)


def majority_share(classes: Classes) -> Scores:
    """The share of the answered samples that vote for the largest class: how sure a majority is without a reference."""
    votes = _votes(classes)
    return _divided(votes.max(axis=1, initial=0), votes.sum(axis=1))


def best_of_k(outcomes: Outcomes, values: npt.NDArray[np.float64], k: int) -> Scores:
    """The chance that the sample with the best value of k is right: rm@k, or a selection that values one sample above.

    Exact where AceMath (arXiv 2412.15084, section 4.3) averages over 100 draws: sorted by falling value, the sample of
    rank r is the best of k with chance C(n-r, k-1) / C(n, k). Equal values share their chances. `values` has the shape
    of `outcomes`, NaN for a sample without one, which never wins. NaN where fewer than k samples have a value, or none
    that can win is decided.
    """
    return np.array([_best_of(o, v, k) for o, v in zip(outcomes, values, strict=True)], np.float64)


def decided_as(outcomes: Outcomes, verdict: int) -> Outcomes:
    """The outcomes with every undecided one taken as `verdict` (`RIGHT` or `WRONG`): the two bounds of any metric."""
    return np.where(outcomes == UNDECIDED, np.int8(verdict), outcomes)


def _counts(outcomes: Outcomes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Right samples, and decided ones, of each problem."""
    right = (outcomes == RIGHT).sum(axis=1)
    return right, right + (outcomes == WRONG).sum(axis=1)


def _share_of_subsets(wanted: npt.NDArray[np.int64], total: npt.NDArray[np.int64], k: int) -> Scores:
    """C(wanted, k) / C(total, k): the share of subsets of k that are made of wanted samples; NaN where total < k."""
    with np.errstate(invalid="ignore"):
        log = gammaln(wanted + 1) - gammaln(wanted - k + 1) - gammaln(total + 1) + gammaln(total - k + 1)
        share = np.where(wanted >= k, np.exp(log), 0.0)
    return np.where(total >= k, np.minimum(share, 1.0), np.nan)


def _class_scores(outcomes: Outcomes, classes: Classes) -> Scores:
    """(P, classes): the share of each class's decided members that are right, NaN if none is decided."""
    right, decided = _votes(classes, outcomes == RIGHT), _votes(classes, outcomes >= WRONG)
    return _divided(right, decided)


def _votes(classes: Classes, counted: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.int64]:
    """(P, classes): votes of each class, of the samples that are `counted`."""
    n_problems, width = len(classes), int(classes.max(initial=0)) + 1
    mask = classes != NO_CLASS if counted is None else (classes != NO_CLASS) & counted
    row = np.nonzero(mask)[0]
    return np.bincount(row * width + classes[mask], minlength=n_problems * width).reshape(n_problems, width)


def _winners(classes: Classes, scores: Scores) -> Scores:
    """The mean score of each problem's largest classes; 0 if no sample voted."""
    width = scores.shape[1]
    votes = _votes(classes)
    votes = np.pad(votes, ((0, 0), (0, width - votes.shape[1])))
    most = votes.max(axis=1, keepdims=True)
    wins = (votes == most) & (votes > 0)
    return np.where(most[:, 0] > 0, _divided(np.where(wins, scores, 0.0).sum(axis=1), wins.sum(axis=1)), 0.0)


def _best_of(outcomes: Outcomes, values: npt.NDArray[np.float64], k: int) -> float:
    valued = ~np.isnan(values) & (outcomes != ABSENT)
    n = int(valued.sum())
    if n < k:
        return float("nan")
    right, values = outcomes[valued], values[valued]
    score, weight = 0.0, 0.0
    for value in np.unique(values):
        tied = values == value
        above, upto = int((values > value).sum()), int((values >= value).sum())
        # the best of k is in this group: none of k is above it, and not all of them are below it
        chance = (comb(n - above, k) - comb(n - upto, k)) / comb(n, k)
        decided = tied & (right >= WRONG)
        if decided.any():
            score += chance * float((right[decided] == RIGHT).mean())
            weight += chance
    return score / weight if weight else float("nan")


def _divided(numerator: Any, denominator: Any) -> Scores:
    """numerator / denominator, NaN where the denominator is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, np.asarray(numerator, np.float64) / denominator, np.nan)
