"""Evaluations of a model with known pass rates: right numbers, bad inputs, interrupted runs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from factory import ingest
from factory.errors import FactoryError
from factory.evaluation import metrics as m
from factory.evaluation import results, samples
from factory.evaluation.samples import ProblemSamples
from factory.programs.evaluate import ANSWER_CLASS
from factory.records import Annotation, Mode, Problem, Trace, Verdict
from factory.report.page import report
from factory.runs import KINDS
from factory.store.publish import in_process
from tests.evaluation import world
from tests.stages.support import journaled


@pytest.fixture
def table(tmp_path):
    return world.write(tmp_path / "p.jsonl", world.problems(40))


async def test_a_model_with_known_pass_rates_gets_its_numbers(tmp_path, table):
    run = await world.evaluated(tmp_path / "run", table, k=[1, 4, 8])
    result = results.load(run.store)
    whole, *parts = result.configurations
    assert (whole.mode, whole.tool, whole.subset, whole.problems, whole.samples) == ("high", False, "all", 40, 8)
    assert [part.subset for part in parts] == ["algebra", "geometry"]
    verdicts = {v.problem.id: v for v in journaled(run, Verdict)}
    right = np.array([[j.equal for j in verdicts[key].judgements] for key in sorted(verdicts)])
    found = whole.metrics["pass@1"].estimate
    assert found.value == pytest.approx(right.mean())
    assert found.low < 0.5 < found.high  # the truth: rates go evenly from 0 to 1
    assert whole.metrics["pass@4"].estimate.value > found.value > whole.metrics["pass^4"].estimate.value
    assert whole.metrics["pass@8"].estimate.value == pytest.approx(right.any(axis=1).mean())
    assert 0 < whole.rerun_error < found.standard_error
    assert whole.undecided == whole.no_answer == whole.truncated == 0
    assert {t.key.task for t in journaled(run, Trace)} == {"evaluate"}
    assert {t.key.teacher for t in journaled(run, Trace)} == {"student"}


async def test_votes_count_by_meaning_and_say_who_won(tmp_path, table):
    run = await world.evaluated(tmp_path / "run", table)
    rows = {row.problem_id: row for row in samples.rows(run.uri)}
    classes = {a.uid: a for a in journaled(run, Annotation) if a.name == ANSWER_CLASS}
    assert len(classes) == 40 * 8
    for row in rows.values():
        for uid, number, outcome in zip(row.uids, row.classes, row.outcomes, strict=True):
            assert row.answers[number] == classes[uid].text
            assert (row.answers[number] == row.reference) == (outcome == m.RIGHT)
        assert row.right == row.outcomes.count(1)
    always = rows["p0039"]
    assert (always.right, always.answers) == (8, {0: "39"})


async def test_an_interrupted_evaluation_goes_on_and_draws_nothing_twice(tmp_path, table):
    whole = await world.evaluated(tmp_path / "whole", table)
    run, recipe = world.started(tmp_path / "broken", world.recipe_of(table))
    inputs = world.KIND.read_inputs(run, recipe, in_process)
    await world.draw(run, recipe, world.student(), world.problems(40)[:15])
    engine = world.student()
    again = await world.evaluated(tmp_path / "broken", table, engine)
    assert len(engine.requests) == 25 * 8
    assert again.fingerprint == run.fingerprint
    assert ingest.load(run.store) == inputs
    first, second = (results.load(one.store).configurations for one in (whole, again))
    assert [c.metrics for c in first] == [c.metrics for c in second]
    assert [c.tokens for c in first] == [c.tokens for c in second]


async def test_a_problem_without_an_answer_is_told_and_not_counted(tmp_path):
    rows = world.problems(4)
    path = world.write(tmp_path / "p.jsonl", [*rows, Problem(id="open", text="rate 1 gold 1")])
    run = await world.evaluated(tmp_path / "run", path)
    result = results.load(run.store)
    assert result.configurations[0].problems == 4
    assert result.rejected == {"evaluate/no_answer": 1}


async def test_modes_and_tools_are_configurations_of_their_own(tmp_path, table):
    attempts = {"modes": ["low", "high"], "tools": [True, False], "samples": 2, "sampling": {"max_tokens": 500}}
    run = await world.evaluated(tmp_path / "run", table, attempts=attempts)
    shown = [(c.mode, c.tool) for c in results.load(run.store).overall()]
    assert shown == [("high", True), ("high", False), ("low", True), ("low", False)]
    card = (tmp_path / "run/evaluation/README.md").read_text()
    assert "| high with Python |" in card
    assert "pass@1" in card


async def test_the_page_shows_tables_heat_map_votes_and_the_way_to_why(tmp_path, table):
    run = await world.evaluated(tmp_path / "run", table)
    report(run.uri, tmp_path / "page.html", shown=lambda run: KINDS["evaluate"].sections)
    page = (tmp_path / "page.html").read_text()
    for expected in ("Accuracy against tokens", "Problems by samples", "Majority and runner-up", "factory why"):
        assert expected in page
    assert page.count("<rect") > 40


def test_results_are_standard_json(tmp_path):
    row = ProblemSamples(
        problem_id="p", source="s", mode=Mode.HIGH, tool=False, reference="1", samples=1, right=0, undecided=1,
        truncated=0, outcomes=[-1], classes=[-1], n_generated_tokens=[3], n_calls=[0], finish_reasons=["stop"],
        seconds=[0.1],
    )  # fmt: skip
    configurations = [c for one in results.gather([row]) for c in results.by_subset(one, [1])]
    result = results.Result(name="n", model="m", revision=None, fingerprint="f", configurations=configurations)
    values = json.loads(result.to_json())
    assert values["configurations"][0]["metrics"]["pass@1"]["estimate"]["value"] is None
    assert values["configurations"][0]["metrics"]["pass@1"]["ceiling"] == 1.0
    assert results.Result.from_json(result.to_json()).to_json() == result.to_json()


async def test_values_of_other_models_become_a_column_for_each_selection(tmp_path, table):
    run, recipe = world.started(tmp_path / "run", world.recipe_of(table))
    inputs = world.KIND.read_inputs(run, recipe, in_process)
    await world.draw(run, recipe, world.student(), world.problems(40))
    right = {j.uid: float(j.equal) for v in journaled(run, Verdict) for j in v.judgements}
    writer = run.writer("reward", recipe.journal)
    notes = [
        Annotation(owner=trace.problem_id, uid=trace.uid, name="reward", value=right[trace.uid])
        for trace in journaled(run, Trace)
    ]
    await writer.durable(*[await writer.put(note) for note in notes])
    world.KIND.publish(run, recipe, inputs, in_process)
    (whole, *_) = results.load(run.store).configurations
    perfect = whole.metrics["best@8 by reward"].estimate.value
    assert perfect == pytest.approx(whole.metrics["pass@8"].estimate.value)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"k": [16]}, "needs as many samples"),
        ({"sources": []}, "nothing to evaluate on"),
        ({"verify": {"judge": "undecided"}}, "needs a section judge"),
        ({"sources": [{"kind": "run", "path": "x", "what": "traces"}]}, "problems of a run"),
        ({"attempts": {"modes": []}}, "at least 1"),
    ],
)
def test_recipes_that_cannot_be_measured_are_refused(sections, words):
    with pytest.raises(ValueError, match=words):
        world.recipe_of("p.jsonl", **sections)


def test_a_table_without_answers_is_refused_before_anything_starts(tmp_path):
    (tmp_path / "p.jsonl").write_text('{"id": "1", "problem": "x"}\n')
    with pytest.raises(FactoryError, match="no answers to evaluate against"):
        world.started(tmp_path / "run", world.recipe_of(str(tmp_path / "p.jsonl")))


def test_benchmarks_go_by_name_and_their_files_are_pinned(tmp_path):
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "aime25.jsonl").write_text('{"id": 1, "problem": "rate 1 gold 1", "answer": 1}\n')

    def recipe(*names):
        return world.recipe_of("x", sources=[], benchmarks={"folder": str(folder), "names": names})

    run, resolved = world.started(tmp_path / "run", recipe("AIME 2025"))
    assert len(resolved.benchmarks.sha256["AIME 2025"]) == 64
    inputs = world.KIND.read_inputs(run, resolved, in_process)
    assert inputs.problems == 1
    with pytest.raises(FactoryError, match="did you mean 'AIME 2025'"):
        world.started(tmp_path / "other", recipe("AIME 20255"))
    with pytest.raises(FactoryError, match="AIME 2026 is not at"):
        world.started(tmp_path / "other", recipe("AIME 2026"))
    (folder / "aime25.jsonl").unlink()
    assert world.started(tmp_path / "run", recipe("AIME 2025"))[0].fingerprint == run.fingerprint
