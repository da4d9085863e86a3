"""Another run as a source: its problems, samples and rejects as it counts them, and the way back to it."""

from __future__ import annotations

import dataclasses
import json
import pickle
import shutil
from collections import Counter

import pytest
from typer.testing import CliRunner

from factory import ingest, settings
from factory.arrow import from_table
from factory.cli import app
from factory.errors import FactoryError
from factory.inspection.why import history_of, render
from factory.recipe import Source
from factory.records import Problem, Reject, StoredSample
from factory.sources import pinned, read, splits, stored_run
from factory.store.manifest import latest
from factory.store.publish import publish
from factory.store.run import Run
from factory.store.tables import read_table
from tests.store.rows import problem, reject, verdict
from tests.store.test_publish import SETTINGS, VIEW, a_run, journal, samples
from tests.store.test_run import recipe

LEFT_OUT = {"problem_too_easy", "unfinished"}  # outcomes of samples whose problem has no verdict


@pytest.fixture
def run(tmp_path) -> Run:
    """30 problems: 24 with a verdict, 3 rejected, 3 under way; published."""
    run = a_run(tmp_path / "run")
    publish(run, SETTINGS, VIEW)
    return run


def source(run: Run, **keys) -> Source:
    return Source(kind="run", path=run.uri, **keys)


def rows(of: Source) -> list:
    return [row for split in splits(of) for row in read(pickle.loads(pickle.dumps(split)))]


@pytest.fixture(params=[1 << 30, 20_000], ids=["one split", "many splits"])
def split_size(request, monkeypatch):
    monkeypatch.setattr(stored_run, "PARTITION_BYTES", request.param)


@pytest.mark.usefixtures("split_size")
def test_problems_come_once_with_the_settled_reference(run):
    settled = dataclasses.replace(verdict(problem("new"), samples("new")), reference="42")
    journal(run, [*samples("new"), settled, verdict(problem("p0"), samples("p0"))], "w2")  # p0 for the second time
    publish(run, SETTINGS, VIEW)
    found = rows(source(run))
    assert all(isinstance(row, Problem) for row in found)
    assert Counter(row.id for row in found) == Counter([*(f"p{n}" for n in range(30) if n % 10 not in (1, 2)), "new"])
    assert {row.answer for row in found if row.id == "new"} == {"42"}
    assert len(found) == latest(run.store).report.problems["verdict"]


@pytest.mark.usefixtures("split_size")
def test_samples_come_with_what_was_said_of_them(run):
    found = rows(source(run, what="traces"))
    assert all(isinstance(row, StoredSample) for row in found)
    report = latest(run.store).report
    of_verdicts = {outcome: n for outcome, n in report.traces.items() if outcome not in LEFT_OUT}
    assert Counter(row.outcome for row in found) == of_verdicts
    assert all(row.judgement.uid == row.trace.uid == row.id and row.problem.id == row.trace.problem_id for row in found)
    high = rows(source(run, what="traces", where={"mode": "high", "tool": ["python"], "outcome": "published"}))
    assert {(row.trace.mode, row.trace.tool, row.outcome) for row in high} == {("high", True, "published")}
    assert len(high) == report.by("trace", 0, 1, 4)["high", "python", "published"]


def test_rejects_come_back_to_be_tried_again(run):
    found = rows(source(run, what="rejects"))
    assert {row.id for row in found} == {"p1", "p11", "p21", "t1"}
    assert {type(row) for row in found} == {Problem, Reject}
    (lost,) = (row for row in found if isinstance(row, Reject))
    assert (lost.id, lost.stage, lost.reason) == ("t1", "read", "row_not_kept")  # its text is not that of a thread
    assert [row.id for row in rows(source(run, what="rejects", where={"reason": "too_easy", "source": "forum"}))] == [
        row.id for row in found if isinstance(row, Problem)
    ]


def test_conditions_on_problems(run):
    assert {row.source for row in rows(source(run, where={"source": "contest"}))} == {"contest"}
    assert rows(source(run, where={"min_difficulty": 0.6})) == []  # all have 0.5
    assert len(rows(source(run, where={"min_difficulty": 0.5, "max_difficulty": 0.5}))) == 24
    with pytest.raises(FactoryError, match="no condition on problems of a run"):
        splits(source(run, where={"mode": "high"}))
    with pytest.raises(FactoryError, match="min_difficulty is 'hard'"):
        splits(source(run, where={"min_difficulty": "hard"}))


