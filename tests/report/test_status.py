"""Status and why: what storage alone tells of a run that continues, and of one row in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from factory import ingest
from factory.cli import app
from factory.errors import FactoryError
from factory.inspection.why import history_of
from factory.inspection.why import render as render_life
from factory.records import FinishedTurn, Mode, ModelReply
from factory.report.status import render, status
from factory.store.publish import publish
from factory.store.run import Run
from tests.store.rows import problem, reject, verdict
from tests.store.test_publish import SETTINGS, VIEW, a_run, journal, samples
from tests.store.test_run import recipe


@pytest.fixture
def run(tmp_path) -> Run:
    """Ten problems read; one rejected, one under way, eight with a verdict; one more was refused when it was read."""
    run = Run.open(str(tmp_path), recipe())
    problems = [problem(f"p{n}") for n in range(10)]
    parts = [
        ingest.write_part(run.store, 0, 0, list(problems)),
        ingest.write_part(run.store, 0, 1, [reject(problem("bad"), "no_text", "read")]),
    ]
    ingest.finish(run.store, parts)
    return a_run(tmp_path, 10)


def test_status_counts_from_storage_alone(run):
    now = status(run.uri)
    assert (now.total, now.finished, now.verdicts) == (10, 10, 8)
    assert now.rejects == {"solve/too_easy": 1, "curate/no_problem": 1}
    assert now.samples == {f"{mode}/{tool}": 40 for mode in ("high", "low", "medium") for tool in ("python", "none")}
    assert now.generated_tokens == sum(t.n_generated_tokens for n in range(10) for t in samples(f"p{n}"))
    assert now.tokens_per_second > 0
    assert now.published == {}
    publish(run, SETTINGS, VIEW)
    assert status(run.uri).published["rows"] == 96
    assert "10 of 10 rows" in render(now)
    assert "nothing yet" in render(now)


def test_a_run_that_stands_still_has_no_rate_and_no_end(run):
    later = datetime.now(UTC) + timedelta(hours=3)
    now = status(run.uri, later)
    assert (now.rows_per_hour, now.tokens_per_second, now.hours_left) == (0, 0, None)
    assert "10,8" in render(now, later)  # seconds since the last part


def test_rows_journaled_twice_do_not_count_as_progress(run):
    before = status(run.uri)
    journal(run, [reject(problem("p1")), verdict(problem("p0"), samples("p0")), reject(problem("p0"))], "zombie")
    after = status(run.uri)
    assert (after.finished, after.verdicts, sum(after.rejects.values())) == (before.finished, before.verdicts, 2)


def test_why_tells_the_life_of_a_problem(run):
    publish(run, SETTINGS, VIEW)
    text = render_life(history_of(run.uri, "p0"))
    assert "entered    problem p0" in text
    assert "settled    '7'" in text
    assert text.count("sample     ") == 24
    assert text.count(": published by string -> dataset/mode=") == 12
    assert "wrong_answer" in text
    assert "no_answer" in text
    assert "passed     reason_high_with_tool: 2 of 4" in text
    assert "ended      verdict; 12 of 24 samples right" in text


def test_why_knows_rows_that_went_elsewhere(run):
    journal(run, [ModelReply(owner="p2", key="judge/1", text="the same")])
    turn = {"problem_id": "p2", "mode": Mode.HIGH, "tool": True, "sample": 9}
    journal(run, [FinishedTurn(**turn, turn=0, token_ids=[1] * 50, mask=[0] * 50)])
    rejected = render_life(history_of(run.uri, "p1"))
    assert "rejected   at solve, too_easy" in rejected
    assert "problem_too_easy" in rejected
    half = render_life(history_of(run.uri, "p2"))
    assert "asked      judge/1: the same" in half
    assert "under way  p2/high/python/9: 50 tokens journaled" in half
    assert "ended      not yet" in half
    assert "no_text" in render_life(history_of(run.uri, "bad"))
    assert "rejected   at curate, no_problem" in render_life(history_of(run.uri, "t1"))
    with pytest.raises(FactoryError, match="knows no row"):
        history_of(run.uri, "nobody")


def test_the_commands_print_text_and_json(run):
    runner = CliRunner()
    assert "finished   10 of 10" in runner.invoke(app, ["status", run.uri]).output
    assert json.loads(runner.invoke(app, ["status", run.uri, "--json"]).output)["verdicts"] == 8
    assert "settled" in runner.invoke(app, ["why", run.uri, "p0"]).output
    assert json.loads(runner.invoke(app, ["why", run.uri, "p0", "--json"]).output)["samples"][0]["outcome"]


def test_a_status_before_anything_happened(tmp_path):
    run = Run.open(str(tmp_path), recipe())
    now = status(run.uri)
    assert (now.total, now.finished, now.parts, now.last_written) == (None, 0, 0, None)
    assert "0 of ? rows" in render(now)
    with pytest.raises(FactoryError, match="no run"):
        status(str(tmp_path / "elsewhere"))
