"""Pass rates, the too-easy rule, regimes, and problems that are dropped early."""

from __future__ import annotations

from itertools import product

import pytest

from factory.records import Judgement, Mode
from factory.verify import already_too_easy, needed, pass_rate, regimes, too_easy


def test_what_could_not_be_judged_is_no_wrong_answer():
    assert pass_rate([True, False, None, True, None, False]) == 0.5
    assert pass_rate([]) == pass_rate([None]) == 0.0


@pytest.mark.parametrize(("passed", "dropped"), [(0, False), (12, False), (13, True), (16, True)])
def test_sixteen_samples_at_the_threshold_of_the_paper(passed, dropped):
    assert too_easy(passed, 16) is dropped


@pytest.mark.parametrize(
    ("total", "threshold", "least"), [(16, 0.8, 13), (10, 0.8, 8), (5, 0.8, 4), (8, 0.75, 6), (3, 1.0, 3)]
)
def test_the_least_number_is_exact_where_the_product_is_an_integer(total, threshold, least):
    assert needed(total, threshold) == least


def test_without_samples_nothing_is_too_easy():
    assert not too_easy(0, 0)
    assert not already_too_easy(None, 0, 0)


def judgement(mode: Mode, tool: bool, equal: bool | None) -> Judgement:
    return Judgement(mode=mode, tool=tool, sample=0, uid="", answer=None, equal=equal, method="")


def test_all_six_regimes_appear_with_count_and_accuracy():
    judged = [judgement(Mode.LOW, True, verdict) for verdict in (True, None, False)]
    judged.append(judgement(Mode.HIGH, False, False))
    table = {regime.name: regime for regime in regimes(judged)}
    assert list(table) == [
        "reason_low_with_tool",
        "reason_low_no_tool",
        "reason_medium_with_tool",
        "reason_medium_no_tool",
        "reason_high_with_tool",
        "reason_high_no_tool",
    ]
    assert (table["reason_low_with_tool"].count, table["reason_low_with_tool"].passed) == (2, 1)
    assert table["reason_low_with_tool"].accuracy == 0.5
    assert table["reason_medium_no_tool"].accuracy == 0.0


@pytest.mark.parametrize(
    ("agreeing", "largest", "certain"),
    [
        (13, 13, True),
        (None, 13, True),
        (12, 12, False),
        (0, 13, False),  # the forum may be wrong: the high samples can still settle on the class of 13
        (None, 12, False),
        (None, 0, False),
    ],
)
def test_a_problem_is_dropped_early_only_if_enough_samples_agree(agreeing, largest, certain):
    assert already_too_easy(agreeing, largest, 16) is certain


def test_dropping_early_never_contradicts_any_way_the_samples_can_go_on():
    """Small enough to try everything: 5 samples, answers F (the forum's), A and B, threshold 0.8."""
    total = 5
    for answers in product("FAB", repeat=total):
        for drawn in range(total + 1):
            seen = answers[:drawn]
            largest = max((seen.count(a) for a in "FAB"), default=0)
            if already_too_easy(seen.count("F"), largest, total):
                assert too_easy(answers.count("F"), total)
