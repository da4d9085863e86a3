"""The revision that a run began with is the one that it continues with."""

from __future__ import annotations

import json
import shutil

import pytest

from factory.cluster.pinned import pin
from factory.engines import model_files
from factory.errors import FactoryError
from factory.recipe import Recipe
from factory.store.fs import Store
from tests.engines import tiny_model


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny_model.write(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def model(weights, tmp_path):
    return shutil.copytree(weights, tmp_path / "model")


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "run")


def recipe(model, **values):
    return Recipe.model_validate({"name": "r", "sources": [{"path": "p"}], "teacher": {"model": str(model)}} | values)


def change(model):
    config = json.loads((model / "config.json").read_text())
    Store.open(model).write("config.json", json.dumps(config | {"rms_norm_eps": 1e-3}).encode())


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_other_weights_in_the_same_place_are_refused(model, store, scheme):
    first = pin(recipe(f"{scheme}{model}"), store)
    assert first.teacher.revision == model_files.content_hash(model)
    assert pin(recipe(f"{scheme}{model}"), store) == first
    change(model)
    with pytest.raises(FactoryError, match="holds another model than this run began with"):
        pin(recipe(f"{scheme}{model}"), store)
    assert pin(recipe(f"{scheme}{model}"), Store.open(store.uri + "-new")).teacher.revision != first.teacher.revision


def test_a_hub_name_stays_at_the_commit_of_the_first_start(store, monkeypatch):
    commits = iter(["a" * 40, "b" * 40])
    monkeypatch.setattr(model_files, "revision_of", lambda model, revision: next(commits))
    asked = recipe("owner/name", judge={"model": "owner/judge"}, verify={"judge": "undecided"})
    first = pin(asked, store)
    assert (first.teacher.revision, first.judge.revision) == ("a" * 40, "b" * 40)
    assert pin(asked, store) == first


def test_endpoints_and_directories_elsewhere_are_left_alone(store):
    endpoint = {"model": "m", "engine": {"kind": "endpoint", "url": "http://localhost"}}
    assert pin(recipe("x", teacher=endpoint), store).teacher.revision is None
    assert pin(recipe("/only/on/gpu/machines"), store).teacher.revision is None
    assert not list(store.list())
