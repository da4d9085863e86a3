"""Equivalence on labelled pairs: our own by kind of answer, and the shared data."""

from __future__ import annotations

import json

import pytest

from factory.recipe import EquivalencePolicy
from factory.verify import equivalent
from factory.verify.equivalence import normal_pair
from tests.verify.cases import EQUAL, UNEQUAL


def both_ways(kind: str, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Equivalence has no direction, except that only a prediction is prose."""
    return pairs if kind == "running" else pairs + [(b, a) for a, b in pairs]


@pytest.mark.parametrize("kind", EQUAL)
def test_equal_answers(kind):
    pairs = both_ways(kind, EQUAL[kind])
    wrong = [(g, p, equivalent(g, p)) for g, p in pairs if equivalent(g, p).equal is not True]
    assert wrong == []


@pytest.mark.parametrize("kind", UNEQUAL)
def test_unequal_answers(kind):
    pairs = both_ways(kind, UNEQUAL[kind])
    wrong = [(g, p, equivalent(g, p)) for g, p in pairs if equivalent(g, p).equal is not False]
    assert wrong == []


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        ("12", "12_3"),  # a base on one side only
        ("12", "12 \\text{ or more}"),
        ("3 \\text{ red}", "3\\text{ blue}"),
        ("0", "\\frac{5}{0}"),
        ("12", "12 +"),
        ("2", "AZYUK2A"),
        ("(1,\\infty)", "(1,\\infty]x"),
        ("10^{10^{10}}", "10^{10^{10}}+1"),
        ("\\frac{", "1"),
        ("1", "\\left(\\left(\\left("),
    ],
)
def test_doubt_is_undecided_not_unequal(gold, prediction):
    verdict = equivalent(gold, prediction)
    assert verdict.equal is None
    assert verdict.method == "undecided"
    assert verdict.detail


@pytest.mark.parametrize(
    "text",
    ["", " ", "\\", "$", "{", "}", "\\frac", "^", "_", "|", "\\begin{pmatrix}", "1/", "--", "\x00", "é", "\\boxed{"],
)
def test_fragments_never_raise(text):
    for gold, prediction in ((text, "5"), ("5", text), (text, text + "1")):
        assert equivalent(gold, prediction).equal in (True, False, None)


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_shared_pairs_without_a_convention(shared_data):
    labelled = [row for row in rows(shared_data("equiv_visible.jsonl")) if row["convention"] is None]
    verdicts = [(row, equivalent(row["gold"], row["prediction"])) for row in labelled]
    false_equal = [row["id"] for row, verdict in verdicts if verdict.equal and not row["equal"]]
    right = sum(verdict.equal == row["equal"] for row, verdict in verdicts)
    assert false_equal == []
    assert right >= 0.99 * len(labelled)


def test_shared_pairs_with_a_convention_have_no_false_equal(shared_data):
    labelled = [row for row in rows(shared_data("equiv_visible.jsonl")) if row["convention"] is not None]
    verdicts = [(row, equivalent(row["gold"], row["prediction"])) for row in labelled]
    assert [row["id"] for row, verdict in verdicts if verdict.equal and not row["equal"]] == []
    by_rule = [
        (row, v) for row, v in verdicts if row["convention"] not in ("context_dependent", "tolerance", "multi_boxed")
    ]
    assert [row["id"] for row, verdict in by_rule if verdict.equal != row["equal"]] == []


def test_rounded_decimals_follow_the_policy(shared_data):
    borderline = rows(shared_data("equiv_rounded_borderline.jsonl"))
    strict, lenient = EquivalencePolicy(rounded_digits=None), EquivalencePolicy(rounded_digits=2)
    for row in borderline:
        assert equivalent(row["gold"], row["prediction"], strict).equal is row["strict_equal"]
        assert equivalent(row["gold"], row["prediction"], lenient).equal is row["lenient_equal"]


def test_a_normal_pair_has_the_verdict_of_its_texts(shared_data):
    """The checker caches and ships normal forms: nothing may be lost on the way."""
    changed = []
    for row in rows(shared_data("equiv_visible.jsonl")):
        plain = equivalent(row["gold"], row["prediction"]).equal
        if equivalent(*normal_pair(row["gold"], row["prediction"])).equal != plain:
            changed.append(row["id"])
    assert changed == []
