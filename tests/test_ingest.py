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


def take_in(store, *sources):
    groups = ingest.work(sources)
    return ingest.finish(store, [part for n, group in enumerate(groups) for part in ingest.ingest(store, n, group)])


def problems(store, inputs):
    keys = [key for key in inputs.parts if "/Problem/" in key]
    return [row for key in keys for row in from_table(Problem, ingest.rows(store, inputs, key))]


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
    inputs = take_in(store, source)
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
    inputs = take_in(store, first, second)
    assert [p.text for p in problems(store, inputs)] == ["first", "other"]
    assert inputs.rejects == {"duplicate_id": 1}


def test_a_second_ingest_changes_nothing(store, table):
    source = table({"id": "a", "problem": "1+1?"})
    first = take_in(store, source)
    table({"id": "a", "problem": "1+1?"}, {"id": "b", "problem": "new"})
    assert take_in(store, source) == first == ingest.finished(store)


def test_a_limit_counts_rows(store, table):
    source = table(*({"id": str(n), "problem": "p"} for n in range(10)))
    inputs = take_in(store, source.model_copy(update={"limit": 3}))
    assert (inputs.rows, inputs.problems) == (3, 3)


def test_an_empty_source(store, table):
    inputs = take_in(store, table())
    assert (inputs.rows, inputs.problems, inputs.rejects, inputs.duplicates) == (0, 0, {}, {})


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(FactoryError, match=r"nowhere\.jsonl"):
        ingest.work([Source(path=str(tmp_path / "nowhere.jsonl"))])
