"""Whether two expressions are one: what is proved, what is seen at points, and what is left undecided."""

from __future__ import annotations

import pytest

from factory.verify import equivalent
from factory.verify.formal import same_formally
from factory.verify.grammar.parser import parse
from factory.verify.identity import sameness
from factory.verify.normalise import clean
from factory.verify.points import break_points, breaks, joint_points


def tree(text: str):
    return parse(clean(text))


def how(gold: str, prediction: str) -> tuple[bool | None, str]:
    found = sameness(tree(gold), tree(prediction))
    return found.equal, found.how


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        ("w+4", "|w+4|"),
        ("\\min(m, 12)", "m"),
        ("\\max(t, -300)", "t"),
        ("\\lfloor n/7 \\rfloor", "\\lfloor n/8 \\rfloor"),
        ("n \\bmod 6", "n \\bmod 11"),
        ("n \\bmod 90", "n \\bmod 91"),
        ("\\sqrt{(s+6)^2}", "s+6"),
        ("\\sqrt{x^2+30x+225}", "x+15"),
        ("\\lceil n \\rceil", "\\lfloor n \\rfloor + 1"),
        ("\\lceil x \\rceil", "\\lfloor x \\rfloor + 1"),  # they differ at whole numbers alone
        ("\\lfloor x \\rfloor + \\lfloor -x \\rfloor", "-1"),
        ("\\frac{|u|}{u}", "1"),
        ("|a|+|b|", "|a+b|"),
        ("\\arcsin(\\sin x)", "x"),
        ("\\arctan(\\tan y)", "y"),
        ("\\sqrt{1-\\cos^2 x}", "\\sin x"),
        ("|x-40|", "40-x"),
        ("|x-4000|", "4000-x"),
        ("\\max(a,b,c)", "\\max(a,b)"),
        ("\\lfloor \\log_2 n \\rfloor", "\\lfloor \\log_3 n \\rfloor"),
        ("\\ln x^2", "\\ln x"),
        ("x", "x + 10^{-25}"),
        ("\\binom{n}{2}", "\\binom{n}{3}"),
        ("(-1)^n", "(-1)^{n+1}"),
        ("(-1)^{n}", "1"),
        ("n!", "n^n"),
        ("sgn(x)^2", "1"),
    ],
)
def test_expressions_that_agree_on_part_of_their_domain_are_not_equal(gold, prediction):
    assert how(gold, prediction)[0] is False
    assert how(prediction, gold)[0] is False


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        ("(p+q)^7", "(q+p)^7"),
        ("\\frac{x^3-y^3}{x-y}", "x^2+xy+y^2"),
        ("\\sin(2u+1)\\cdot 3", "3\\sin(1+2u)"),
        ("\\frac{1}{1-\\sqrt{t}}-1", "\\frac{\\sqrt{t}}{1-\\sqrt{t}}"),
        ("|v-w|", "|w-v|"),
        ("\\frac{25\\pi}{3}", "\\frac{\\pi}{3}\\cdot 25"),
        ("\\sum_{k=1}^{n} k^2", "\\sum_{j=1}^{n} j^2"),
    ],
)
def test_field_axioms_are_proof(gold, prediction):
    assert same_formally(tree(gold), tree(prediction))
    assert how(gold, prediction) == (True, "exact")


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        ("\\sin 3x", "3\\sin x-4\\sin^3 x"),
        ("|y|", "\\max(y,-y)"),
        ("\\max(a,b)+\\min(a,b)", "a+b"),
        ("\\lfloor x+1 \\rfloor", "\\lfloor x \\rfloor+1"),
        ("\\lfloor x \\rfloor + \\lceil -x \\rceil", "0"),
        ("\\sqrt{x^2}", "|x|"),
        ("\\sqrt{a}\\sqrt{b}", "\\sqrt{ab}"),
        ("\\ln a+\\ln b", "\\ln ab"),
        ("\\cosh^2 u", "1+\\sinh^2 u"),
        ("\\frac{a+b+|a-b|}{2}", "\\max(a,b)"),
    ],
)
def test_points_on_every_piece_show_an_identity(gold, prediction):
    assert how(gold, prediction) == (True, "points")


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [
        ("\\cos(2\\pi n)", "1"),
        ("\\lfloor\\frac{m+2}{3}\\rfloor", "\\lceil\\frac{m}{3}\\rceil"),
        ("\\lceil k \\rceil", "k"),
        ("\\sin(m\\pi)", "0"),
        ("\\lfloor\\frac{n}{2}\\rfloor+\\lfloor\\frac{n+1}{2}\\rfloor", "n"),
        ("e^{2\\pi i n}", "1"),
        ("\\frac{n!}{(n-1)!}", "n"),
        ("\\sum_{k=0}^{n}\\binom{n}{k}", "2^n"),
        ("n \\bmod 2", "\\frac{1-(-1)^n}{2}"),
    ],
)
def test_what_holds_for_whole_numbers_is_equal_where_the_symbol_is_one(gold, prediction):
    assert how(gold, prediction) == (True, "whole numbers")


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [("\\cos(2\\pi a)", "1"), ("\\lceil p \\rceil", "p"), ("\\ln|x|", "\\ln x"), ("\\ln r^2", "2\\ln r"),
     ("\\sqrt{x}^2", "|x|")],
)  # fmt: skip
def test_what_depends_on_a_reading_or_a_domain_is_undecided(gold, prediction):
    assert how(gold, prediction)[0] is None


def test_a_symbol_that_is_never_whole_gets_no_such_excuse():
    assert how("\\lceil x \\rceil", "x")[0] is False


def test_constants_agree_to_a_hundred_digits_or_not_at_all():
    assert how("e^{\\pi\\sqrt{163}}", "262537412640768744")[0] is False
    assert how("\\sqrt[3]{2+\\sqrt5}+\\sqrt[3]{2-\\sqrt5}", "1")[0] is True
    assert how("\\sqrt{5+2\\sqrt6}", "\\sqrt2+\\sqrt3")[0] is True
    assert how("\\sqrt{2}+10^{-40}", "\\sqrt{2}")[0] is False


def test_breaks_are_found_where_the_law_changes():
    found = {str(targets) for _, targets in breaks(tree("|x|+\\lfloor y\\rfloor"))}
    assert found == {"(0,)", "(0, 1, -1, 2, 7, -6, 100)"}
    assert list(breaks(tree("x^2+\\sin x"))) == []


def test_points_lie_on_both_sides_of_a_break():
    points = break_points([tree("|3x-17|")], ["x"], frozenset())
    assert points is not None
    sides = {(3 * point["x"] > 17) - (3 * point["x"] < 17) for point in points}
    assert sides == {-1, 0, 1}


def test_too_many_breaks_are_not_settled_by_points():
    many = "+".join(f"|x-{k}|" for k in range(14))
    assert how(many, many + "+\\sin^2 y+\\cos^2 y-1")[0] is None


def test_joint_points_give_every_symbol_both_signs_and_all_magnitudes():
    for name in ("x", "a_1", "\\theta"):
        values = [point[name] for point in joint_points(["a_1", "\\theta", "x"], frozenset())]
        assert min(values) < -100
        assert max(values) > 100
        assert 0 in values
        assert any(0 < v < 1 for v in values)


def test_a_chain_of_nested_functions_ends_soon_and_without_a_verdict_it_cannot_hold():
    tower = "e^{" * 6 + "x" + "}" * 6
    assert equivalent(tower, tower + "+1").equal in (False, None)
