from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.decontaminate.text import analyse, normalise


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (r"Find $\dfrac{m}{n}$.", r"Find \(\frac mn\)."),
        (r"$\frac{x^{2}+1}{\sqrt{y}}$", r"$\dfrac{x^2+1}{\sqrt y}$"),
        (r"$\frac{a^{b_{c}}}{d}$", r"$a^{b_c}/d$"),
        (r"$\frac1{x}+\frac{1}x$", r"$\frac{1}{x} + \frac{1}{x}$"),
        (r"$\frac12$ of $x^{2}$", r"\[\tfrac{1}{2}\] of \(x^2\)"),
        (r"Let $\left(a,\,b\right)$ with $a\leq b$", r"Let $(a, b)$ with $a \le b$"),
        (r"an angle of $30^{\circ}$", "an angle of 30°"),
        (r"$6{,}000$ and 1,250", "$6000$ and 1250"),
        (r"$3\times 5$", r"$3 \cdot 5$"),
        ("He has twenty-five dollars.", "He has 25 dollars."),
        ("two hundred apples", "200 apples"),
        ("3 dozen eggs", "36 eggs"),
        (r"\text{the area of } \overline{AB}", r"the area of $\bar{AB}$"),
        ("Find x. [asy] draw((0,0)--(1,1)); [/asy]", "Find x."),
        ("  Find\n\n x² ≤ 9 ", "Find $x^2 \\leqslant 9$"),
        (r"\begin{align*} x&=1\\ y&=2 \end{align*}", r"\[x=1\] \[y=2\]"),
    ],
)
def test_two_typesettings_of_one_problem_are_equal(one: str, two: str):
    assert normalise(one) == normalise(two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Find $x$ with $x+3=8$.", "Find $x$ with $x+3=9$."),
        (r"$\frac{1}{2}$", r"$\frac{2}{1}$"),
        ("$x-1$", "$x+1$"),
        ("1,000", "1, 2, 3"),
        ("What is 2.5?", "What is 25?"),
        ("求 5 的平方.", "求 6 的平方."),
    ],
)
def test_different_problems_stay_different(one: str, two: str):
    assert normalise(one) != normalise(two)


def test_numbers_are_found_however_they_are_said():
    assert analyse("Twice as many as 1,200, a third of ninety-nine, and .50").numbers == {"2", "1200", "3", "99", "0.5"}
    assert analyse("将一个 $5 \\times 5$ 方格表中每个格染六种颜色").numbers == {"1", "5", "6"}
    assert analyse("十二个正方形, 三角形").numbers == {"12"}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Find all $x$.", "latin"),
        ("Trouver tous les réels $x$ tels que $x^2=2$", "fr"),
        ("Hallar todos los enteros $x$ y los primos $p$ para que $x^2=p$", "es"),
        ("Given integers $k \\le m \\le n$, evaluate $\\sum_{i=0}^{n} i$.", "latin"),
        ("设 $z_{1}=-\\sqrt{3}$, 求 $\\left| z-z_{1}\\right|$ 的最小值.", "cjk"),
        ("Найдите все $x$", "cyrillic"),
        ("$1+1=$", "math"),
    ],
)
def test_language_is_told_by_script(text: str, language: str):
    assert analyse(text).language == language


def test_names_inside_sentences_are_found_and_first_words_are_not():
    assert analyse("Yesterday Maria met Omar. Then they counted.").names == {"maria", "omar"}


@given(st.text(max_size=200))
def test_any_text_can_be_analysed(text: str):
    assert analyse(text).squeezed == "".join(analyse(text).words)


@given(st.text(alphabet="\\{}$[]()frac^_,.0123 asy", max_size=300))
def test_broken_latex_can_be_analysed(text: str):
    assert normalise(text) == normalise(text + " ")
