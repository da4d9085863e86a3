"""Which replica writes loops out of proportion, and which one is only unlucky."""

from __future__ import annotations

import random

import pytest

from factory.engines.outliers import Tally, loops


@pytest.mark.parametrize(
    ("token_ids", "expected"),
    [
        ([0] * 256, True),
        ([5, 6, 7] * 100, True),
        (list(range(1000)) + [1, 2] * 128, True),
        ([0] * 255, False),
        ([0] * 300 + [1], False),
        (list(range(40)) * 20, False),  # a sentence over and over: models do that by themselves
        (list(range(500)), False),
    ],
)
def test_a_loop_is_a_short_pattern_at_the_end(token_ids, expected):
    assert loops(token_ids) is expected


def tally(**counts):
    made = Tally()
    for name, (ended, looped) in counts.items():
        made.add(name, ended, looped)
    return made


def test_an_ill_replica_stands_out():
    pool = tally(ill=(100, 60), b=(110, 3), c=(90, 2), d=(100, 4))
    assert pool.outlier_reason("ill") == "60 of 100 streams ended in a loop, of the other replicas' 9 of 300"
    assert [pool.outlier_reason(name) for name in "bcd"] == [None] * 3


@pytest.mark.parametrize(
    "counts",
    [
        {"ill": (100, 100)},  # alone: nothing to compare with
        {"ill": (9, 9), "b": (1000, 0)},  # too few
        {"ill": (100, 60), "b": (100, 55), "c": (100, 58)},  # a hard stretch, for all
        {"ill": (400, 40), "b": (4000, 200)},  # unlucky
    ],
)
def test_what_proves_nothing_condemns_nobody(counts):
    assert tally(**counts).outlier_reason("ill") is None


def test_a_pool_of_healthy_replicas_condemns_none_in_a_thousand_looks():
    dice = random.Random(0)
    pool = Tally()
    for _ in range(1000):
        for name in "abcdefgh":
            ended = dice.randrange(20)
            pool.add(name, ended, sum(dice.random() < 0.03 for _ in range(ended)))
            assert pool.outlier_reason(name) is None


def test_what_was_counted_fades_so_that_a_late_illness_shows():
    pool = tally(a=(10_000, 100), b=(10_000, 100))
    for _ in range(8):
        pool.fade()
    pool.add("a", 100, 90)
    assert pool.outlier_reason("a") is not None


def test_an_outlier_hears_the_same_until_it_leaves_and_no_longer_counts_among_the_others():
    pool = tally(ill=(100, 60), b=(100, 3), c=(100, 20))
    said = pool.outlier_reason("ill")
    pool.add("ill", 1000, 0)  # a late word of a client
    assert said is not None
    assert pool.outlier_reason("ill") == said
    assert pool.outlier_reason("c") == "20 of 100 streams ended in a loop, of the other replicas' 3 of 100"
