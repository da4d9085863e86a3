"""Normal forms: one spelling per sign, nothing lost, stable."""

from __future__ import annotations

import pytest

from factory.verify.normalise import normal_form, plain_words
from tests.verify.cases import EQUAL, UNEQUAL

TEXTS = sorted({text for table in (EQUAL, UNEQUAL) for pairs in table.values() for pair in pairs for text in pair})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\\dfrac{1}{2}", "\\frac{1}{2}"),
        ("\\left( 1, 2 \\right)", "(1, 2)"),
        ("$x \\le 3$", "x \\leq 3"),
        ("3 × 4", "3 \\cdot 4"),
        ("\\mathrm{e}^x", "e^x"),
        ("90°", "90^{\\circ}"),
        ("\x0crac{1}{2}", "\\frac{1}{2}"),
        ("\\\\frac{1}{2}", "\\frac{1}{2}"),
        ("x²", "x^{2}"),
        ("{7}", "7."),
        ("\\text{cm}", "\\mbox{cm}"),
        ("2√15", "2\\sqrt{15}"),
        ("∛64", "\\sqrt[3]{64}"),
        ("a₁₂", "a_{12}"),
        ("x⁻¹⁰", "x^{-10}"),
        ("⅝", "\\frac{5}{8}"),
        ("（3，4］", "(3,4]"),
        ("６ ＜ ７", "6<7"),
        ("𝟗", "9"),
        ("٩", "9"),
        ("Ⅷ", "8"),
        ("9\ufe0f", "9"),
        ("9㎏", "9kg"),
        ("x∈ℤ", "x\\in\\mathbb{Z}"),
        ("\\textcolor{blue}{9}", "9"),
        ("9\\tag{2}", "9"),
        ("\\underbrace{9}_{n}", "9"),
        ("\\Rightarrow 9", "9"),
        ("k := 9", "k = 9"),
        ("9 \\text{ (exactly)}", "9"),
        ("\\text{The width is } 9", "9"),
        ("\\num{9e4}", "9e4"),
        ("\\ang{80}", "80^{\\circ}"),
        ("9.000.000", "9{,}000{,}000"),
        ("0.(6)", "0.\\overline{6}"),
    ],
)
def test_spellings_of_one_form(one, other):
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1 1/2", "11/2"),
        ("1, 100", "1,100"),
        ("x y", "xy."),
        ("-5", "5"),
        ("n!", "n"),
        ("f'", "f"),
        ("N", "n"),
        ("1.5", "15"),
        ("\\text{It is not } 9", "9"),
        ("√17", "√1·7"),
        ("9 \\text{ (perhaps 8)}", "9"),
    ],
)
def test_forms_that_stay_apart(one, other):
    if one == "x y":
        assert normal_form(one) == "x y"
    else:
        assert normal_form(one) != normal_form(other)


def test_normal_form_is_stable():
    assert [text for text in TEXTS if normal_form(normal_form(text)) != normal_form(text)] == []


def test_row_breaks_of_a_matrix_are_no_doubled_backslashes():
    assert normal_form("\\begin{pmatrix}a\\\\b\\end{pmatrix}") == normal_form(
        "\\begin{pmatrix} a \\\\[2pt] b \\end{pmatrix}"
    )


def test_plain_words_keep_digits_and_signs_apart():
    assert plain_words("\\text{Right-Triangle}.") == "right triangle"
    assert plain_words("1.5") == "1.5"
    assert plain_words("-5") == "-5"
    assert plain_words("5!") == "5!"
