"""A run's URI takes one recipe: created once, resumed by the same recipe, refused to another."""

from __future__ import annotations

import json
import os
import pickle

import pytest

from factory.errors import FactoryError
from factory.recipe import JournalSettings, Recipe, Solve, Source, Teacher
from factory.store.counts import JournalCounts
from factory.store.run import Run


def recipe(**changes) -> Recipe:
    values = {"name": "demo", "sources": [Source(path="problems.jsonl")], "teacher": Teacher(model="tiny"), **changes}
    return Recipe(**values)


def test_the_same_recipe_resumes(tmp_path):
    first = Run.open(str(tmp_path), recipe())
    again = Run.open(f"file://{tmp_path}", recipe(journal=JournalSettings(part_age_s=1)))  # an operational knob
    assert (first.created, again.created) == (True, False)
    assert again.manifest == first.manifest
    assert json.loads((tmp_path / "run.json").read_text())["versions"]["python"]
    assert Run.attach(str(tmp_path)).fingerprint == recipe().fingerprint
    assert pickle.loads(pickle.dumps(again)).index().counts() == JournalCounts()


def test_another_recipe_is_refused_with_the_difference(tmp_path):
    Run.open(str(tmp_path), recipe())
    with pytest.raises(FactoryError) as caught:
        Run.open(str(tmp_path), recipe(solve=Solve(samples=4)))
    assert "solve.samples: 8 -> 4" in caught.value.why
    assert "another URI" in caught.value.remedy


def test_nothing_or_nonsense_at_the_uri(tmp_path):
    with pytest.raises(FactoryError, match="no run"):
        Run.attach(str(tmp_path / "nowhere"))
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(FactoryError, match="not a run's description"):
        Run.open(str(tmp_path), recipe())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(FactoryError, match="cannot use"):
        Run.open(str(tmp_path / "run"), recipe())


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FactoryError) as caught:
        Run.open(str(tmp_path / "file" / "run"), recipe())
    assert "choose another place" in caught.value.remedy
