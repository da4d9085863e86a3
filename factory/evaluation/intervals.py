"""How sure an accuracy is, and whether two models differ. Scores are one number a problem, as `metrics.py` gives them.

Samples of one problem belong together: sixteen samples of thirty problems are thirty observations, not 480. So all
errors are taken over problems, each with the mean of its samples (clusters of equal size: Miller 2024, arXiv
2411.00640). Problems whose score is NaN (undecided) are left out of an estimate, which says how many they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import numpy.typing as npt
from scipy import stats

from factory.evaluation.metrics import RIGHT, WRONG, Outcomes, Scores

LEVEL = 0.95
RESAMPLES = 2000
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over problems. None if there are too few problems to say."""

    value: float | None
    low: float | None
    """Of the interval, at `LEVEL`."""
    high: float | None
    standard_error: float | None
    problems: int
    undecided: int = 0
    """Problems left out, as their score is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The second model less the first, on the problems that both have."""

    difference: Estimate
    only_first: int
    """Problems right in the first model alone; those in between (ties of a vote) count for neither."""
    only_second: int
    mcnemar_p: float
    """Exact two-sided p-value: the chance of so uneven a split of the two, if the models were equally good."""
    detectable: float | None
    """The least true difference that so many problems would find with a chance of 80 %."""
    problems_needed: int | None
    """Problems like these that would find the observed difference with that chance; None if there is none."""

    @property
    def differs(self) -> bool:
        """Whether the interval leaves zero out."""
        low, high = self.difference.low, self.difference.high
        return low is not None and high is not None and (low > 0 or high < 0)


def estimate(scores: Scores, level: float = LEVEL, bounds: tuple[float, float] = (0.0, 1.0)) -> Estimate:
    """The mean with Student's interval over problems: mean +- t(P-1) * s / sqrt(P), cut off at `bounds`.

    Where all problems score the same there is no spread to go by. All right or all wrong is then taken as P tosses of a
    coin (Clopper and Pearson 1934): 30 of 30 is compatible with 88 %. Any other constant has no interval.
    """
    known = scores[~np.isnan(scores)]
    n, left_out = len(known), len(scores) - len(known)
    if not n:
        return Estimate(None, None, None, None, 0, left_out)
    mean = float(known.mean())
    if n == 1:
        return Estimate(mean, None, None, None, 1, left_out)
    error = float(known.std(ddof=1)) / sqrt(n)
    if error < 1e-12:
        low, high = _unanimous(mean, n, level) if bounds == (0.0, 1.0) else (None, None)
        return Estimate(mean, low, high, 0.0, n, left_out)
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * error
    return Estimate(mean, max(bounds[0], mean - half), min(bounds[1], mean + half), error, n, left_out)


def bootstrap(scores: Scores, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """The cluster bootstrap: problems are drawn again with all of their samples; the interval lies between quantiles.

    Quantiles of few problems are too narrow; they are moved outwards as Hesterberg does (2015, "What Teachers Should
    Know About the Bootstrap", section 3.3): to Phi(-sqrt(P/(P-1)) * t(P-1)). NaN with fewer than two problems.
    """
    known = scores[~np.isnan(scores)]
    n = len(known)
    if n < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    drawn_at_once = max(1, 4_000_000 // n)
    means = np.concatenate(
        [
            known[rng.integers(0, n, (min(drawn_at_once, resamples - start), n))].mean(axis=1)
            for start in range(0, resamples, drawn_at_once)
        ]
    )
    tail = float(stats.norm.cdf(-sqrt(n / (n - 1)) * stats.t.ppf((1 + level) / 2, n - 1)))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def rerun_error(outcomes: Outcomes) -> float | None:
    """The standard error of pass@1 if the *same* problems were sampled again: sqrt(sum of p(1-p)/(n-1)) / P.

    Smaller than `Estimate.standard_error`, which is about other problems of the same kind. None if no problem has
    two decided samples.
    """
    right, decided = (outcomes == RIGHT).sum(axis=1), (outcomes >= WRONG).sum(axis=1)
    several = decided > 1
    if not several.any():
        return None
    p = right[several] / decided[several]
    return float(np.sqrt((p * (1 - p) / (decided[several] - 1)).sum()) / several.sum())


def compare(first: Scores, second: Scores, level: float = LEVEL) -> Comparison:
    """Two models on the same problems, in the same order: the interval of the mean of the differences, pair by pair.

    `problems_needed` and `detectable` are ((z(0.975) + z(0.8)) * s / difference)^2 and the same solved for the
    difference (Miller 2024, section 5), s being the spread of the differences. McNemar's test (1947, exact) looks at
    problems that one model alone gets right: it is meant for scores that are 0 or 1, such as majorities.
    """
    both = ~np.isnan(first) & ~np.isnan(second)
    differences = np.where(both, second - first, np.nan)
    difference = estimate(differences, level, (-1.0, 1.0))
    one, other = _only(first, second, both), _only(second, first, both)
    p = float(stats.binomtest(one, one + other).pvalue) if one + other else 1.0
    spread = (difference.standard_error or 0.0) * sqrt(max(difference.problems, 1))
    z = float(stats.norm.ppf((1 + level) / 2) + stats.norm.ppf(POWER))
    found = difference.value or 0.0
    return Comparison(
        difference=difference,
        only_first=one,
        only_second=other,
        mcnemar_p=p,
        detectable=min(1.0, z * spread / sqrt(difference.problems)) if spread else None,
        problems_needed=max(2, ceil((z * spread / found) ** 2)) if spread and abs(found) > 1e-12 else None,
    )


def _only(winner: Scores, loser: Scores, both: npt.NDArray[np.bool_]) -> int:
    return int((both & (winner == 1.0) & (loser == 0.0)).sum())


def _unanimous(mean: float, n: int, level: float) -> tuple[float | None, float | None]:
    """The exact binomial interval of n of n, or of none of n."""
    edge = float(((1 - level) / 2) ** (1 / n))
    if mean > 1 - 1e-12:
        return edge, 1.0
    return (0.0, 1 - edge) if mean < 1e-12 else (None, None)
