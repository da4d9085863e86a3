from __future__ import annotations

import json

import pytest

from factory.decontaminate import judge_pair, signals
from factory.decontaminate.rule import VARIANT_SCORE

PROBLEM = (
    "Let $a$ and $b$ be positive integers with $a+b=54$ and $\\gcd(a,b)=6$. "
    "A rectangle has sides $a$ and $b$. Find the largest possible area of the rectangle."
)


def verdict_on(train: str, bench: str, cosine: float = 0.9):
    return judge_pair(signals(train, bench, cosine))


def test_identical_and_retypeset_copies_need_no_cosine():
    retypeset = PROBLEM.replace("$a+b=54$", "\\(a + b = 54\\)").replace("\\gcd", "\\operatorname{gcd}")
    for copy in (PROBLEM, retypeset, PROBLEM.upper(), "\n" + PROBLEM.replace(" ", "  ")):
        found = verdict_on(copy, PROBLEM, cosine=0.0)
        assert found.contaminated is True
        assert found.rule in ("identical", "near_copy")


def test_a_copy_inside_a_longer_text_is_found():
    thread = (
        "I met this at a contest in 2019 and am stuck. " * 12 + PROBLEM + " I tried 3 ideas. Thanks in advance!" * 5
    )
    assert verdict_on(thread, PROBLEM, cosine=0.2).contaminated is True
    assert verdict_on(thread, PROBLEM, cosine=0.2).rule == "contains"


@pytest.mark.parametrize(("old", "new"), [("54", "72"), ("a+b=54", "a+2b=54"), ("=6", "=9")])
def test_a_copy_with_another_number_is_a_variant_for_a_judge(old: str, new: str):
    found = verdict_on(PROBLEM.replace(old, new), PROBLEM, cosine=0.99)
    assert (found.contaminated, found.score, found.rule) == (None, VARIANT_SCORE, "variant")
    assert not found.decide()
    assert found.decide(threshold=VARIANT_SCORE)


def test_extra_words_and_renamed_variables_make_no_variant():
    longer = PROBLEM.replace("A rectangle", "In the plane, a certain rectangle").replace(
        "Find", "(2024, Problem 7) Find"
    )
    renamed = PROBLEM.replace("$a$", "$u$").replace("$b$", "$v$").replace("a+b", "u+v").replace("a,b", "u,v")
    assert verdict_on(longer, PROBLEM).contaminated is True
    assert verdict_on(renamed, PROBLEM).decide()


def test_a_rewording_needs_closeness_and_the_same_numbers():
    bench = "Nadia buys 14 notebooks at $3 each and 5 pens at $2 each. How many dollars does she spend?"
    reworded = (
        "What does Nadia pay in total for fourteen notebooks priced at 3 dollars and five pens that cost $2 apiece?"
    )
    other = "What does Nadia pay in total for 21 notebooks priced at 4 dollars and nine pens that cost $6 apiece?"
    assert verdict_on(reworded, bench, 0.9).decide()
    assert not verdict_on(other, bench, 0.9).decide()
    assert verdict_on(reworded, bench, 0.3).contaminated is False


def test_problems_without_numbers_are_not_the_same_for_want_of_them():
    one = "Prove that the altitudes of an acute triangle bisect the angles of its orthic triangle."
    two = "Show that the perpendicular bisectors of the sides of a triangle meet in one point."
    assert not verdict_on(one, two, 0.7).decide()


def test_a_translation_is_judged_by_its_formulas():
    chinese = "已知 $x$, $y$ 满足 $x^2+3xy+y^2=60$ 且 $x-y=7$. 求 $x^2+y^2$ 的值."
    english = "Given that $x$ and $y$ satisfy $x^2+3xy+y^2=60$ and $x-y=7$. Find the value of $x^2+y^2$."
    other = "Given that $x$ and $y$ satisfy $2x+y=19$ and $xy=45$. Find the least value of $x+5y$."
    assert verdict_on(chinese, english, 0.4).decide()
    assert not verdict_on(chinese, other, 0.4).decide()


def test_a_translated_story_is_told_from_another_by_what_it_speaks_of():
    english = (
        "A box holds 8 red balls and 5 blue balls. Two are drawn at random. Find the probability that both are red."
    )
    chinese = "盒子里有 8 个红球和 5 个蓝球, 随机取出两个球, 求两个都是红球的概率."
    other = "一个班有 8 名男生和 5 名女生, 老师把他们排成一行, 求男生互不相邻的排法种数."
    assert verdict_on(chinese, english, 0.2).decide()
    assert not verdict_on(other, english, 0.2).decide()


def test_a_copy_that_asks_for_another_point_is_a_variant():
    triangle = (
        "Let $ABC$ be a triangle with $AB=13$, $BC=14$ and $CA=15$. Points $D$ on $BC$ and $E$ on $CA$ are such that "
        "$BD=5$ and $CE=6$. Lines $AD$ and $BE$ meet at $P$. Find $AP$."
    )
    renamed = triangle.translate(str.maketrans("BCDEP", "KLMNQ"))
    assert verdict_on(triangle.replace("$AP$", "$BP$"), triangle).rule == "variant"
    assert verdict_on(renamed, triangle).decide()


def test_short_formulas_with_the_same_words_are_told_by_their_numbers():
    assert verdict_on("Factor $36-16x^2$.", "Factor $36-9x^2$.", 0.99).rule == "variant"
    assert verdict_on("Factor: $36 - 9 x^{2}$", "Factor $36-9x^2$.", 0.5).decide()


def test_texts_too_long_to_align_are_judged_all_the_same():
    book = "It was a dark night. " * 40_000
    assert verdict_on(book + PROBLEM, PROBLEM, 0.0).rule == "contains"
    assert not verdict_on("[" * 100_000 + "{" * 100_000, PROBLEM, 0.0).decide()


def test_more_cosine_never_lowers_the_score():
    bench = "A tank holds 840 liters. A pump empties it at 35 liters per minute. How many minutes does it take?"
    train = "How long does a pump that moves 35 liters a minute need for a tank of 840 liters?"
    scores = [verdict_on(train, bench, cosine / 20).score for cosine in range(21)]
    assert scores == sorted(scores)
    assert scores[-1] > 0.9
    assert scores[0] < 0.1


def test_an_uncalibrated_model_is_judged_by_text_alone():
    measured = signals("Add 3 and 4 to 57 apples.", "Subtract 19 pears.", 0.99)
    assert judge_pair(measured, model="someone/other-model") == judge_pair(
        measured | {"cosine": 0.0}, model="someone/other-model"
    )
    assert judge_pair(measured, model="sentence-transformers/all-MiniLM-L6-v2") == judge_pair(measured)


def test_labelled_pairs(shared_data, embedder):
    """A twentieth of the real pairs, with the real model: no copy missed, and most of the rest right."""
    lines = shared_data("decontam_visible.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line]
    copies = [r for r in rows if r["pair_type"] == "verbatim"]
    rows = [r for r in rows if not r["borderline"] and r["pair_type"] != "translation_zh"][::20]
    assert all(verdict_on(r["train_problem"], r["benchmark_problem"], 0.0).contaminated for r in copies)
    train = embedder.embed([r["train_problem"] for r in rows])
    bench = embedder.embed([r["benchmark_problem"] for r in rows])
    said = [
        verdict_on(r["train_problem"], r["benchmark_problem"], float(a @ b)).decide()
        for r, a, b in zip(rows, train, bench, strict=True)
    ]
    right = sum(yes == r["contaminated"] for yes, r in zip(said, rows, strict=True))
    assert right / len(rows) >= 0.97
