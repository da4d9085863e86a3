"""What a name, a condition, a parameter, a time, a digit or a row of letters means: never a bag of symbols."""

from __future__ import annotations

import pytest

from factory.verify import equivalent
from factory.verify.symbolic import compare_symbolically

UNEQUAL = [
    # names differ in any way
    ("\\psi = 12", "\\chi = 12"), ("u_2 = 9", "u_5 = 9"), ("MN = 14", "NK = 14"), ("g(2) = 6", "g(3) = 6"),
    ("(u,v) = (3,8)", "(v,u) = (3,8)"), ("(u,v) = (3,8)", "(u,w) = (3,8)"), ("a=3, b=5", "a=3, c=5"),
    ("\\sin P = \\frac{3}{7}", "\\cos P = \\frac{3}{7}"), ("T_n = 3n", "b_n = 3n"), ("h'(t) = 4t", "h(t) = 4t"),
    ("\\angle RST = 40^\\circ", "\\angle STR = 40^\\circ"), ("y_{min} = 2", "y_{max} = 2"),
    # a condition binds its own value
    ("7 if k is odd, 4 if k is even", "4 if k is odd, 7 if k is even"), ("max 11, min 6", "max 6, min 11"),
    ("5 \\text{ when } r = 2", "2 \\text{ when } r = 5"),
    ("\\begin{cases} 6 & \\text{if } m \\text{ is even} \\\\ 1 & \\text{if } m \\text{ is odd} \\end{cases}",
     "\\begin{cases} 1 & \\text{if } m \\text{ is even} \\\\ 6 & \\text{if } m \\text{ is odd} \\end{cases}"),
    ("\\begin{cases} t & t > 2 \\\\ 2 & t \\le 2 \\end{cases}", "\\min(t, 2)"),
    # letters are words
    ("RHS", "SRH"), ("HTT", "TTH"), ("\\overrightarrow{KL}", "\\overrightarrow{LK}"), ("\\vec{CD}", "\\vec{DC}"),
    ("\\overline{6-5i}", "6-5i"), ("\\overline{w}", "w"), ("\\hat{u}", "u"),
    # times, bases, logarithms
    ("7:40 am", "2:40 am"), ("11:25 am", "11:25 pm"), ("4:10 pm", "16:20"), ("3:8", "5:8"), ("3F_{16}", "3E_{16}"),
    ("\\lg 50", "\\ln 50"), ("\\lg v", "\\log_2 v"),
    # families
    ("\\frac{k\\pi}{3}, k\\in\\mathbb{Z}", "\\frac{k\\pi}{6}, k\\in\\mathbb{Z}"),
    ("5k+1, k\\in\\mathbb{Z}", "5k+2, k\\in\\mathbb{Z}"), ("2k\\pi, k\\in\\mathbb{Z}", "2k\\pi, k\\in\\mathbb{N}"),
]  # fmt: skip

EQUAL = [
    ("(u,v) = (3,8)", "v = 8, u = 3"), ("g(t) = t^3", "g(w) = w^3"), ("b_n = 5n", "b_k = 5k"), ("MN = 14", "14"),
    ("7 if k is odd, 4 if k is even", "4 if k is even, 7 if k is odd"), ("max 11, min 6", "min 6, max 11"),
    ("\\begin{cases} t & t > 2 \\\\ 2 & t \\le 2 \\end{cases}", "\\max(t, 2)"),
    ("\\angle RST", "\\angle TSR"), ("\\triangle PQR", "\\triangle QRP"), ("\\overline{GH}", "GH"),
    ("\\overline{6-5i}", "6+5i"), ("w\\overline{w}", "|w|^2"), ("\\vec{u}+\\vec{v}", "\\vec{v}+\\vec{u}"),
    ("4:10 pm", "16:10"), ("09:20 P.M.", "21:20"), ("18:45", "18:45:00"), ("12:30 am", "00:30 am"),
    ("3F_{16}", "3f_{16}"), ("\\lg 10000", "4"), ("\\lg v", "\\log_{10} v"),
    ("\\frac{\\pi}{5}+k\\pi, k\\in\\mathbb{Z}", "\\frac{\\pi}{5}+m\\pi, m\\in\\mathbb{Z}"),
    ("\\frac{\\pi}{5}+k\\pi\\ (k\\in\\mathbb{Z})", "\\frac{\\pi}{5}+n\\pi, n\\in\\mathbb{Z}"),
    ("5k+1, k\\in\\mathbb{Z}", "5m-4, m\\in\\mathbb{Z}"), ("(k, 4k), k\\in\\mathbb{Z}", "(n, 4n), n\\in\\mathbb{Z}"),
    ("\\frac{k\\pi}{2}, k\\in\\mathbb{Z}", "k\\pi, \\frac{\\pi}{2}+k\\pi, k\\in\\mathbb{Z}"),
]  # fmt: skip

UNDECIDED = [
    ("DU", "UD"), ("tea", "eat"), ("88_8", "99_8"), ("4:10 pm", "4:10"), ("9", "9 if m is odd"),
    ("y = t^2", "f(t) = t^2"), ("\\max h = 8", "8"), ("r \\land s", "r \\lor s"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "prediction"), UNEQUAL)
def test_what_means_another_thing_is_not_equal(gold, prediction):
    assert equivalent(gold, prediction).equal is False
    assert equivalent(prediction, gold).equal is False


@pytest.mark.parametrize(("gold", "prediction"), EQUAL)
def test_what_means_the_same_is_equal(gold, prediction):
    assert equivalent(gold, prediction).equal is True
    assert equivalent(prediction, gold).equal is True


@pytest.mark.parametrize(("gold", "prediction"), UNDECIDED)
def test_what_only_a_reader_can_tell_is_undecided(gold, prediction):
    assert equivalent(gold, prediction).equal is None
    assert equivalent(prediction, gold).equal is None


@pytest.mark.parametrize(
    ("gold", "prediction"),
    [("7\\blacksquare", "7"), ("A \\oplus B", "A \\otimes B"), ("\\int_0^2 y\\,dy", "\\int_0^2 y\\,dt"),
     ("\\lim_{x\\to 0} f(x)", "\\lim_{x\\to 2} f(x)")],
)  # fmt: skip
def test_the_last_rung_never_says_unequal_of_what_it_did_not_read(gold, prediction):
    assert compare_symbolically(gold, prediction).equal is None


def test_the_last_rung_tells_numbers_apart():
    assert compare_symbolically("\\int_0^1 x\\,dx", "\\frac{1}{3}").equal is False
    assert compare_symbolically("\\int_0^1 x\\,dx", "\\frac{1}{2}").equal is True