def test_a_run_that_has_gone_on_is_refused(run):
    journal(run, [*samples("late"), verdict(problem("late"), samples("late"))], "w2")
    with pytest.raises(FactoryError, match="has gone on since its version 1"):
        splits(source(run))
    publish(run, SETTINGS, VIEW)
    assert len(rows(source(run))) == 25
    with pytest.raises(FactoryError, match="has gone on since its version 1"):
        splits(source(run, version=1))


def test_the_manifest_is_part_of_the_fingerprint(run, tmp_path):
    first = pinned(source(run))
    assert (first.version, len(first.digest)) == (1, 16)
    assert pinned(first) == first
    made_from = recipe(sources=(first,))
    assert settings.result_values(made_from)["sources"][0]["digest"] == first.digest
    journal(run, [reject(problem("p2"))], "w2")
    publish(run, SETTINGS, VIEW)
    second = pinned(source(run))
    assert recipe(sources=(second,)).fingerprint != made_from.fingerprint
    derived = Run.open(str(tmp_path / "derived"), made_from)
    with pytest.raises(FactoryError, match="another recipe"):
        Run.open(derived.uri, recipe(sources=(second,)))
    with pytest.raises(FactoryError, match="not the one that was read before"):
        pinned(second.model_copy(update={"digest": first.digest}))
    with pytest.raises(FactoryError, match="has no version 7"):
        pinned(source(run, version=7))
    table = Source(path="x.jsonl")
    assert pinned(table) is table


def test_keys_that_have_no_effect_are_refused(run, tmp_path):
    with pytest.raises(FactoryError, match="answer_in, split: not for a source of kind run"):
        splits(source(run, split="train", answer_in="boxed"))
    with pytest.raises(FactoryError, match="version: not for a source of kind table"):
        splits(Source(path=str(tmp_path), version=1))


def test_nothing_to_read(tmp_path):
    with pytest.raises(FactoryError, match="nothing is published"):
        pinned(Source(kind="run", path=str(tmp_path)))


def test_a_dataset_is_not_built_from_samples(run):
    with pytest.raises(ValueError, match="built from problems and threads"):
        recipe(sources=[source(run, what="traces")])


def derived_from(run: Run, place, **keys) -> Run:
    """A run whose inputs are read, and no more."""
    of = pinned(source(run, **keys))
    derived = Run.open(str(place), recipe(sources=[of]) if of.what != "traces" else recipe())
    parts = [
        part for n, group in enumerate(ingest.group_splits([of])) for part in ingest.read_group(derived.store, n, group)
    ]
    ingest.finish(derived.store, parts)
    return derived


def test_inputs_add_up(run, tmp_path):
    inputs = ingest.load(derived_from(run, tmp_path / "traces", what="traces").store)
    assert inputs.rows == inputs.samples == inputs.kept > ingest.SAMPLES_PER_PART
    store = Run.attach(str(tmp_path / "traces")).store
    keys = inputs.parts_of(StoredSample)
    assert sum(len(from_table(StoredSample, read_table(store, key))) for key in keys) == inputs.samples
    assert ingest.load(derived_from(run, tmp_path / "problems").store).problems == 24


def test_why_walks_back(run, tmp_path):
    derived = derived_from(run, tmp_path / "derived")
    again = derived_from(publishing(derived), tmp_path / "again")
    told = render(history_of(again.uri, "p0"))
    assert f"before     in version 1 of {derived.uri}:" in told
    assert f"  before     in version 1 of {run.uri}:" in told
    assert "  sample     high/python/0" in told
    told = json.loads(CliRunner().invoke(app, ["why", again.uri, "p0", "--json"]).output)
    assert told["before"][0]["life"]["before"][0]["life"]["verdict"]["reference"] == "7"
    shutil.rmtree(run.uri)
    assert "which is not to be read here any more" in render(history_of(again.uri, "p0"))


def publishing(derived: Run) -> Run:
    """The derived run with a verdict on one of its problems, published."""
    journal(derived, [*samples("p0"), verdict(problem("p0"), samples("p0"))])
    publish(derived, SETTINGS, VIEW)
    return derived
