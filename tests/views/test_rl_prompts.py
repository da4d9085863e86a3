"""rl_prompts: prompts whose reward the trainer's own checker gives as we do, in three readers' rows, with counts."""

from __future__ import annotations

import json
from dataclasses import replace

import duckdb
import pytest

from factory.errors import FactoryError
from factory.views.funnel import Funnel
from factory.views.problem import SolvedProblem
from factory.views.registry import named, options_of
from factory.views.trainer_checker import TrainerChecker
from factory.views.view import Inputs
from tests.views.world import make_problem

VIEW = named("rl_prompts")


@pytest.fixture(scope="module")
def checker():
    with TrainerChecker() as started:
        yield started


def rows(verdict, *given: str):
    """What the view makes of one problem: its rows, and the reason where it leaves it out."""
    funnel = Funnel("problems", read=1)
    found = list(VIEW.rows([SolvedProblem(verdict)], options_of(VIEW, list(given)), Inputs("", {}), funnel))
    funnel.check()
    return [row.values for row in found if row.table == "rl_prompts"], next(iter(funnel.left_out), None)


@pytest.fixture
def verdict():
    import random

    made = make_problem("p", 2, (20, 30), random.Random(3))[1]
    decided = [judgement for judgement in made.judgements if judgement.equal is not None]
    return replace(made, judgements=decided)


def test_the_checker_says_what_math_verify_says_and_outlives_what_hangs(checker):
    assert checker.equal("\\frac{1}{2}", "0.5") is True
    assert checker.equal("12", "13") is False
    assert checker.equal("12", "nothing at all") is False
    process = checker._process
    process.kill()
    assert checker.equal("12", "12") is None  # its process was killed: no verdict
    assert checker.equal("12", "12") is True
    assert checker._process.pid != process.pid


def test_a_pair_that_takes_too_long_has_no_verdict(checker):
    checker.equal("1", "1")
    checker._timeout_s, before = 0.0, checker._timeout_s
    try:
        assert checker.equal("\\sqrt{2}", "2^{1/2}") is None
    finally:
        checker._timeout_s = before


def test_only_what_rules_alone_decided_is_taken(verdict):
    taken, _ = rows(verdict, "check=false")
    assert [row["problem_id"] for row in taken] == ["p"]
    first = next(n for n, judgement in enumerate(verdict.judgements) if judgement.answer is not None)
    for planted in (
        {"symbolic": None, "equal": True, "judge": True},
        {"symbolic": False, "equal": True, "judge": True},
    ):
        judgements = list(verdict.judgements)
        judgements[first] = replace(judgements[first], **planted)
        assert rows(replace(verdict, judgements=judgements), "check=false") == ([], "not_by_rules_alone")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"changed_to_majority": True, "votes": {"1": 2, "2": 2, "3": 1}}, "weak_majority"),
        ({"changed_to_majority": True, "votes": {"1": 3, "2": 1}}, None),
        ({"original_reference": None, "votes": {}}, "weak_majority"),
        ({"reference": "1\n2"}, "answer_not_one_line"),
        ({"reference": " "}, "answer_not_one_line"),
        ({"reference": "1" * 61}, "answer_too_long"),
        ({"reference": "a b c d e f g h i j k"}, "answer_too_long"),
    ],
)
def test_weak_references_and_long_answers_are_left_out_by_name(verdict, changes, reason):
    assert rows(replace(verdict, **changes), "check=false")[1] == reason


def test_a_disagreement_with_the_trainers_checker_leaves_the_prompt_out_and_is_listed(verdict):
    first = next(n for n, judgement in enumerate(verdict.judgements) if judgement.equal)
    judgements = list(verdict.judgements)
    judgements[first] = replace(judgements[first], answer="seven apples")  # our rules said yes, the trainer will not
    funnel = Funnel("problems", read=1)
    problem = SolvedProblem(replace(verdict, judgements=judgements))
    found = list(VIEW.rows([problem], options_of(VIEW, []), Inputs("", {}), funnel))
    assert [(row.table, row.values["answer"]) for row in found] == [("disagreements", "seven apples")]
    assert (found[0].values["ours"], found[0].values["trainer"]) == (True, False)
    assert funnel.left_out == {"trainer_disagrees": 1}


def test_counts_of_each_policy_mode_and_tool_are_counts(verdict):
    (row,), _ = rows(verdict, "check=false")
    for entry in row["passes"]:
        mine = [j for j in verdict.judgements if (j.mode.value, j.tool) == (entry["mode"], entry["tool"])]
        assert (entry["n"], entry["passed"]) == (len(mine), sum(j.equal is True for j in mine))
        assert (entry["task"], entry["policy"]) == ("solve", "teacher")
    measured = [replace(judgement, task="measure", teacher="student") for judgement in verdict.judgements]
    (row,), _ = rows(replace(verdict, judgements=[*verdict.judgements, *measured]), "check=false")
    assert {entry["policy"] for entry in row["passes"]} == {"teacher", "student"}


def test_each_reader_gets_its_rows_and_the_curriculum_is_predicates_over_them(made_run, exported, tmp_path):
    plain = exported("rl_prompts", "check=false")[1]["rl_prompts"]
    assert all(row["prompt"].startswith(row["problem"]) and "\\boxed{}" in row["prompt"] for row in plain)
    for form in ("verl", "nemo_rl", "nemo_gym"):
        done, tables = exported("rl_prompts", "check=false", f"form={form}")
        for row, same in zip(tables["rl_prompts"], plain, strict=True):
            match form:
                case "verl":
                    prompt, answer = row["prompt"][0]["content"], row["reward_model"]["ground_truth"]
                    assert row["reward_model"]["style"] == "rule"
                    passes = row["extra_info"]["passes"]
                case "nemo_rl":
                    prompt, answer, passes = row["input"], row["output"], row["passes"]
                case _:
                    prompt, answer = row["responses_create_params"]["input"][0]["content"], row["answer"]
                    passes = row["passes"]
                    assert row["agent_ref"]["type"] == "responses_api_agents"
            assert (prompt, answer, passes) == (same["prompt"], same["answer"], same["passes"])
        place = next(place for place in tmp_path.iterdir() if (place / done.files[0].key).exists())
        stages = json.loads((place / "curriculum.json").read_text())["stages"]
        ids = []
        for stage in stages:
            column = "extra_info.problem_id" if form == "verl" else "problem_id"
            found = duckdb.sql(f"SELECT {column} FROM '{place / done.files[0].key}' WHERE {stage['where']}").fetchall()
            assert len(found) == stage["prompts"]
            ids.append({one for (one,) in found})
        assert ids[0] >= ids[1] >= ids[2] >= ids[3] != ids[0]


def test_a_prompt_that_does_not_show_the_problem_is_refused(exported):
    for prompt in ("Solve it.", "{question}", "{problem} \\boxed{"):
        with pytest.raises(FactoryError, match="prompt"):
            exported("rl_prompts", f"prompt='{prompt}'")
