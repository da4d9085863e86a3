"""What a run's actors ask of machines, read from its recipe."""

from __future__ import annotations

import pytest

from factory.cluster import demand
from factory.cluster.demand import bundle
from factory.cluster.fit import with_minimum
from factory.engines.serve import pool_name
from factory.recipe import Recipe
from factory.runs.build import Build

SETTINGS = {
    "name": "t",
    "sources": [{"path": "x"}],
    "teacher": {"model": "m", "engine": {"num_gpus": 0, "replicas": [2, 8]}},
    "sandbox": {"actors": [4, 16], "num_cpus": 1},
    "programs": {"workers": [4, 8], "num_cpus": 0.5},
}


def pools(recipe):
    return demand.pools(recipe, Build().stages(recipe))


def bundles(recipe):
    return demand.bundles(recipe, Build().stages(recipe))


@pytest.fixture
def recipe():
    return Recipe.model_validate(SETTINGS)


def test_what_holds_cpus(recipe):
    assert {p.keys: (p.min_actors, p.cpus) for p in pools(recipe)} == {
        ("teacher.engine.replicas",): (2, 1.0),
        ("sandbox.actors",): (4, 1.0),
        ("programs.workers",): (4, 0.5),
    }


def test_engines_on_gpus_hold_none():
    on_gpus = Recipe.model_validate(SETTINGS | {"teacher": {"model": "m", "engine": {"tensor_parallel_size": 8}}})
    assert [p.keys for p in pools(on_gpus)] == [("sandbox.actors",), ("programs.workers",)]
    assert on_gpus.teacher.engine.reserved_gpus == 8


def test_a_role_that_is_left_open_uses_the_teachers_pool():
    judged = Recipe.model_validate(SETTINGS | {"verify": {"judge": "undecided"}})
    assert [p.keys for p in pools(judged) if "engine" in p.keys[0]] == [("teacher.engine.replicas",)]


def test_roles_with_equal_models_and_settings_share_one_pool():
    asked = {"verify": {"judge": "undecided"}, "sources": [{"path": "x", "kind": "aops"}]}
    small = {"model": "s", "ask_tokens": 100, "engine": {"num_gpus": 0, "replicas": [3, 3]}}
    shared = Recipe.model_validate(SETTINGS | asked | {"curator": small, "judge": small | {"ask_tokens": 200}})
    engines = [p for p in pools(shared) if "engine" in p.keys[0]]
    assert [(p.keys, p.min_actors) for p in engines] == [
        (("teacher.engine.replicas",), 2),
        (("curator.engine.replicas", "judge.engine.replicas"), 3),
    ]
    fewer = with_minimum(shared, {key: 1 for p in engines for key in p.keys})
    assert len({pool_name("run", role) for role in fewer.roles.values()}) == 2


def test_optional_stages_count_where_they_run():
    everything = SETTINGS | {
        "decontaminate": {"benchmarks": ["b.jsonl"], "actors": [3, 4]},
        "sources": [{"path": "x", "kind": "aops"}],
    }
    least = {p.keys[0]: p.min_actors for p in pools(Recipe.model_validate(everything))}
    assert least["decontaminate.actors"] == 3
    assert least["curate.actors"] == 1


def test_those_who_ask_for_the_same_are_named_together(recipe):
    assert bundles(recipe)[bundle({"CPU": 1, "GPU": 0})] == "engine or sandbox"
    assert bundles(recipe)[bundle({"CPU": 0.5})] == "solve programs"


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
