"""Two evaluations compared: a true difference is found, problems that changed are named, others are refused."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from factory.cli import app
from factory.errors import FactoryError
from factory.evaluation.compare import compare_runs
from tests.evaluation import world


@pytest.fixture
def table(tmp_path):
    return world.write(tmp_path / "p.jsonl", world.problems(30))


async def test_a_better_model_is_found_and_the_problems_it_gained_are_named(tmp_path, table):
    first = await world.evaluated(tmp_path / "first", table)
    second = await world.evaluated(tmp_path / "second", table, world.student(shift=0.3))
    rate, vote = compare_runs(first.uri, second.uri)
    assert (rate.metric, vote.metric) == ("pass@1", "maj@8")
    assert rate.comparison.differs
    assert 0.1 < rate.comparison.difference.value < 0.35
    assert rate.comparison.problems_needed <= 30
    assert rate.warning == ""
    gained = [c for c in vote.changed if c.gained]
    assert len(gained) == vote.comparison.only_second
    assert all(c.second > c.first for c in gained)
    said = CliRunner().invoke(app, ["compare", first.uri, second.uri, "--out", str(tmp_path / "c.html")])
    assert said.exit_code == 0, said.exception
    assert gained[0].problem_id in said.output
    assert "Problems that changed" in (tmp_path / "c.html").read_text()
    lines = CliRunner().invoke(app, ["compare", first.uri, second.uri, "--json"]).output.splitlines()
    assert json.loads(lines[0])["differs"] is True


async def test_thirty_problems_that_cannot_tell_are_said_to(tmp_path, table):
    runs = [
        await world.evaluated(tmp_path / str(seed), table, attempts={"modes": ["high"], "tools": [False], "seed": seed,
                              "samples": 4, "sampling": {"max_tokens": 500}})
        for seed in (0, 1)
    ]  # fmt: skip
    rate, _ = compare_runs(*(run.uri for run in runs))
    assert not rate.comparison.differs
    assert "cannot tell these two apart" in rate.warning


async def test_other_problems_are_refused_unless_the_shared_ones_are_asked_for(tmp_path, table):
    first = await world.evaluated(tmp_path / "first", table)
    fewer = world.write(tmp_path / "fewer.jsonl", world.problems(30)[:10])
    second = await world.evaluated(tmp_path / "second", fewer)
    with pytest.raises(FactoryError, match="not evaluated on the same problems") as error:
        compare_runs(first.uri, second.uri)
    assert "--shared" in str(error.value)
    assert compare_runs(first.uri, second.uri, shared=True)[0].comparison.difference.value == 0.0
    with pytest.raises(FactoryError, match="there is no evaluation"):
        compare_runs(first.uri, str(tmp_path / "nowhere"))
    low = {"modes": ["low"], "tools": [False], "samples": 2, "sampling": {"max_tokens": 500}}
    third = await world.evaluated(tmp_path / "third", table, attempts=low)
    with pytest.raises(FactoryError, match="no configuration in common"):
        compare_runs(first.uri, third.uri)
