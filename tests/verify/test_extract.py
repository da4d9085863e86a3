"""Finding the answer in a reply: boxes, announcements, the one value of the closing sentence; otherwise nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.verify import extract_answer
from factory.verify.extract import answer_of
from factory.verify.extract.formulas import MASK, formulas, masked
from factory.verify.extract.values import items
from factory.verify.extract.vocabulary import roles
from tests.verify.hostile import HOSTILE


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
        ("\\boxed[2pt]{6}", "6"),
        ("\\bbox[yellow]{6}", "6"),
        ("\\Boxed{6}", "6"),
        ("\\begin{boxed} 6 \\end{boxed}", "6"),
        ("<|begin_of_box|>12 cm<|end_of_box|>", "12 cm"),
        ("<boxed{70}\\).", "70"),
        ("\\boxed{4", None),
        ("<|begin_of_box|>4", None),
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


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("\\boxed{1}, \\boxed{2}", "1, 2"),
        ("\\(\\boxed{1}\\) and \\(\\boxed{-2}\\).", "1, -2"),
        ("\\boxed{1} no no no no no \\boxed{2}", "2"),
        ("\\boxed{3}. In the second part we find another value. \\boxed{4}", "4"),
        ("\\boxed{28} \\%", "28 \\%"),
        ("x \\in \\boxed{[0, 1]}", "x \\in [0, 1]"),
        ("\\boxed{the width is 8}", "the width is 8"),  # a box is read once, as it stands
        ("<answer>The box holds \\boxed{8} apples</answer> and \\boxed{9}", "8"),
        ("<answer> 3/4 </answer>", "3/4"),
        ("<think>perhaps \\boxed{1}</think>It is \\boxed{2}.", "2"),
        ("<think>perhaps \\boxed{1}</think>", "1"),
    ],
)
def test_boxes_and_elements_come_first(text, answer):
    assert answer_of(text) == answer


def test_with_the_policy_last_only_the_last_box_counts():
    assert answer_of("\\boxed{1}, \\boxed{2}", "last") == "2"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 42.", "42"),
        ("The answer is $x = 5$ because it fits.", "$x = 5$"),
        ("Final Answer: The final answer is $5$. I hope it is correct.", "$5$"),
        ("Final Answer: The largest radius of $k$ is 34.", "34"),
        ("We compute. #### 1,234", "1,234"),
        ("**Final answer:** `17`", "17"),
        ("✅ Answer: **17**", "17"),
        ("## Final Answer\n\n$$17$$", "$$17$$"),
        ("Answer $\\frac{2}{3}$", "$\\frac{2}{3}$"),
        ("The answer is 17, not 19.", "17"),
        ("The answer is 17, reached when k = 4.", "17"),
        ("The answer is 60 miles, which is far.", "60 miles"),
        ("Answer: a + b = 20 + 3 = 23", "a + b = 20 + 3 = 23"),
        ("The answer is 4 goats and 3 hens", "4 goats and 3 hens"),
        ("The answer is 4 or 6.", "4 or 6"),
        ("The answer is not 17.", "not 17"),
        ("The answer is probably 17", "probably 17"),
        ("The answer is Maya, who has 6 points.", "Maya, who has 6 points"),
        ("The correct option is (D).", "(D)"),
        ("Answer: 3\nNo, wait.\nAnswer: 4", "4"),
        ("所以答案是 $\\frac12$。", "$\\frac12$"),
        ("故答案为：9", "9"),
        ("答えは9です。", "9"),
        ("Ответ: 9", "9"),
        ("Итак, ответ — 9.", "9"),
        ("La respuesta final es 9.", "9"),
        ("La réponse est 9 cm.", "9 cm"),
        ("Die Antwort lautet 9.", "9"),
    ],
)
def test_announced_answers(text, answer):
    assert answer_of(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The result is $3$", "$3$"),
        ("Therefore $x \\geq 5$ is the solution.", "$x \\geq 5$"),
        ("So, 23 chairs are left.", "23 chairs"),
        ("The largest value is 17, attained at n = 2.", "17"),
        ("The least value is at $t=2$, and it equals $9$.", "$9$"),
        ("Therefore the number of ways to seat 4 people on 6 chairs is 360.", "360"),
        ("The height is $8$ since the base has length $3$.", "$8$"),
        ("The sum is 14, not 15.", "14"),
        ("The chance is one fifth, i.e. 1/5.", "1/5"),
        ("There are 5 boxes of 4, so 20 pens.", "20 pens"),
        ("He runs 7*80=560 meters a week.", "560 meters"),
        ("Thus she pays 12 x $3 = $36 for them.", "$36"),
        ("After lunch 30 eggs - 12 eggs = 18 eggs are left.", "18 eggs"),
        ("She earns 6 * 4 = $<<6*4=24>>24 a day.", "$24"),
        ("The bus leaves at 7:45 am.", "7:45 am"),
        ("The odds are 4:9.", "4:9"),
        ("The side is 3√11.", "3√11"),
        ("We get 10^7 cases.", "10^7 cases"),
        ("The radius is 7π.", "7π"),
        ("It is 5 - 2i.", "5 - 2i"),
        ("It equals sqrt(6).", "sqrt(6)"),
        ("The roots are 6 and 11.", "6 and 11"),
        ("The population is 2.5 million.", "2.5 million"),
        ("The rope is 6 feet 2 inches long.", "6 feet 2 inches"),
        ("Hence it is 4 mod 9.", "4 mod 9"),
        ("The centre is (3, -1).", "(3, -1)"),
        ("The board is 5×8.", "5×8"),
        ("Total: $45", "$45"),
        ("First add 6 and 7.\n13", "13"),
        ("There are 12 coins. 5 dimes, 7 pennies.", "12 coins"),
        ("Yes, it can be done.", "Yes"),
        ("所以一共有8个。", "8个"),
        ("Por lo tanto, quedan 8 manzanas.", "8 manzanas"),
    ],
)
def test_the_one_value_of_the_closing_sentence(text, answer):
    assert answer_of(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "First 3 terms are used, and then the total comes out as 17 in the end of all.",
        "It cannot be 8.",
        "n is at least 8.",
        "k is greater than 8.",
        "It might be 8.",
        "I think it is 8, but it is perhaps 9.",
        "The area is 48 while the perimeter is 28.",
        "It grows by a factor of 50.",
        "The result is 5!",  # five, or five factorial
        "The length is 6 and the width is 4.",
        "Is it 8?",
        "Step 1: try everything.",
        "(B) is false.",
        "E) is wrong, it is A.",
        "We start with 5.\nThen we go on with the proof.",
        "This gives 7 short of 20.",
    ],
)
def test_prose_that_states_no_single_value_has_no_answer(text):
    assert answer_of(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "42", "x = 5", "5 cm", "does not exist", "yes", "(1, 2)", "\\text{The sum is even}", "64 square feet",
        "all real numbers except 3", "x = 3 if n is odd, 4 if n is even", "\\frac{1}{2}", "", "1,234", "5\n6",
        "length: 3, width: 8", "2 if k is even, 9 otherwise",
    ],
)  # fmt: skip
def test_a_bare_answer_is_taken_as_it_stands(text):
    assert answer_of(text) == text


def test_formulas_and_money_are_told_apart():
    text = "It costs $5 and $7, so $x = 12$ and \\(y\\) and \\[z\\] but $3 more."
    assert [text[start:end] for start, end in formulas(text)] == ["$x = 12$", "\\(y\\)", "\\[z\\]"]
    assert masked("a \\frac{1}{\\sqrt{2}} b $c$ d") == "a " + MASK * 18 + " b " + MASK * 3 + " d"


def test_every_word_has_one_role_in_the_predicate():
    table = {role: words for role, words in roles().items() if role in ("contrasts", "hedges", "reasons", "states")}
    shared = {
        (word, one, other) for one in table for other in table if one < other for word in table[one] & table[other]
    }
    assert shared == set()


@pytest.mark.parametrize("name", HOSTILE)
def test_work_grows_no_faster_than_the_text(name, count_steps):
    build = HOSTILE[name]
    answer_of(build(1000))  # tables are read once
    small, large = (count_steps(lambda size=size: answer_of(build(size))) for size in (4_000, 16_000))
    assert large <= 6 * max(small, 2_000)


ALPHABET = st.sampled_from(
    [*"0123456789abxyzAIé.,:;!?()[]{}$\\^_=+-*/<>|%\n \t'\"`#~&°√²π½。，（", "\\boxed{", "\\frac{", "\\(", "\\)", "\\[",
     "\\]", "answer is ", "The ", "so ", " is ", "not ", "\\text{", "$$", "####", "答案是", "Ответ: ", "<answer>",
     "</answer>", "</think>", "\\begin{align}", "\\end{align}", "one half", " and ", "i.e. ", MASK, "\x00", "\ud800"]
)  # fmt: skip


@settings(max_examples=100, derandomize=True)
@given(st.lists(ALPHABET, max_size=60).map("".join))
def test_extraction_never_raises_and_cuts_nothing_in_halves(text):
    answer = answer_of(text)
    assert answer is None or isinstance(answer, str)
    assert extract_answer(text) is None or isinstance(extract_answer(text), str)
    spans = [(item.start, item.end) for item in items(masked(text))]
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


@settings(max_examples=100, derandomize=True)
@given(
    st.integers(-(10**6), 10**6), st.sampled_from(["√11", "^{5}", "π", "/7", "×9", ":4", " + x", "i", " mod 9", "\\%"])
)
def test_a_number_is_never_cut_out_of_an_expression(number, rest):
    for sentence in (f"So the value is {number}{rest}.", f"The answer is {number}{rest}.", f"We get {number}{rest}."):
        assert answer_of(sentence) in (f"{number}{rest}", None)
