from __future__ import annotations

import dataclasses
import json

import pytest

from factory.arrow import from_table, to_table
from factory.decontaminate import BenchmarkId, BenchmarkIndex, check, near_duplicates, settle
from factory.decontaminate.alignment import meaning_changes
from factory.decontaminate.benchmarks import evaluated, missing
from factory.decontaminate.incremental import check_later
from factory.recipe import Decontaminate
from factory.records import Problem
from tests.decontaminate.conftest import BENCHMARKS, write_rows

STORY = BENCHMARKS["stories"][0]
REWORDED = "What does Nadia pay in all for fourteen notebooks that cost $3 apiece and five pens that cost $2 apiece?"
VARIANT = STORY.replace("14", "23")
UNRELATED = "Prove that a graph with no odd cycle can be coloured with two colours."


@pytest.fixture
def index(benchmark_files, embedder):
    return BenchmarkIndex.build(benchmark_files, embedder)


def problems(*texts: str, **kwargs: str) -> list[Problem]:
    return [Problem(id=f"p{i}", text=text, **kwargs) for i, text in enumerate(texts)]


def test_each_problem_gets_its_neighbours_and_one_decision(index, embedder):
    found = check(problems(STORY, REWORDED, VARIANT, UNRELATED), index, embedder, Decontaminate(neighbours=2))
    assert [c.contaminated for c in found] == [True, True, False, False]
    assert [(c.benchmark, c.benchmark_id) for c in found[:3]] == [("stories", "stories-0")] * 3
    assert [c.rule for c in found[:3]] == ["identical", "rewording", "variant"]
    assert found[2].undecided
    assert found[2].reason
    for checked in found:
        assert 2 <= len(checked.problem.neighbours) <= 4
        assert all({"cosine", "score", "numbers_forward"} <= n.signals.keys() for n in checked.problem.neighbours)
    stored = from_table(Problem, to_table(Problem, [c.problem for c in found]))
    assert stored == [c.problem for c in found]


def test_variants_leave_where_the_recipe_says_so(index, embedder):
    assert check(problems(VARIANT), index, embedder, Decontaminate(threshold=0.4))[0].contaminated


def test_a_judge_settles_what_is_undecided(index, embedder):
    checked = check(problems(VARIANT), index, embedder)[0]
    place = BenchmarkId("stories", "stories-0")
    assert settle(checked, {place: True}).contaminated
    assert settle(checked, {place: True}).rule == "judge"
    assert not settle(checked, {place: False}).contaminated
    assert not settle(checked, {place: None}).contaminated
    copy = check(problems(STORY), index, embedder)[0]
    assert settle(copy, {place: False}).contaminated  # what the rules are sure of is not put to a judge


def test_a_benchmark_that_comes_later_is_compared_alone(index, embedder, tmp_path):
    config = Decontaminate(neighbours=2)
    old = [c.problem for c in check(problems(UNRELATED, REWORDED), index, embedder, config)]
    text = "Prove that a graph without cycles of odd length can be properly coloured with two colours."
    later = write_rows(tmp_path / "later.jsonl", [{"id": "g", "problem": text}])
    leaving, staying = check_later(old, BenchmarkIndex.build([later], embedder), embedder, config)
    assert (leaving.contaminated, leaving.benchmark) == (True, "later")
    assert (staying.contaminated, staying.benchmark) == (True, "stories")
    assert {n.benchmark for n in leaving.problem.neighbours} & {"contest", "stories"}


def test_every_evaluated_benchmark_is_named_once():
    names = [b.name for b in evaluated()]
    assert len(set(names)) == len(names)
    assert {"AIME 2024", "HMMT 2025", "HLE-Math", "Omni-MATH"} <= set(names)
    assert [b.name for b in missing(f"data/{b.file}.jsonl" for b in evaluated()[1:])] == [names[0]]


def test_near_duplicates_keep_one_of_each_group(embedder):
    group = problems(STORY, VARIANT, REWORDED, STORY.replace("$3", "\\$3").lower(), UNRELATED)
    group[2] = dataclasses.replace(group[2], answer="52")
    found = near_duplicates(group, embedder)
    assert [(d.id, d.kept) for d in found] == [("p0", "p2"), ("p3", "p2")]
    assert all(d.reason for d in found)


def test_which_duplicate_stays_does_not_depend_on_the_order(embedder):
    group = problems(STORY, REWORDED, STORY + " ", UNRELATED)
    pairs = {(d.id, d.kept) for d in near_duplicates(group, embedder)}
    assert {(d.id, d.kept) for d in near_duplicates(group[::-1], embedder)} == pairs
    assert near_duplicates([], embedder) == []


@pytest.mark.parametrize(
    ("one", "two", "changes"),
    [
        ("add 5 to x", "add 7 to x", 1),
        ("x - b = c", "x - 2 b = c", 1),
        ("x + 1", "x - 1", 1),
        ("find x", "please find x", 0),
        ("x + y = 3", "u + v = 3", 0),
        ("he has 5 cats", "he has 5 cats and 2 dogs", 0),
        ("find the sum of the roots", "find the product of the roots", 1),
        ("what is sin t", "what is cos t", 1),
        ("find the smallest such n", "find the least such n", 0),
        ("the least angle t", "the second least angle t", 1),
        ("for which it is real", "for which it is not real", 1),
        ("find x + y", "find xy", 1),
        ("x + y = 3 and x > y find x", "x + y = 3 and x > y find y", 1),
        ("u + v = 3 and u > v find u", "x + y = 3 and x > y find x", 0),
        ("a non - negative x", "a nonnegative x", 0),
    ],
)
def test_what_counts_as_a_changed_formula(one: str, two: str, changes: int):
    assert meaning_changes(one.split(), two.split()) == changes
    assert meaning_changes(two.split(), one.split()) == changes


def test_real_benchmarks_find_themselves(shared_data, embedder):
    """Every tenth AIME problem, re-typeset, among two real benchmarks: found, and no other problem is called a copy."""
    paths = [shared_data("bench_aime24.jsonl"), shared_data("bench_aime25.jsonl")]
    rows = [json.loads(line) for path in paths for line in path.read_text().split("\n") if line][::10]
    texts = [row["problem"].replace("$", " $ ").replace("\\frac", "\\dfrac").replace("  ", " ") for row in rows]
    found = check(problems(*texts), BenchmarkIndex.build(paths, embedder), embedder)
    assert all(c.contaminated for c in found)
    assert all(sum(n.verdict == "contaminated" for n in c.problem.neighbours) == 1 for c in found)
