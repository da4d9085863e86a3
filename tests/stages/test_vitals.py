"""What a worker records while it solves: every number against what the journal and the scripted engine hold."""

from __future__ import annotations

from dataclasses import fields

import pytest

from factory import metrics
from factory.engines.admission import Admission, Idle
from factory.engines.protocol import EngineLoad
from factory.engines.scripted import ScriptedEngine
from factory.programs.solve import SOLVE
from factory.recipe import Recipe
from factory.records import ModelReply, Problem, Trace
from factory.report.funnel_metrics import FunnelMetrics
from factory.stages.counting_sandbox import CountingSandbox
from factory.stages.ledger import Ledger
from factory.stages.vitals import Vitals
from factory.stages.worker import Worker
from factory.store.run import Run
from factory.verify import Checker
from tests.programs.rollouts import FINAL, Python, call, turns
from tests.stages.recorder import Recorder
from tests.stages.support import PROBLEM, SETTINGS, connecting, journaled
from tests.stages.test_solve import outcomes


@pytest.fixture
def recipe() -> Recipe:
    return Recipe.model_validate({**SETTINGS, "solve": {**SETTINGS["solve"], "modes": ["high", "medium"]}})


@pytest.fixture
def run(tmp_path, recipe) -> Run:
    return Run.open(str(tmp_path / "run"), recipe)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def stage(run: Run, recipe, engine, recorder):
    return Worker(run, recipe, connecting(Ledger(run.uri), recorder, teacher=engine), SOLVE, in_flight=64)


async def test_tokens_and_samples_add_up_to_what_is_journaled(run, recipe, recorder):
    engine = ScriptedEngine(turns(call("print(2 + 2)"), FINAL))
    await outcomes(stage(run, recipe, engine, recorder), PROBLEM)
    traces = journaled(run, Trace)
    for mode in ("high", "medium"):
        for tool in ("python", "none"):
            mine = [t for t in traces if t.mode == mode and t.tool == (tool == "python")]
            generated = sum(t.n_generated_tokens for t in mine)
            assert recorder.sum(metrics.TOKENS_GENERATED, "teacher", mode, tool) == generated > 0
            lengths = recorder.values[metrics.SAMPLE_TOKENS, (mode, tool)]
            assert sorted(lengths) == sorted(t.n_generated_tokens for t in mine)
        assert recorder.sum(metrics.TOKENS_TOOL, mode) == sum(t.n_tool_tokens for t in traces if t.mode == mode) > 0
    sent = sum(len(request.prompt_token_ids) for request in engine.requests)
    assert sum(recorder.all(metrics.TOKENS_PROMPT).values()) == sent
    endings = recorder.all(metrics.SAMPLES)
    assert endings == {
        (mode, *rest): 2 for mode in ("high", "medium") for rest in (("python", "stop"), ("none", "calls"))
    }
    assert recorder.all(metrics.CELL_SECONDS).keys() == {("ok",)}
    assert len(recorder.values[metrics.CELL_SECONDS, ("ok",)]) == sum(len(t.tool_calls) for t in traces) == 4


async def test_an_engine_that_goes_away_is_a_failover_and_its_lost_tokens_are_counted(run, recipe, recorder):
    await outcomes(stage(run, recipe, ScriptedEngine(turns(FINAL), deaths=[2, None, 3]), recorder), PROBLEM)
    assert recorder.sum(metrics.FAILOVERS, "teacher") == 2
    assert recorder.sum(metrics.TOKENS_REGENERATED, "teacher") == 0  # the scripted engine delivers before it dies
    traces = journaled(run, Trace)
    assert sum(recorder.all(metrics.TOKENS_GENERATED).values()) == sum(t.n_generated_tokens for t in traces)


@pytest.fixture
async def parts(run, recipe):
    """The parts of a worker whose state is told."""
    async with Checker() as checker:
        journal = run.writer("w", recipe.journal)
        yield {
            "stage": "solve",
            "role": "teacher",
            "admission": Admission(most=8),
            "sandbox": CountingSandbox(Python()),
            "journal": journal,
            "checker": checker,
        }
        journal.close()


async def test_vitals_tell_the_worker_s_state(parts, recorder):
    parts["admission"].observe(EngineLoad(running=3, waiting=1, capacity=32))
    row = ModelReply(owner="p", key="k", text="x" * 1000)
    parts["journal"].append(row)
    Vitals(recorder, **parts).record()
    states = ("running", "waiting", "capacity")
    assert [recorder.last(metrics.SEQUENCES, "teacher", state) for state in states] == [3, 1, 32]
    assert recorder.last(metrics.PROGRAMS, "solve", "running") == 0
    assert recorder.last(metrics.CELLS) == 0
    assert recorder.last(metrics.JOURNAL_HELD) > 1000
    assert recorder.last(metrics.JOURNAL_LAG) > 0
    await parts["journal"].durable(parts["journal"].append(row), now=True)
    Vitals(recorder, **parts).record()
    assert (recorder.last(metrics.JOURNAL_HELD), recorder.last(metrics.JOURNAL_LAG)) == (0, 0)


async def test_running_sums_are_recorded_by_their_growth(parts, recorder):
    vitals = Vitals(recorder, **parts)
    for prediction in ("4", "5", "4"):
        await parts["checker"].equal("4", prediction)
        vitals.record()
    stats = parts["checker"].stats
    assert recorder.sum(metrics.PAIRS, "at_sight") == stats.at_sight
    assert sum(recorder.all(metrics.PAIRS).values()) == stats.pairs == 3
    seconds = recorder.all(metrics.ENGINE_SECONDS)
    assert seconds.keys() == {("teacher", field.name) for field in fields(Idle)}


async def test_the_funnel_is_the_journal_s(run, recipe, recorder):
    nothing = Problem(id="q", text="?", answer=None)
    engine = ScriptedEngine(turns(FINAL))
    await outcomes(stage(run, recipe, engine, Recorder()), PROBLEM)
    funnel = FunnelMetrics(recorder, 2, {"bad_row": 3})
    funnel.record(Ledger(run.uri).counts())
    assert recorder.all(metrics.VERDICTS) == {(): 1}
    clueless = ScriptedEngine(turns("<|channel|>final<|message|>no idea<|return|>"))
    await outcomes(stage(run, recipe, clueless, Recorder()), nothing)
    for _ in range(2):
        funnel.record(Ledger(run.uri).counts())
    assert recorder.all(metrics.VERDICTS) == {(): 1}
    assert recorder.all(metrics.REJECTS) == {("read", "bad_row"): 3, ("solve", "no_reference"): 1}
    assert (recorder.last(metrics.PROBLEMS, "finished"), recorder.last(metrics.PROBLEMS, "total")) == (2, 2)
