"""The LLM judge's protocol: shortcuts, verdict lines, the prompt, and where opinions disagree."""

from __future__ import annotations

import pytest

from factory.prompts.loader import prompt
from factory.verify import Views, disagreement, parse_judgement, prefilter


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


def test_disagreement_counts_each_combination():
    report = disagreement(
        [Views(True, True, True), Views(True, True, True), Views(False, True, True), Views(None, False, None)]
    )
    assert report.total == 4
    assert report.table[True, True, True] == 2
    assert report.between("symbolic", "judge") == (1, 3)
    assert report.between("judge", "majority") == (0, 3)
    assert "symbolic and judge differ on 1 of 3" in report.lines()
    assert disagreement([]).total == 0


def test_disagreement_shows_which_rule_errs():
    report = disagreement(
        [Views(True, False, None, "points"), Views(True, True, None, "points"), Views(None, True, None, "undecided")]
        + [Views(False, True, None, "unit")] * 2
        + [Views(True, None, None, "number")]  # the judge did not see it
    )
    assert report.contradicted("unit") == (2, 2)
    assert report.contradicted("points") == (1, 2)
    rows = [line.split() for line in report.lines()[-3:]]
    assert rows == [["unit", "2", "2", "0", "0"], ["points", "2", "1", "0", "0"], ["undecided", "0", "0", "1", "0"]]
