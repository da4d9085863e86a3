"""What a run's pools hold at least, and what becomes of it where the cluster has less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.recipe import Recipe
from factory.room import Pool, lowered, one_of_each, pools, with_least

SETTINGS = {
    "name": "t",
    "sources": [{"path": "x"}],
    "teacher": {"model": "m", "engine": {"num_gpus": 0, "replicas": [2, 8]}},
    "sandbox": {"actors": [4, 16], "num_cpus": 1},
    "programs": {"workers": [4, 8], "num_cpus": 0.5},
}


@pytest.fixture
def recipe():
    return Recipe.model_validate(SETTINGS)


def test_what_holds_cpus(recipe):
    assert {p.key: (p.least, p.cpus) for p in pools(recipe)} == {
        "teacher.engine.replicas": (2, 1.0),
        "sandbox.actors": (4, 1.0),
        "programs.workers": (4, 0.5),
    }


def test_engines_on_gpus_hold_none():
    on_gpus = Recipe.model_validate(SETTINGS | {"teacher": {"model": "m", "engine": {"tensor_parallel_size": 8}}})
    assert "teacher.engine.replicas" not in {p.key for p in pools(on_gpus)}
    assert on_gpus.teacher.engine.reserved_gpus == 8


def test_roles_that_share_a_model_share_its_pool():
    judged = SETTINGS | {"verify": {"judge": "undecided"}}
    assert [p.key for p in pools(Recipe.model_validate(judged))].count("teacher.engine.replicas") == 1
    assert "judge.engine.replicas" not in {p.key for p in pools(Recipe.model_validate(judged))}


def test_optional_stages_count_where_they_run():
    everything = SETTINGS | {
        "decontaminate": {"benchmarks": ["b.jsonl"], "actors": [3, 4]},
        "sources": [{"path": "x", "kind": "aops"}],
    }
    keys = {p.key: p.least for p in pools(Recipe.model_validate(everything))}
    assert keys["decontaminate.actors"] == 3
    assert keys["curate.actors"] == 1


def test_fewer_of_each_in_equal_shares(recipe):
    least = lowered(pools(recipe), cpus=4)
    assert least == {"teacher.engine.replicas": 1, "sandbox.actors": 2, "programs.workers": 2}


sizes = st.builds(Pool, st.uuids().map(str), least=st.integers(1, 20), cpus=st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0]))


@given(st.lists(sizes, min_size=1, max_size=6), st.floats(0, 40))
def test_one_of_each_at_the_lowest_and_never_more_than_there_is(some, spare):
    cpus = one_of_each(some) + spare
    least = lowered(some, cpus)
    assert sum(least[p.key] * p.cpus for p in some) <= cpus
    assert all(1 <= least[p.key] <= p.least for p in some)


def test_the_run_stays_the_same_run(recipe):
    smaller = with_least(recipe, {"teacher.engine.replicas": 1, "sandbox.actors": 2})
    assert smaller.teacher.engine.replicas == (1, 8)
    assert smaller.sandbox.actors == (2, 16)
    assert smaller.fingerprint == recipe.fingerprint
