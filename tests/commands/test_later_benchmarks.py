"""A benchmark that comes after the run: what it holds is named, withdrawn once, and gone from the next version."""

from __future__ import annotations

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from factory.cli import app
from factory.commands import later_benchmarks
from factory.commands.later_benchmarks import add_benchmarks
from factory.decontaminate import Embedder
from factory.errors import FactoryError
from factory.inspection.why import history_of, render
from factory.report.funnel import Stage, funnel
from factory.report.status import status
from factory.store.manifest import load
from factory.store.publish import publish
from factory.store.run import Run
from factory.store.tables import read_table
from tests.store.rows import problem, reject, verdict
from tests.store.test_publish import SETTINGS, VIEW, journal, samples
from tests.store.test_run import recipe

STORY = "Nadia buys 14 notebooks at $3 each and 5 pens at $2 each. How many dollars does she spend?"
TEXTS = {"kept": "Prove that a graph with no odd cycle can be coloured with two colours.", "copy": STORY}


@pytest.fixture
def run(tmp_path) -> Run:
    """Two solved problems, one of which a later benchmark holds, and one that was rejected."""
    run = Run.open(str(tmp_path / "run"), recipe())
    rows: list = [reject(problem("easy"))]
    for name, text in TEXTS.items():
        of, mine = dataclasses.replace(problem(name), text=text), samples(name)
        rows += [*mine, verdict(of, mine)]
    journal(run, rows)
    return run


@pytest.fixture
def later(tmp_path) -> str:
    path = tmp_path / "later.jsonl"
    path.write_text(json.dumps({"id": "b7", "problem": STORY.upper().replace("$", "\\$")}) + "\n", encoding="utf-8")
    return str(path)


def published(run: Run) -> set[str]:
    publish(run, SETTINGS, VIEW)
    return {
        p
        for file in load(run.uri)
        for p in read_table(run.store, file.removeprefix(f"{run.uri}/"))["problem_id"].to_pylist()
    }


def test_what_must_leave_is_named_and_nothing_changes_until_it_is_applied(run, later):
    said: list[str] = []
    assert published(run) == {"kept", "copy"}
    (row,) = add_benchmarks(run.uri, [later], emit=said.append)
    assert (row["id"], row["contaminated"]) == ("copy", True)
    assert {"later": "b7"}.items() <= {n["benchmark"]: n["id"] for n in row["nearest"]}.items()
    assert said == ["2 solved problems compared with 1 of later", "1 must leave; --apply withdraws them"]
    assert published(run) == {"kept", "copy"}


def test_a_withdrawn_problem_is_gone_once_and_the_funnel_adds_up(run, later):
    published(run)
    assert [row["id"] for row in add_benchmarks(run.uri, [later], apply=True)] == ["copy"]
    assert list(add_benchmarks(run.uri, [later], apply=True)) == []
    assert published(run) == {"kept"}
    manifest = publish(run, SETTINGS, VIEW)
    assert manifest.version == 2
    assert manifest.report.problems == {"verdict": 1, "problem/solve/too_easy": 1, "problem/withdraw/contaminated": 1}
    assert manifest.report.traces["problem_contaminated"] == 24
    assert manifest.report.generated == 48 == sum(manifest.report.traces.values())
    assert manifest.report.lost == 0
    read = Stage(name="read", unit="rows", rows_in=3, rows_out=3)
    stages = funnel(read, manifest.report, sum(shard.rows for shard in manifest.shards))
    assert all(stage.missing == 0 for stage in stages)
    assert [(s.name, s.rows_in, s.rows_out) for s in stages[1:3]] == [("solve", 3, 2), ("withdraw", 2, 1)]


def test_status_and_why_know_of_it(run, later):
    list(add_benchmarks(run.uri, [later], apply=True))
    assert status(run.uri).rejects == {"solve/too_easy": 1, "withdraw/contaminated": 1}
    told = render(history_of(run.uri, "copy"))
    assert "rejected   at withdraw, contaminated: later/b7: identical after normalisation" in told


def test_as_a_user_types_it(run, later, tmp_path, monkeypatch):
    monkeypatch.setattr(later_benchmarks, "Embedder", lambda *args, **kwargs: Embedder())
    out = tmp_path / "leaving.jsonl"
    arguments = ["add-benchmarks", run.uri, later, "--apply", "--out", str(out), "--set", "neighbours=2"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == ["copy"]
    assert published(run) == {"kept"}


def test_what_cannot_be_compared_is_explained(run, tmp_path):
    with pytest.raises(FactoryError, match="no run at"):
        list(add_benchmarks(str(tmp_path / "nowhere"), ["b.jsonl"]))
    with pytest.raises(FactoryError, match="cannot read the benchmark"):
        list(add_benchmarks(run.uri, [str(tmp_path / "absent.jsonl")]))
