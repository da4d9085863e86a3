"""What sources hold becomes inputs once: unique ids, rejects for the rest, counts that add up."""

from __future__ import annotations

import json

import pytest

from factory import ingest
from factory.arrow import from_table
from factory.errors import FactoryError
from factory.recipe import Source
from factory.records import Problem, Reject
from factory.store.fs import Store
from factory.store.tables import read_table


def read_inputs(store, *sources):
    groups = ingest.group_splits(sources)
    return ingest.finish(store, [part for n, group in enumerate(groups) for part in ingest.read_group(store, n, group)])


def problems(store, inputs):
    keys = [key for key in inputs.parts if "/Problem/" in key]
    return [row for key in keys for row in from_table(Problem, ingest.read_part(store, inputs, key))]


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "run")


@pytest.fixture
def table(tmp_path):
    def write(*rows, name="problems.jsonl"):
        path = tmp_path / name
        path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
        return Source(path=str(path))

    return write


def test_every_row_is_an_input_or_a_reject(store, table):
    source = table(
        {"id": "a", "problem": "1+1?", "answer": "2"},
        "this is not JSON\n",
        {"id": "b", "answer": "3"},
        {"id": "a", "problem": "again", "answer": "2"},
        {"id": "c", "problem": "2+2?"},
    )
    inputs = read_inputs(store, source)
    assert (inputs.rows, inputs.problems, sum(inputs.rejects.values())) == (5, 2, 3)
    assert [p.id for p in problems(store, inputs)] == ["a", "c"]
    ingest.publish_rejects(store, inputs)
    files = [entry.key for entry in store.list("rejects/read-")]
    rejects = {reject.reason: reject for key in files for reject in from_table(Reject, read_table(store, key))}
    assert len(rejects) == 3
    assert rejects["duplicate_id"].id == "a"
    assert json.loads(rejects["duplicate_id"].row)["text"] == "again"
    assert all("problems.jsonl" in reject.position for reject in rejects.values())


def test_the_first_row_of_an_id_stays_also_across_files(store, table):
    first = table({"id": "x", "problem": "first"}, name="one.jsonl")
    second = table({"id": "x", "problem": "first "}, {"id": "y", "problem": "other"}, name="two.jsonl")
    inputs = read_inputs(store, first, second)
    assert [p.text for p in problems(store, inputs)] == ["first", "other"]
    assert inputs.rejects == {"duplicate_id": 1}


def test_a_second_ingest_changes_nothing(store, table):
    source = table({"id": "a", "problem": "1+1?"})
    first = read_inputs(store, source)
    table({"id": "a", "problem": "1+1?"}, {"id": "b", "problem": "new"})
    assert read_inputs(store, source) == first == ingest.load(store)


def test_a_limit_counts_rows(store, table):
    source = table(*({"id": str(n), "problem": "p"} for n in range(10)))
    inputs = read_inputs(store, source.model_copy(update={"limit": 3}))
    assert (inputs.rows, inputs.problems) == (3, 3)


def test_an_empty_source(store, table):
    inputs = read_inputs(store, table())
    assert (inputs.rows, inputs.problems, inputs.rejects, inputs.duplicates) == (0, 0, {}, {})


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(FactoryError, match=r"nowhere\.jsonl"):
        ingest.group_splits([Source(path=str(tmp_path / "nowhere.jsonl"))])


def test_two_snapshots_without_ids_or_names_keep_all_their_problems(store, tmp_path):
    sources = []
    for name in ("numina", "openr1"):
        folder = tmp_path / name / "data"
        folder.mkdir(parents=True)
        (folder / "train-00000-of-00001.jsonl").write_text('{"problem": "1+1?"}\n' * 5)
        sources.append(Source(path=str(tmp_path / name)))
    inputs = read_inputs(store, *sources)
    assert (inputs.problems, inputs.rejects) == (10, {})
    assert {p.id.split(":")[0] for p in problems(store, inputs)} == {
        "numina/data/train-00000-of-00001",
        "openr1/data/train-00000-of-00001",
    }


def test_ids_that_stand_for_two_problems_are_an_error_with_a_way_out(store, table):
    one = [table(*({"id": n, "problem": f"{name} {n}"} for n in range(3)), name=f"{name}.jsonl") for name in "ab"]
    with pytest.raises(FactoryError, match="ids: named"):
        ingest.group_splits(one)
    late = [table(*({"id": str(n), "problem": f"{name} {n}"} for n in ids), name=f"{name}.jsonl") for name, ids in
            (("c", range(200)), ("d", range(150, 350)))]  # fmt: skip
    with pytest.raises(FactoryError, match="'150' stands for"):
        read_inputs(store, *late)
    named = [source.model_copy(update={"name": name, "ids": "named"}) for name, source in zip("ab", one, strict=True)]
    inputs = read_inputs(store, *named)
    assert [p.id for p in problems(store, inputs)] == ["a/0", "a/1", "a/2", "b/0", "b/1", "b/2"]


def test_problems_of_the_same_text_are_folded_where_the_recipe_says_so(store, table):
    rows = [("a", "x", None), ("b", "y", "1"), ("c", " x", "2"), ("d", "x", "3"), ("b", "z", None)]
    source = table(*({"id": i, "problem": p, "answer": a} for i, p, a in rows))
    inputs = read_inputs(store, source.model_copy(update={"fold_duplicates": True}))
    assert [p.id for p in problems(store, inputs)] == ["b", "c"]
    assert inputs.rejects == {"duplicate_id": 1, "duplicate_problem": 2}
    assert inputs.rows == inputs.problems + sum(inputs.rejects.values())
