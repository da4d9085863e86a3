"""Notation from signs to an equal verdict, and what looks alike but is another answer."""

from __future__ import annotations

import pytest

from factory.verify import equivalent

EQUAL = [
    ("3\\sqrt{14}", "3√14"), ("6", "√36"), ("\\log_2 32", "log₂32"), ("\\frac{5}{8}", "⅝"), ("0.004", "4‰"),
    ("60", "5 dozen"), ("2/3", "0.(6)"), ("3/10", "three tenths"), ("42", "forty-two"), ("3000000", "3.000.000"),
    ("\\$30", "US$ 30"), ("4000", "\\$4k"), ("2500000", "\\$2.5M"), ("700", "₹700"), ("8 yuan", "8元"),
    ("2500 m", "\\SI{2.5e3}{\\metre}"), ("50^\\circ", "\\ang{50}"), ("30^\\circ C", "30 degrees Celsius"),
    ("90分钟", "1小时30分钟"), ("4", "四"), ("4, 9", "4和9"), ("no solution", "无解"), ("9", "9个"),
    ("9", "\\textcolor{red}{9}"), ("9", "\\Rightarrow 9"), ("k = 9", "k := 9"), ("9", "9\\tag{3}"),
    ("\\cot x", "\\ctg x"), ("impossible", "Not possible."), ("C", "(C) 3/7"), ("C", "C - none of these"),
]  # fmt: skip
DIFFERENT = [
    ("8", "√18"), ("10", "2√15"), ("9", "9 squared"), ("9", "9 factorial"), ("9", "9 tenths"), ("9", "9 (perhaps 8)"),
    ("9", "9 dozen"), ("A", "A sphere"), ("A", "(A), (C)"), ("A", "(A)(C)"), ("C", "(C) is false"),
    ("C", "C) is wrong, it is D)"), ("①", "②"), ("4:20 pm", "6:20 pm"), ("9", "\\text{It is not } 9"),
    ("ratio: 3", "ratio: 8"), ("width: 4, height: 9", "width: 5, height: 9"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "prediction"), EQUAL)
def test_one_answer_in_two_notations(gold, prediction):
    assert equivalent(gold, prediction).equal is True
    assert equivalent(prediction, gold).equal is True


@pytest.mark.parametrize(("gold", "prediction"), DIFFERENT)
def test_what_only_looks_alike_is_never_equal(gold, prediction):
    assert not equivalent(gold, prediction).equal
    assert not equivalent(prediction, gold).equal
