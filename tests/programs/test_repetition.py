"""Loops are seen, and honest text is not taken for one."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.programs.repetition import Repetition, loops


def reference(tokens: list[int], min_tokens: int) -> bool:
    """The definition, word by word."""
    for period in range(1, min(2048, len(tokens) // 4) + 1):
        span = period
        while span < len(tokens) and tokens[-1 - span] == tokens[-1 - span + period]:
            span += 1
        if span >= max(min_tokens, 4 * period):
            return True
    return False


@given(
    head=st.lists(st.integers(0, 2), max_size=30),
    pattern=st.lists(st.integers(0, 2), min_size=1, max_size=12),
    repeats=st.integers(1, 12),
    extra=st.integers(0, 11),
    min_tokens=st.integers(4, 60),
)
def test_the_definition(head, pattern, repeats, extra, min_tokens):
    tokens = head + pattern * repeats + pattern[:extra]
    assert loops(np.asarray(tokens), min_tokens) == reference(tokens, min_tokens)


@pytest.mark.parametrize("period", [1, 7, 127, 128, 500, 2000])
def test_an_endless_loop_is_seen_soon(period):
    noise = random.Random(period)
    head = [noise.randrange(50_000) for _ in range(5_000)]
    pattern = [noise.randrange(50_000) for _ in range(period)]
    kept = Repetition(1024).feed(head + pattern * (20_000 // period))
    assert kept is not None
    assert kept <= len(head) + max(1024, 4 * period) + 128


def test_chunks_do_not_matter():
    noise = random.Random(0)
    tokens = [noise.randrange(100) for _ in range(777)] + [1, 2, 3] * 2000
    whole = Repetition(1024).feed(tokens)
    for size in (1, 5, 128, 1000):
        watch, n_before = Repetition(1024), 0
        for start in range(0, len(tokens), size):
            kept = watch.feed(tokens[start : start + size])
            if kept is not None:
                break
            n_before += size
        assert n_before + kept == whole


def test_long_text_that_says_similar_things_is_not_a_loop():
    # counting, and a table whose rows differ in one number: alike, never the same
    tokens = [token for k in range(5_000) for token in (11, 12, 13, k % 997, 14, 15)]
    assert Repetition(1024).feed(tokens) is None


def test_three_repeats_of_a_long_passage_are_not_a_loop():
    noise = random.Random(3)
    passage = [noise.randrange(50_000) for _ in range(2_000)]
    assert Repetition(1024).feed(passage * 3) is None


def test_zero_switches_it_off():
    assert Repetition(0).feed([1] * 10_000) is None
