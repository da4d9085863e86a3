"""Near-duplicates over embedded problems: found once for a run, then rejected with the name of the one that stays."""

from __future__ import annotations

import pytest

from factory.arrow import from_table, to_table
from factory.recipe import Recipe
from factory.records import Problem, Reject
from factory.stages.near_duplicates import FOUND, Embed, NearDuplicatesWorker, find
from factory.store.run import Run
from factory.store.tables import read_table
from tests.stages.support import SETTINGS, journaled

ANSWERED = Problem(id="z", text="Tom has 12 apples and buys 5 more. How many apples does Tom have now?", answer="17")
COPY = Problem(id="a", text=ANSWERED.text.upper() + "  ", position="f:1")
REWORDED = Problem(id="b", text="Tom has 12 apples and buys 5 more. How many apples does Tom have now in total?")
OTHER = Problem(id="c", text="Tom has 13 apples and buys 5 more. How many apples does Tom have now?", answer="18")
ALL = [COPY, REWORDED, OTHER, ANSWERED]


@pytest.fixture
def recipe(tmp_path):
    values = {"near_duplicates": {"enabled": True}, "decontaminate": {"cache": str(tmp_path / "vectors")}}
    return Recipe.model_validate(SETTINGS | values)


@pytest.fixture
def run(tmp_path, recipe):
    return Run.open(str(tmp_path / "run"), recipe)


def found(run):
    return {row["id"]: (row["kept"], row["reason"]) for row in read_table(run.store, FOUND).to_pylist()}


async def test_the_one_with_an_answer_stays_whatever_the_blocks(run, recipe, tmp_path):
    embed = Embed(recipe)
    find(run.store, [embed(to_table(Problem, ALL))], recipe)
    assert {one: kept for one, (kept, _) in found(run).items()} == {"a": "z", "b": "z"}
    assert found(run)["a"][1] == "identical after normalisation"
    again = Run.open(str(tmp_path / "again"), recipe)
    find(again.store, [embed(to_table(Problem, rows)) for rows in (ALL[3:], ALL[1:3], ALL[:1])], recipe)
    assert found(again) == found(run)

    stage = NearDuplicatesWorker(run, recipe)
    tables = [table async for table in stage(to_table(Problem, ALL))]
    assert [row for table in tables for row in from_table(Problem, table)] == [OTHER, ANSWERED]
    rejects = {row.id: row for row in journaled(run, Reject)}
    assert rejects.keys() == {"a", "b"}
    assert (rejects["a"].stage, rejects["a"].reason, rejects["a"].position) == (
        "near_duplicates",
        "near_duplicate",
        "f:1",
    )
    assert rejects["a"].detail == "z stays: identical after normalisation"


def test_what_was_found_first_is_kept(run, recipe):
    embed = Embed(recipe)
    find(run.store, [embed(to_table(Problem, [OTHER, ANSWERED]))], recipe)
    find(run.store, [embed(to_table(Problem, ALL))], recipe)
    assert found(run) == {}
