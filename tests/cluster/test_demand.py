"""What a run's actors ask of machines, read from its recipe."""

from __future__ import annotations

import pytest

from factory.cluster.demand import bundle, bundles, pools
from factory.recipe import Recipe

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


def test_those_who_ask_for_the_same_are_named_together(recipe):
    assert bundles(recipe)[bundle({"CPU": 1, "GPU": 0})] == "engine or sandbox"
    assert bundles(recipe)[bundle({"CPU": 0.5})] == "programs"


def test_engines_on_gpus_ask_for_nothing_else():
    on_gpus = Recipe.model_validate(SETTINGS | {"teacher": {"model": "m", "engine": {"tensor_parallel_size": 8}}})
    assert bundles(on_gpus)[bundle({"GPU": 8})] == "engine"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, {"CPU": 0.25}),
        ({"num_gpus": 0.5}, {"GPU": 0.5}),
        ({"num_gpus": 0.5, "num_cpus": 2}, {"GPU": 0.5, "CPU": 2}),
    ],
)
def test_embedding_on_gpus_asks_for_no_cpu_unless_it_is_told_to(given, asked):
    embedding = SETTINGS | {"decontaminate": {"benchmarks": ["b.jsonl"]} | given}
    assert bundles(Recipe.model_validate(embedding))[bundle(asked)] == "decontamination"
