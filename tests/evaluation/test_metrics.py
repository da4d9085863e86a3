"""Metrics against brute force over every subset of the samples, and at their edges."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from factory.evaluation import metrics as m

RNG = np.random.default_rng(5)
OUTCOMES = np.array([[1, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1], [0, 0, 1, 0, 0, 0]], np.int8)
CLASSES = np.array(
    [[0, 1, 1, 0, 0, 2], [0, 1, 2, -1, -1, 0], [0, 0, 0, 0, 0, 0], [0, 0, 1, 2, -1, 2]],
    np.int32,
)


def subsets(row, k):
    return list(combinations(range(len(row)), k))


@pytest.mark.parametrize("k", range(1, 7))
def test_pass_at_k_and_pass_hat_k_are_shares_of_all_subsets(k):
    for row, some, every in zip(OUTCOMES, m.pass_at_k(OUTCOMES, k), m.pass_hat_k(OUTCOMES, k), strict=True):
        assert some == pytest.approx(np.mean([any(row[list(s)] == 1) for s in subsets(row, k)]))
        assert every == pytest.approx(np.mean([all(row[list(s)] == 1) for s in subsets(row, k)]))


def majority(outcomes, classes):
    """Right or wrong by the votes of these samples, ties averaged, written as plainly as can be."""
    votes = Counter(int(c) for c in classes if c >= 0)
    if not votes:
        return 0.0
    winners = [c for c, n in votes.items() if n == max(votes.values())]
    return np.mean([outcomes[list(classes).index(c)] == 1 for c in winners])


def test_majority_of_all_samples_is_exact_and_averages_ties():
    expected = [majority(o, c) for o, c in zip(OUTCOMES, CLASSES, strict=True)]
    assert m.majority_at_k(OUTCOMES, CLASSES, 6).tolist() == pytest.approx(expected)
    assert expected == [1.0, 0.0, 1.0, 0.0]
    tied = m.majority_at_k(np.array([[1, 1, 0, 0]], np.int8), np.array([[0, 0, 1, 1]], np.int32), 4)
    assert tied.tolist() == [0.5]


def test_majority_of_fewer_samples_is_close_to_the_mean_over_all_subsets():
    for k in (1, 3, 5):
        got = m.majority_at_k(OUTCOMES, CLASSES, k)
        for o, c, score in zip(OUTCOMES, CLASSES, got, strict=True):
            whole = np.mean([majority(o[list(s)], c[list(s)]) for s in subsets(o, k)])
            assert score == pytest.approx(whole, abs=0.12)  # 200 subsets: 3.5 standard errors of 0.035


def test_undecided_samples_are_neither_right_nor_wrong_and_bound_both_ways():
    outcomes = np.array([[1, -1, 0, -1], [-1, -1, -1, -1], [1, 1, -2, -2]], np.int8)
    assert m.pass_at_1(outcomes).tolist() == pytest.approx([0.5, np.nan, 1.0], nan_ok=True)
    assert m.pass_at_1(m.decided_as(outcomes, m.WRONG)).tolist() == [0.25, 0.0, 1.0]
    assert m.pass_at_1(m.decided_as(outcomes, m.RIGHT)).tolist() == [0.75, 1.0, 1.0]
    assert np.isnan(m.pass_at_k(outcomes, 3)).tolist() == [True, True, True]
    classes = np.array([[0, 1, 2, 1], [0, 0, 0, 1], [0, 0, -1, -1]], np.int32)
    assert m.majority_at_k(outcomes, classes, 4).tolist() == pytest.approx([np.nan, np.nan, np.nan], nan_ok=True)
    assert m.majority_at_k(outcomes, classes, 2)[2] == 1.0  # the other two were not drawn


def test_majority_share_counts_answered_samples():
    assert m.majority_share(CLASSES).tolist() == pytest.approx([0.5, 0.5, 1.0, 0.4])
    assert np.isnan(m.majority_share(np.full((1, 4), -1, np.int32)))[0]


@pytest.mark.parametrize("k", [1, 2, 4, 6])
def test_best_of_k_is_the_mean_over_all_subsets(k):
    values = RNG.integers(0, 3, OUTCOMES.shape).astype(float)  # with ties
    for o, v, score in zip(OUTCOMES, values, m.best_of_k(OUTCOMES, values, k), strict=True):
        picks = [np.mean([o[i] == 1 for i in s if v[i] == max(v[j] for j in s)]) for s in subsets(o, k)]
        assert score == pytest.approx(np.mean(picks))


def test_a_selected_sample_decides_and_one_without_a_value_never_wins():
    values = np.where(np.arange(6) == 2, 1.0, 0.0)[None].repeat(4, axis=0)
    assert m.best_of_k(OUTCOMES, values, 6).tolist() == [0.0, 0.0, 1.0, 1.0]
    assert np.isnan(m.best_of_k(OUTCOMES, np.full(OUTCOMES.shape, np.nan), 1)).all()


def test_ten_thousand_samples_do_not_overflow():
    many = np.ones((1, 20_000), np.int8)
    many[0, :5_000] = 0
    assert 0.99 < m.pass_at_k(many, 8)[0] <= 1.0
    assert m.pass_hat_k(many, 8)[0] == pytest.approx(0.75**8, rel=1e-2)
