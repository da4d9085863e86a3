"""Kinds of answers beside plain numbers: sets, plus-minus, options, phrases, solutions, functions by other names."""

from __future__ import annotations

import pytest

from factory.verify import equivalent
from factory.verify.phrases import as_formula

EQUAL = [
    # a sign of choice before or inside a tuple
    ("\\pm(2,5)", "(2,5), (-2,-5)"), ("(\\pm 3, 4)", "(3,4), (-3,4)"), ("(x,y)=\\pm(2,1)", "(2,1),(-2,-1)"),
    ("\\pm\\begin{pmatrix}1\\\\6\\end{pmatrix}", "(1,6),(-1,-6)"),
    # sets
    ("\\mathbb{Z}_{\\ge 1}", "\\mathbb{Z}^{+}"), ("\\Z^+", "positive integers"), ("\\N", "\\mathbb{N}"),
    ("\\mathbb{R}_{>0}", "(0,\\infty)"), ("\\mathbb{R}_{\\ge0}", "[0,\\infty)"), ("\\R", "all real numbers"),
    ("\\{3n \\mid n\\in\\mathbb{Z}\\}", "3n, n\\in\\mathbb{Z}"), ("\\{5m : m\\in\\mathbb{Z}\\}", "multiples of 5"),
    ("\\{2n+1: n\\in\\mathbb Z\\}", "\\{2n-1: n\\in\\mathbb Z\\}"),
    ("\\{2k+1 : k\\in\\mathbb{Z}\\}", "odd integers"),
    ("P\\cup Q", "Q\\cup P"), ("A\\cap (B\\cup C)", "(A\\cap B)\\cup(A\\cap C)"), ("A\\setminus B", "A\\cap B^c"),
    ("x \\ge 1, x \\ne 4", "[1,4)\\cup(4,\\infty)"), ("\\{x \\mid x \\ge 1, x\\ne 4\\}", "[1,4)\\cup(4,\\infty)"),
    ("x<-1, x>3", "(-\\infty,-1)\\cup(3,\\infty)"), ("x>1, x<5", "(1,5)"), ("x\\in\\mathbb{R}, x\\ne 6", "x\\ne 6"),
    ("all real numbers except 6", "x \\ne 6"), ("\\mathbb{R}-\\{6\\}", "x\\neq 6"),
    # equations and their solutions, residues
    ("z^2=2i", "z=\\pm(1+i)"), ("x^2+9=0", "x=\\pm 3i"), ("(1+i)z=2", "z=1-i"), ("3 \\pmod 7", "10 \\pmod 7"),
    ("x \\equiv 3 \\pmod 7", "3 \\pmod 7"),
    # functions under other names, binomials, derivatives, unit vectors, matrices
    ("\\operatorname{arctg} 3", "\\arctan 3"), ("\\text{tg } x", "\\tan x"), ("\\operatorname{sh} x", "\\sinh x"),
    ("\\sinh^{-1} x", "\\operatorname{arsinh} x"), ("\\operatorname{arccosh} x", "\\ln(x+\\sqrt{x^2-1})"),
    ("3\\operatorname{cis}60^\\circ", "3e^{i\\pi/3}"), ("\\Re(z)=2", "\\operatorname{Re} z = 2"), ("theta", "\\theta"),
    ("_6C_3", "20"), ("{}^6C_3", "\\binom63"), ("C_6^3", "20"), ("6C3", "20"), ("_5P_2", "20"),
    ("f^{(3)}(x)", "f'''(x)"), ("y^{(2)}", "y''"), ("3\\mathbf{i}-4\\mathbf{j}", "\\langle 3,-4\\rangle"),
    ("[[1,2],[3,4]]", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"),
    ("\\begin{matrix}1\\\\8\\\\3\\end{matrix}", "(1,8,3)"),
    ("(1,2)^T", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"),
    # units
    ("3\\text{ m/s}^2", "3 ms^{-2}"), ("1000 \\text{ kg m}^{-3}", "1000 kg/m^3"), ("3 MB", "3 megabytes"),
    ("6\\ \\mathrm{N\\,m}", "6 N·m"),
    # phrases
    ("July 4", "4 July"), ("July 4th, 1976", "4 July 1976"), ("Aug 3", "August 3"), ("Mon", "Monday"),
    ("2nd", "second"), ("21st", "twenty-first"), ("quadrant II", "second quadrant"), ("200", "two hundred"),
    ("123", "one hundred twenty-three"), ("3.5", "three and a half"), ("-5", "minus five"), ("12", "a dozen"),
    ("81", "9 squared"), ("even $k$", "$k$ even"), ("if x>2", "x > 2"),
    # options
    ("ACD", "A, C, D"), ("(A)(C)", "A and C"), ("②④", "②、④"), ("Ⓑ", "B"), ("①", "1"),
]  # fmt: skip

NEVER_EQUAL = [
    ("\\pm(2,5)", "(2,5), (-2,5)"), ("(\\pm 3, 4)", "(3,4), (3,-4)"), ("July 4", "5 July"), ("July 4", "June 4"),
    ("Mon", "Tuesday"), ("\\operatorname{arcsinh} x", "\\operatorname{arccosh} x"), ("2nd", "third"),
    ("ACD", "A, B, D"),
    ("\\mathbb{Z}_{\\ge 0}", "\\mathbb{Z}_{>0}"), ("\\mathbb{R}_{>0}", "[0,\\infty)"), ("②④", "②③"),
    ("\\{3n \\mid n\\in\\mathbb{Z}\\}", "\\{6n \\mid n\\in\\mathbb{Z}\\}"), ("A\\cap B", "A\\cup B"),
    ("A\\setminus B", "B\\setminus A"), ("\\{2k+1 : k\\in\\mathbb{Z}\\}", "even integers"),
    ("x>0, x\\neq 1", "(0,1)"),
    ("x \\ge 1, x \\ne 4", "[1,\\infty)"), ("x<-1, x>3", "(-1,3)"), ("f^{(3)}(x)", "f''(x)"), ("_6C_3", "21"),
    ("C_1^2", "0"),
    ("3 ms^{-2}", "3 ms^{-1}"), ("3 MB", "3 GB"), ("x^2+1=0", "x=i"),
    ("z^2=2i", "z^2=-2i"),
    ("[[1,2],[3,4]]", "\\begin{pmatrix}1&3\\\\2&4\\end{pmatrix}"), ("2 \\pmod 7", "2 \\pmod 5"),
    ("4/3", "three fourths"),
    ("122", "one hundred twenty-three"), ("Delta", "\\delta"), ("1/3", "third"), ("n", "k"), ("red", "blue"),
    ("\\{x\\in\\mathbb{Z} : 1\\le x\\le 4\\}", "[1,4]"), ("x^2=2", "x=\\pm1.414"), ("A\\cap B", "\\emptyset"),
]  # fmt: skip

UNDECIDED = [
    ("\\{3n : n > 2\\}", "{9, 12}"), ("k\\in\\mathbb{N}, 2k", "2k, k\\in\\mathbb{Z}_{>0}"),
    ("(\\pm 3, \\pm 4)", "(3,4)"),
    ("\\mathbb{N}", "positive integers"), ("\\log 100", "2"), ("\\pi n + 1", "\\pi k + 1"), ("x^2=2", "x=\\pm1.414"),
    ("equilateral", "equilateral triangle"), ("x+1", "rising line"), ("A\\cap B", "D"), ("5 teeth", "dozen teeth"),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "prediction"), EQUAL)
def test_one_answer_written_in_two_ways(gold, prediction):
    assert equivalent(gold, prediction).equal is True
    assert equivalent(prediction, gold).equal is True


@pytest.mark.parametrize(("gold", "prediction"), NEVER_EQUAL)
def test_two_answers_are_never_equal(gold, prediction):
    assert not equivalent(gold, prediction).equal
    assert not equivalent(prediction, gold).equal


@pytest.mark.parametrize(("gold", "prediction"), UNDECIDED)
def test_what_hangs_on_a_convention_or_was_not_read_is_undecided(gold, prediction):
    assert equivalent(gold, prediction).equal is None
    assert equivalent(prediction, gold).equal is None


@pytest.mark.parametrize(
    ("answer", "formula"),
    [
        ("one thousand two hundred and five", "1205"), ("two million", "2000000"),
        ("minus two thirds", r"-\frac{2}{3}"),
        ("two and three fourths", r"\frac{11}{4}"), ("thirty first", "31"), ("the ninth", "9"),
        ("a third", r"\frac{1}{3}"),
        ("five six", None), ("hundred hundred", None), ("twenty thirty", None), ("two third", None), ("and", None),
        ("real", None), ("number", None), ("May be", None), ("2 dogs", None), ("x = five", None), ("", None),
        ("five hundred thousand million", None), ("31 Febtober", None), ("40 May", None),
    ],
)  # fmt: skip
def test_phrases_that_say_a_formula(answer, formula):
    assert as_formula(answer) == formula
