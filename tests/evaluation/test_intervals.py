"""Intervals in simulation: problems of known difficulty, sampled a thousand times."""

from __future__ import annotations

import numpy as np
import pytest

from factory.evaluation import intervals as i
from factory.evaluation import metrics as m

RUNS, RESAMPLED = 2000, 1000


def simulated(rng, problems, samples, a, b):
    """Outcomes of problems whose pass rates are Beta(a, b); their true mean is a / (a + b)."""
    rates = rng.beta(a, b, problems)
    return (rng.random((problems, samples)) < rates[:, None]).astype(np.int8), rates


@pytest.mark.parametrize(("problems", "samples", "a", "b"), [(30, 16, 2, 2), (100, 4, 1, 1), (200, 16, 3, 1)])
def test_intervals_cover_the_truth_93_to_97_times_of_a_hundred(problems, samples, a, b):
    rng, truth = np.random.default_rng(7), a / (a + b)
    by_t = by_bootstrap = 0
    errors, means = [], []
    for run in range(RUNS):
        scores = m.pass_at_1(simulated(rng, problems, samples, a, b)[0])
        found = i.estimate(scores)
        by_t += found.low <= truth <= found.high
        if run < RESAMPLED:
            low, high = i.bootstrap(scores, resamples=300, seed=run)
            by_bootstrap += low <= truth <= high
        errors.append(found.standard_error)
        means.append(found.value)
    assert 0.93 <= by_t / RUNS <= 0.97
    assert 0.93 <= by_bootstrap / RESAMPLED <= 0.97
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.05)


def test_samples_of_one_problem_are_not_taken_for_observations_of_their_own():
    outcomes, _ = simulated(np.random.default_rng(1), 30, 64, 0.3, 0.3)
    scores = m.pass_at_1(outcomes)
    naive = np.sqrt(scores.mean() * (1 - scores.mean()) / outcomes.size)
    assert i.estimate(scores).standard_error > 4 * naive


def test_the_error_of_a_rerun_is_the_spread_over_reruns_of_the_same_problems():
    rng = np.random.default_rng(2)
    rates = rng.beta(1, 1, 30)
    runs = [(rng.random((30, 16)) < rates[:, None]).astype(np.int8) for _ in range(2000)]
    spread = np.std([m.pass_at_1(run).mean() for run in runs])
    assert np.mean([i.rerun_error(run) for run in runs]) == pytest.approx(spread, rel=0.05)
    assert i.rerun_error(np.ones((3, 1), np.int8)) is None


def test_a_perfect_score_is_no_certainty():
    found = i.estimate(np.ones(30))
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.884, abs=1e-3)
    assert i.estimate(np.zeros(30)).high == pytest.approx(0.116, abs=1e-3)


def test_too_few_problems_have_no_interval():
    assert i.estimate(np.array([])).value is None
    alone = i.estimate(np.array([0.5, np.nan]))
    assert (alone.value, alone.low, alone.problems, alone.undecided) == (0.5, None, 1, 1)


def test_paired_differences_are_found_where_single_intervals_overlap():
    rng = np.random.default_rng(3)
    rates = rng.beta(0.5, 0.5, 200)
    first, second = ((rng.random((200, 16)) < np.clip(rates + d, 0, 1)[:, None]).astype(np.int8) for d in (0, 0.05))
    one, other = m.pass_at_1(first), m.pass_at_1(second)
    found = i.compare(one, other)
    assert i.estimate(one).high > i.estimate(other).low  # which alone tells nothing
    assert found.differs
    assert found.problems_needed < 200
    assert found.detectable < found.difference.value


def test_thirty_problems_often_cannot_tell_and_it_is_said_how_many_could():
    rng = np.random.default_rng(4)
    first, second = (m.pass_at_1(simulated(np.random.default_rng(9), 30, 1, 2, 2)[0]) for _ in range(2))
    second = np.where(rng.random(30) < 0.3, 1 - second, second)
    found = i.compare(first, second)
    assert not found.differs
    assert found.problems_needed is None or found.problems_needed > 30
    assert found.detectable > 0.2


def test_the_power_that_is_promised_is_had():
    rng = np.random.default_rng(6)
    needed = i.compare(np.zeros(2), np.zeros(2))
    assert (needed.problems_needed, needed.detectable, needed.mcnemar_p) == (None, None, 1.0)
    spread, truth = 0.5, 0.1
    size = round(((1.959964 + 0.841621) * spread / truth) ** 2)
    hits = sum(i.compare(np.zeros(size), rng.normal(truth, spread, size)).differs for _ in range(1000))
    assert hits / 1000 == pytest.approx(0.8, abs=0.04)


def test_mcnemar_is_exact():
    first = np.array([1.0] * 10 + [0.0] * 2 + [1.0] * 5 + [0.5])
    second = np.array([0.0] * 10 + [1.0] * 2 + [1.0] * 5 + [1.0])
    found = i.compare(first, second)
    assert (found.only_first, found.only_second) == (10, 2)
    assert found.mcnemar_p == pytest.approx(0.0386, abs=1e-3)
