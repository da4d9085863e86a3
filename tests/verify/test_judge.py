"""The LLM judge's protocol: shortcuts, verdict lines, and the prompt."""

from __future__ import annotations

import pytest

from factory.prompts.loader import prompt
from factory.verify import parse_judgement, prefilter


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("They agree.\nJudgement: Yes", True),
        ("They differ.\nJudgement: No", False),
        ("judgement: yes.", True),
        ("JUDGEMENT:YES", True),
        ("**Judgement:** Yes", True),
        ("Judgement: **No**", False),
        ("Judgment: Yes", True),
        ("Judgement: No, wait.\nJudgement: Yes", True),
        ("Judgement: Yes\nJudgement: maybe", False),
        ("Judgement: Yesterday", False),
        ("Judgement:", False),
        ("Yes", False),
        ("", False),
        (None, None),
    ],
)
def test_the_last_verdict_line_counts_and_a_malformed_one_is_a_no(text, verdict):
    assert parse_judgement(text) is verdict


@pytest.mark.parametrize(
    ("expected", "predicted", "verdict"),
    [
        ("5", None, False),
        ("5", " ", False),
        ("5", "no_valid_answer_found", False),
        ("5", " 5 ", True),
        ("5", "5.0", None),
    ],
)
def test_what_needs_no_model(expected, predicted, verdict):
    assert prefilter(expected, predicted) is verdict


def test_the_prompt_takes_three_variables_and_its_own_examples_parse():
    judge = prompt("judge")
    assert judge.variables == {"problem", "expected", "predicted"}
    (examples,) = judge.examples.values()
    assert examples.count("Judgement: Yes") == 4
    assert examples.count("Judgement: No") == 2
    for example in examples.split("Problem: ")[1:]:
        assert parse_judgement(example) in (True, False)
        assert "Judgement:" in example.splitlines()[-1] or example.strip().endswith(("Yes", "No"))
