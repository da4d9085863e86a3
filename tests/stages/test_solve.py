"""The solve stage: every row ends in the journal, whatever its program does, and nothing journaled is drawn again."""

from __future__ import annotations

import pytest

from factory.arrow import to_table
from factory.engines.failover import Failover
from factory.engines.protocol import EngineUnavailable
from factory.engines.scripted import ScriptedEngine
from factory.errors import FactoryError
from factory.programs import effects
from factory.programs.solve import SOLVE
from factory.recipe import Recipe
from factory.records import Mode, Problem, Reject, SampleKey, Trace, Verdict
from factory.stages.ledger import Ledger
from factory.stages.worker import Worker
from factory.store.kinds import DIRECTORIES
from factory.store.run import Run
from tests.programs.rollouts import FINAL, TOKENIZER, call, turns
from tests.stages.support import PROBLEM, SETTINGS, connecting, journaled


@pytest.fixture
def recipe():
    # low mode never reaches 4: the scripted teacher would otherwise make every problem too easy
    return Recipe.model_validate({**SETTINGS, "solve": {**SETTINGS["solve"], "modes": ["high", "medium"]}})


@pytest.fixture
def run(tmp_path, recipe):
    return Run.open(str(tmp_path / "run"), recipe)


def stage(run, recipe, engine, ledger=None):
    return Worker(run, recipe, connecting(ledger or Ledger(run.uri), teacher=engine), SOLVE, in_flight=64)


async def outcomes(solve, *problems):
    tables = [table async for table in solve(to_table(Problem, list(problems)))]
    return {row["id"]: row["outcome"] for table in tables for row in table.to_pylist()}


def teacher(**options):
    return ScriptedEngine(turns(call("print(2 + 2)"), FINAL), **options)


async def test_a_row_s_verdict_and_samples_are_in_storage_when_its_summary_comes(run, recipe):
    engine = ScriptedEngine(turns(FINAL))
    assert await outcomes(stage(run, recipe, engine), PROBLEM) == {"p": "verdict"}
    traces, (verdict,) = journaled(run, Trace), journaled(run, Verdict)
    assert len(traces) == 2 * 2 * 2
    assert {j.uid for j in verdict.judgements} == {t.uid for t in traces}
    assert all(j.equal for j in verdict.judgements)
    assert len({t.seed for t in traces}) == len(traces)


async def test_a_finished_row_is_not_touched_again(run, recipe):
    engine = ScriptedEngine(turns(FINAL))
    await outcomes(stage(run, recipe, engine), PROBLEM)
    drawn = len(engine.requests)
    assert await outcomes(stage(run, recipe, engine), PROBLEM) == {"p": "finished before"}
    assert len(engine.requests) == drawn


async def test_samples_of_a_worker_that_died_are_not_drawn_again(run, recipe):
    engine = ScriptedEngine(turns(FINAL))
    await outcomes(stage(run, recipe, engine), PROBLEM)
    for entry in list(run.store.list(DIRECTORIES[Verdict])):
        run.store.delete(entry.key)  # as if the worker had died just before it wrote the verdict
    drawn = len(engine.requests)
    assert await outcomes(stage(run, recipe, engine), PROBLEM) == {"p": "verdict"}
    assert len(engine.requests) == drawn
    assert len(journaled(run, Trace)) == 8


async def test_python_is_called_with_the_tool_and_never_without(run, recipe):
    assert await outcomes(stage(run, recipe, teacher()), PROBLEM) == {"p": "verdict"}
    with_tool = [t for t in journaled(run, Trace) if t.tool]
    without = [t for t in journaled(run, Trace) if not t.tool]
    assert all([c.stdout for c in t.tool_calls] == ["4\n"] and t.answer == "4" for t in with_tool)
    assert all(not t.tool_calls and t.finish_reason == "calls" for t in without)


async def test_a_program_that_raises_is_a_reject(run, recipe):
    def broken(prompt, sampling):
        raise ZeroDivisionError("in the script")

    healthy = Problem(id="q", text="fine", answer="4")
    script = turns(FINAL)
    engine = ScriptedEngine(lambda prompt, s: (script if "fine" in TOKENIZER.decode(prompt) else broken)(prompt, s))
    assert await outcomes(stage(run, recipe, engine), PROBLEM, healthy) == {"p": "program_failed", "q": "verdict"}
    (reject,) = journaled(run, Reject)
    assert (reject.id, reject.stage, reject.reason) == ("p", "solve", "program_failed")
    assert "ZeroDivisionError" in reject.detail
    assert "2 + 2?" in reject.row


async def test_an_engine_that_stays_away_leaves_the_row_unfinished(run, recipe, monkeypatch):
    def away(prompt, sampling):
        raise EngineUnavailable("nobody there")

    monkeypatch.setattr(Failover, "_pause", lambda self, failures: 0.0)
    assert await outcomes(stage(run, recipe, ScriptedEngine(away)), PROBLEM) == {"p": "unfinished"}
    assert not journaled(run, Reject)
    assert await outcomes(stage(run, recipe, ScriptedEngine(turns(FINAL))), PROBLEM) == {"p": "verdict"}


async def test_a_row_that_takes_workers_down_is_rejected_in_the_end(run, recipe):
    ledger = Ledger(run.uri)
    for _ in range(2):
        ledger.begin("p")  # two workers that never came back
    engine = ScriptedEngine(turns(FINAL))
    assert await outcomes(stage(run, recipe, engine, ledger), PROBLEM) == {"p": "crashes_worker"}
    assert not engine.requests


async def test_a_mistake_that_the_user_can_mend_is_not_a_row_s_fault(run, recipe):
    def misconfigured(prompt, sampling):
        raise FactoryError("no such model")

    with pytest.raises(FactoryError, match="no such model"):
        await outcomes(stage(run, recipe, ScriptedEngine(misconfigured)), PROBLEM)
    assert not journaled(run, Reject)


def test_seeds_depend_on_the_sample_alone():
    keys = [trace_key(problem, number) for problem in ("a", "b") for number in range(100)]
    seeds = [effects.seed_of(7, key) for key in keys]
    assert seeds == [effects.seed_of(7, key) for key in keys]
    assert len(set(seeds)) == len(seeds)
    assert effects.seed_of(8, keys[0]) != seeds[0]
    assert all(0 <= seed < 2**31 for seed in seeds)


def trace_key(problem, number):
    return SampleKey(problem_id=problem, mode=Mode.LOW, tool=False, sample=number)
