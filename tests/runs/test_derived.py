"""Derived runs: a stored run judged again, without Ray, whole and interrupted; its dataset and differences."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from factory import ingest, runs
from factory.cli import app
from factory.errors import FactoryError
from factory.programs.answered import AnsweredProblem
from factory.programs.rejudge import REJUDGE
from factory.recipe import Rejudge
from factory.records import Reject, Trace, Verdict
from factory.report.differences import Differences
from factory.runs import KINDS
from factory.runs.derived import DIFFERENCES
from factory.stages.ledger import Ledger
from factory.stages.services import Services
from factory.stages.worker import Worker
from factory.store.fs import Store
from factory.store.manifest import latest, load
from factory.store.publish import in_process, publish
from factory.store.run import Run
from factory.store.tables import read_table
from tests.conftest import ROOT
from tests.stages.support import journaled

KIND = KINDS["rejudge"]


@pytest.fixture
def source(tmp_path):
    (stored,) = (ROOT / "tests" / "stored_runs").glob("*/run.json")
    return Run.attach(str(shutil.copytree(stored.parent, tmp_path / "source")))


def recipe_of(source, *, path=None, version=None, **sections):
    where = {"kind": "run", "path": path or source.uri, "version": version}
    values = {"name": "again", "kind": "rejudge", "source": where, "journal": {"part_age_s": 0.1}}
    return Rejudge.model_validate(values | sections)


def started(source, out, **sections):
    recipe = recipe_of(source, **sections)
    store = Store.open(str(out))
    KIND.check(recipe, store)
    recipe = KIND.resolve(recipe, store)
    return Run.open(str(out), recipe), recipe


async def judge(run, recipe, inputs, limit=None):
    """What the graph does, in this process: rows that have not ended, through the worker."""
    ledger = Ledger(run.uri)

    async def begin(row_id):
        return ledger.begin(row_id)

    async def recorded(row_id):
        return ledger.recorded(row_id)

    async def connect():
        return Services({}, None, begin, recorded)

    worker = Worker(run, recipe, connect, REJUDGE, in_flight=8)
    for key in inputs.parts_of(AnsweredProblem):
        rows = ingest.read_part(run.store, inputs, key).slice(0, limit)
        for offset in range(rows.num_rows):
            async for _ in worker(rows.slice(offset, 1)):
                pass


async def rejudged(source, out, **sections):
    run, recipe = started(source, out, **sections)
    inputs = KIND.read_inputs(run, recipe, in_process)
    await judge(run, recipe, inputs)
    return run, finished(run, recipe, inputs)


def finished(run, recipe, inputs):
    KIND.conclude(run, recipe, inputs, in_process)
    return publish(run, recipe.publish, KIND.view, card=lambda m: KIND.card(run, m, KIND.funnel(inputs, m)))


def rows(run, *columns):
    return [row for path in load(run.uri) for row in pq.read_table(path, columns=list(columns)).to_pylist()]


async def test_the_same_rules_give_the_same_dataset(source, tmp_path):
    run, manifest = await rejudged(source, tmp_path / "again", verify=source.recipe["verify"] | {"judge": "never"})
    was, now = ({row["uid"]: row for row in rows(r, "uid", "token_ids", "mask", "messages")} for r in (source, run))
    assert {uid: was[uid] for uid in was.keys() & now.keys()} == {uid: now[uid] for uid in was.keys() & now.keys()}
    of_both = {j.uid for v in journaled(run, Verdict) for j in v.judgements if j.equal}
    assert now.keys() == of_both
    assert manifest.report.lost == 0
    assert all(stage.missing == 0 for stage in KIND.funnel(ingest.load(run.store), manifest))
    withdrawn = {reject.id for reject in journaled(source, Reject) if reject.stage == "withdraw"}
    assert withdrawn
    assert withdrawn.isdisjoint({row["problem_id"] for row in rows(run, "problem_id")})


async def test_another_policy_changes_verdicts_and_says_which(source, tmp_path):
    strict = {"policy": {"missing_unit": False, "rounded_digits": None, "assignment_prefix": False}}
    run, manifest = await rejudged(source, tmp_path / "strict", verify=strict)
    found = Differences.from_json(run.store.read(DIFFERENCES))
    inputs = ingest.load(run.store)
    assert sum(found.problems.values()) == inputs.problems
    verdicts = journaled(run, Verdict)
    assert found.problems[("verdict", "verdict")] <= len(verdicts)
    assert Counter(j.equal for v in verdicts for j in v.judgements)[True] == manifest.report.published
    readme = (tmp_path / "strict" / "dataset" / "README.md").read_text()
    assert "Judged again" in readme
    assert source.uri in readme


async def test_killed_at_any_step_it_goes_on_and_publishes_the_same_bytes(source, tmp_path):
    _, manifest = await rejudged(source, tmp_path / "whole")
    run, recipe = started(source, tmp_path / "broken")
    inputs = KIND.read_inputs(run, recipe, in_process)
    await judge(run, recipe, inputs, limit=2)
    assert KIND.read_inputs(run, recipe, in_process) == inputs  # a driver that died before it knew
    run, recipe = started(source, tmp_path / "broken")
    assert not run.created
    await judge(run, recipe, inputs)
    KIND.conclude(run, recipe, inputs, in_process)
    for entry in list(run.store.list("journal/traces/"))[::2]:
        run.store.delete(entry.key)  # as if the copying had been killed half-way
    run.store.delete("inputs/traces.json")
    again = finished(run, recipe, inputs)
    shards = [[(s.rows, s.bytes) for s in m.shards] for m in (manifest, again)]
    assert shards[0] == shards[1]
    assert again.report == manifest.report
    shutil.rmtree(source.store.url("").removeprefix("file://"))
    run, recipe = started(source, tmp_path / "broken")  # the source may go
    assert finished(run, recipe, inputs) == again


def test_the_newest_version_is_pinned_at_the_first_start(source, tmp_path):
    run, recipe = started(source, tmp_path / "again")
    assert recipe.source.version == latest(source.store).version
    assert recipe.source.digest
    assert started(source, tmp_path / "again")[0].fingerprint == run.fingerprint
    with pytest.raises(FactoryError, match="another recipe"):
        started(source, tmp_path / "again", verify={"policy": {"missing_unit": False}})


def test_what_cannot_be_judged_again_is_said(source, tmp_path):
    with pytest.raises(ValueError, match="needs a section judge"):
        started(source, tmp_path / "a", verify={"judge": "undecided"})
    with pytest.raises(FactoryError, match="99"):
        started(source, tmp_path / "b", version=99)
    with pytest.raises(FactoryError, match="nothing is published"):
        started(source, tmp_path / "c", path=str(tmp_path / "nowhere"))
    for entry in list(source.store.list("dataset/_manifest/")):
        source.store.delete(entry.key)
    with pytest.raises(FactoryError, match="nothing is published"):
        started(source, tmp_path / "d")


def test_a_recipe_s_kind_picks_its_model(tmp_path):
    file = tmp_path / "r.yaml"
    file.write_text("kind: rejudge\nname: n\nsource: {kind: run, path: somewhere}\n")
    assert isinstance(runs.load(file), Rejudge)
    file.write_text("kind: rejuge\nname: n\n")
    with pytest.raises(FactoryError) as caught:
        runs.load(file)
    assert "did you mean 'rejudge'" in str(caught.value)
    file.write_text("name: n\nsources: [{path: x}]\nteacher: {model: m}\n")
    assert runs.load(file).kind == "build"


async def test_the_journal_holds_the_source_s_traces_under_the_new_fingerprint(source, tmp_path):
    run, _ = await rejudged(source, tmp_path / "again")
    keys = ingest.load(run.store).parts_of(AnsweredProblem)
    of_inputs = {row_id for key in keys for row_id in read_table(run.store, key)["id"].to_pylist()}
    expected = {(t.uid, tuple(t.token_ids)) for t in journaled(source, Trace) if t.problem_id in of_inputs}
    assert {(t.uid, tuple(t.token_ids)) for t in journaled(run, Trace)} == expected
    assert run.reader().parts(Trace)


async def test_commands_tell_of_a_derived_run_as_of_any_other(source, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)  # the stored run names the demo's models by their paths
    run, manifest = await rejudged(source, tmp_path / "again")

    async def command(*words):
        done = await asyncio.to_thread(CliRunner().invoke, app, list(words))
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    now = json.loads(await command("status", run.uri, "--json"))
    assert now["finished"] == now["total"]
    assert now["published"]["rows"] == manifest.report.published
    assert (await command("audit", run.uri)).splitlines()[-1] == "sound"
    await command("report", run.uri, "--out", str(tmp_path / "report.html"))
    assert "Differences to the source run" in (tmp_path / "report.html").read_text()
    for verdict in journaled(run, Verdict):
        assert json.loads(await command("why", run.uri, verdict.problem.id, "--json"))["before"]
    await command("disagreement", run.uri)
