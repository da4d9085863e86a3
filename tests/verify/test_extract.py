"""Finding the answer in a reply: boxes first, then what prose states."""

from __future__ import annotations

import pytest

from factory.verify import extract_answer
from factory.verify.extract import answer_of, is_running_text


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so \\boxed{42}.", "42"),
        ("\\boxed{1} then \\boxed{2}", "2"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{\\left\\{1, 2\\right\\}}", "\\left\\{1, 2\\right\\}"),
        ("\\boxed{ x = 3 }", "x = 3"),
        ("\\boxed {7}", "7"),
        ("\\boxed 7 is it", "7"),
        ("\\boxed\n{7}", "7"),
        ("\\fbox{9}", "9"),
        ("\\boxed{\\boxed{5}}", "5"),
        ("\\boxed{\\text{a \\boxed{5} b}}", "\\text{a \\boxed{5} b}"),
        ("\\boxed{\\}}", "\\}"),
        ("\\boxed{a\\\\{b}}", "a\\\\{b}"),
        ("\x08oxed{3}", "3"),
        ("\\boxed{\\begin{pmatrix}1\\\\2\\end{pmatrix}}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"),
        ("\\boxed{3} and then \\boxed{4", "3"),
        ("\\boxed{4", None),
        ("\\boxed{}", None),
        ("\\boxed", None),
        ("\\boxedx{3}", None),
        ("no box", None),
        ("", None),
        (None, None),
    ],
)
def test_the_last_balanced_box(text, answer):
    assert extract_answer(text) == answer


def test_many_open_boxes_take_linear_time():
    assert extract_answer("\\boxed{" * 2000) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 42.", "42"),
        ("The answer is $x = 5$ because it fits.", "$x = 5$"),
        ("Final Answer: The final answer is $5$. I hope it is correct.", "$5$"),
        ("We compute. #### 1,234", "1,234"),
        ("The result is $3$", "3"),
        ("Therefore $x \\geq 5$ is the solution.", "x \\geq 5"),
        ("First 3 terms are used, and then the total comes out as 17 in the end of all.", "17"),
        ("\\boxed{1}, \\boxed{2}", "1, 2"),
        ("\\(\\boxed{1}\\) and \\(\\boxed{-2}\\).", "1, -2"),
        ("\\boxed{1} no no no no no \\boxed{2}", "2"),
        ("\\boxed{3}. In the second part we find another value. \\boxed{4}", "4"),
        ("\\boxed{28} \\%", "28 \\%"),
        ("64 square feet", "64 square feet"),
        ("all real numbers except 3", "all real numbers except 3"),
        ("x = 3 if n is odd, 4 if n is even", "x = 3 if n is odd, 4 if n is even"),
        ("\\frac{1}{2}", "\\frac{1}{2}"),
    ],
)
def test_the_answer_of_a_reply(text, answer):
    assert answer_of(text) == answer


def test_with_the_policy_last_only_the_last_box_counts():
    assert answer_of("\\boxed{1}, \\boxed{2}", "last") == "2"


@pytest.mark.parametrize("text", ["42", "x = 5", "5 cm", "does not exist", "yes", "(1, 2)", "\\text{The sum is even}"])
def test_bare_answers_are_no_running_text(text):
    assert not is_running_text(text)
