"""What is said about a stored trace becomes a column beside it; samples of several tasks and teachers stay apart."""

from __future__ import annotations

import dataclasses
import json

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from factory.cli import app
from factory.inspection.audit import audit
from factory.records import Annotation, Mode, SampleKey, uid_of
from factory.store.journal import JournalWriter
from factory.store.manifest import load
from factory.store.publish import publish
from factory.store.run import Run
from tests.store.rows import problem, trace, verdict
from tests.store.test_publish import SETTINGS, VIEW, journal
from tests.store.test_run import recipe

REWARD = {"name": "reward", "model": "judge-1", "revision": "abc", "license": "Apache-2.0"}


@pytest.fixture
def run(tmp_path) -> Run:
    return Run.open(str(tmp_path), recipe())


def rows(run: Run) -> dict[str, dict]:
    """The published rows by uid."""
    return {row["uid"]: row for file in load(run.uri) for row in pq.ParquetFile(file).read().to_pylist()}


def test_publishing_joins_what_is_said_of_a_trace(run):
    mine = [trace("p", sample=n, salt=n) for n in range(3)]
    journal(run, [*mine, verdict(problem("p"), mine)])
    plain = publish(run, SETTINGS, VIEW)
    assert not plain.annotations
    before = rows(run)
    said = [Annotation(owner="p", uid=mine[0].uid, value=0.75, **REWARD)]
    said += [Annotation(owner="p", uid=mine[0].uid, value=0.25, **REWARD)]  # two workers that disagree
    said += [Annotation(owner="p", uid=mine[1].uid, name="topic", text="algebra")]
    said += [Annotation(owner="p", uid="of a trace that is not published", value=1.0, **REWARD)]
    journal(run, said, "w2")
    manifest = publish(run, SETTINGS, VIEW)
    assert (manifest.version, manifest.annotations) == (2, ["reward", "topic"])
    after = rows(run)
    new = {"annotation_reward", "annotation_topic"}
    assert {uid: {k: v for k, v in row.items() if k not in new} for uid, row in after.items()} == before
    first, second, third = (after[t.uid] for t in mine)
    assert first["annotation_reward"]["model"] == "judge-1"
    assert first["annotation_reward"]["value"] in (0.25, 0.75)
    assert second["annotation_topic"]["text"] == "algebra"
    assert third["annotation_reward"] is third["annotation_topic"] is second["annotation_reward"] is None
    assert not audit(run.uri, answers=0, cells=0).faults


def test_the_choice_between_two_annotations_depends_on_the_rows_alone(tmp_path):
    mine = [trace("p")]
    said = [Annotation(owner="p", uid=mine[0].uid, value=value, **REWARD) for value in (0.1, 0.9)]
    chosen = set()
    for name, order in (("a", said), ("b", said[::-1])):
        run = Run.open(str(tmp_path / name), recipe())
        journal(run, [*mine, verdict(problem("p"), mine)])
        for worker, row in enumerate(order):
            journal(run, [row], f"w{worker}")
        publish(run, SETTINGS, VIEW)
        chosen.add(rows(run)[mine[0].uid]["annotation_reward"]["value"])
        assert run.index().annotations_of("p") == []  # of a finished problem nothing is kept in memory
    assert len(chosen) == 1


def test_an_unfinished_problem_finds_its_annotations(run):
    mine = trace("p")
    journal(run, [mine, *[Annotation(owner="p", uid=mine.uid, value=0.5, **REWARD)] * 2])
    (found,) = run.index().annotations_of("p")
    assert found.value == 0.5


def test_why_tells_what_was_said(run):
    mine = [trace("p")]
    said = Annotation(owner="p", uid=mine[0].uid, value=0.5, **REWARD)
    journal(run, [*mine, verdict(problem("p"), mine), said])
    told = CliRunner().invoke(app, ["why", run.uri, "p"]).output
    assert "reward: 0.5 by judge-1" in told
    told = json.loads(CliRunner().invoke(app, ["why", run.uri, "p", "--json"]).output)
    assert [row["uid"] for row in told["annotations"]] == [mine[0].uid]


@pytest.mark.parametrize(
    ("bad", "words"),
    [({"name": "Two words", "value": 1.0}, "small letters"), ({"name": "reward"}, "neither a value nor a text")],
)
def test_an_annotation_that_says_nothing_is_refused(bad, words):
    with pytest.raises(ValueError, match=words):
        Annotation(owner="p", uid="u", **bad)


def test_a_row_of_no_journaled_kind_is_refused(run):
    journal = JournalWriter(run.store, "w", part_mb=1, part_age_s=1)
    with pytest.raises(TypeError, match="Problem is not a row kind of the journal"):
        journal.append(problem("p"))
    journal.close()


def test_samples_of_two_teachers_and_tasks_stay_apart(run):
    def by(sample, **who):
        key = dataclasses.replace(sample.key, **who)
        return dataclasses.replace(sample, **who, uid=uid_of(key, sample.token_ids))

    usual = trace("p", Mode.HIGH)
    mine = [usual, by(usual, teacher="second"), by(usual, task="retrace", teacher="second")]
    assert len({str(t.key) for t in mine}) == len({t.uid for t in mine}) == 3
    judged = verdict(problem("p"), mine)
    who = zip(judged.judgements, mine, strict=True)
    told = [dataclasses.replace(j, task=t.task, teacher=t.teacher) for j, t in who]
    journal(run, [*mine, dataclasses.replace(judged, judgements=told)])
    manifest = publish(run, SETTINGS, VIEW)
    assert (manifest.report.published, manifest.report.lost, manifest.keyed) == (3, 0, True)
    assert {uid: (row["task"], row["teacher"]) for uid, row in rows(run).items()} == {
        t.uid: (t.task, t.teacher) for t in mine
    }
    found = audit(run.uri, answers=0, cells=0)
    assert not found.faults, found.examples
    assert sorted(map(str, (t.key for t in run.reader().rows(type(usual), "p")))) == sorted(str(t.key) for t in mine)


def test_a_key_of_the_usual_task_and_teacher_is_spelled_as_ever():
    key = SampleKey(problem_id="p", mode=Mode.HIGH, tool=True, sample=3)
    assert str(key) == "p/high/python/3"
    assert uid_of(key, [1, 2, 3]) == "b29d540275be6b070e496218651b684a"
