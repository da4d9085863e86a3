"""The curate stage: every thread ends in the journal once, and its problems continue only then."""

from __future__ import annotations

import pytest

from factory import metrics
from factory.arrow import from_table, to_table
from factory.engines.failover import Failover
from factory.engines.protocol import EngineUnavailable
from factory.engines.scripted import ScriptedEngine, by_text
from factory.programs.curate import CURATE
from factory.recipe import Recipe
from factory.records import Attribution, CuratedThread, ModelReply, Post, Problem, Reject, Thread
from factory.stages.ledger import Ledger
from factory.stages.worker import Worker
from factory.store.ids import owner_key
from factory.store.kinds import DIRECTORIES
from factory.store.run import Run
from tests.programs.rollouts import TOKENIZER
from tests.stages.recorder import Recorder
from tests.stages.support import SETTINGS, connecting, journaled

ASKER, HELPER = (
    Attribution(license="CC BY-SA 3.0", user_name="ann"),
    Attribution(license="CC BY-SA 4.0", user_name="bob"),
)
THREAD = Thread(
    id="t",
    source="forum",
    question=Post(id="q", text="Find x. Show y.", attribution=ASKER),
    answers=[Post(id="a", text="x is 4", attribution=HELPER)],
)
OTHER = Thread(id="u", source="forum", question=Post(id="v", text="Any books?"))
RULES = [
    ("books.*Task: list", "No problem"),
    ("Task: list", "Problem 1: Find x.\nProblem 2: Show y."),
    ("Show y.\n</problem>.*Proof", "Proof"),
    ("Proof", "Result"),
    ("Choice", "Open"),
    ("Binary", "Open"),
    ("Invalid", "Valid"),
    ("", "Answer: \\boxed{4}"),
]


@pytest.fixture
def recipe():
    return Recipe.model_validate({**SETTINGS, "sources": [{"path": "x", "kind": "aops"}]})


@pytest.fixture
def run(tmp_path, recipe):
    return Run.open(str(tmp_path / "run"), recipe)


def said(text):
    return f"<|channel|>final<|message|>{text}<|return|>"


def last_task(rules):
    """Rules about a prompt's end: what stands before the post is the same in all of them."""
    script = by_text(TOKENIZER, [(pattern, said(reply)) for pattern, reply in rules])

    def reply(prompt, sampling):
        text = TOKENIZER.decode(prompt)
        return script(TOKENIZER.encode(text[text.rindex("<post>") :]), sampling)

    return reply


def curator():
    return ScriptedEngine(last_task(RULES))


def stage(run, recipe, engine, ledger=None):
    return Worker(run, recipe, connecting(ledger or Ledger(run.uri), curator=engine), CURATE, in_flight=64)


async def problems(curate, *threads):
    tables = [table async for table in curate(to_table(Thread, list(threads)))]
    return [row for table in tables for row in from_table(Problem, table)]


async def test_problems_go_on_once_the_thread_has_ended_in_storage(run, recipe):
    (problem,) = await problems(stage(run, recipe, curator()), THREAD, OTHER)
    assert (problem.id, problem.answer, problem.attribution, problem.contributors) == ("t/1", "4", ASKER, [HELPER])
    (ending,) = journaled(run, CuratedThread)
    assert (ending.thread_id, ending.source, ending.problems, ending.n_found) == ("t", "forum", [problem], 2)
    rejects = {reject.id: (reject.kind, reject.stage, reject.reason) for reject in journaled(run, Reject)}
    assert rejects == {"t/2": ("problem", "curate", "proof"), "u": ("thread", "curate", "no_problem")}
    index = run.index()
    assert index.finished("t", "thread")
    assert index.finished("u", "thread")
    assert index.finished("t/2")
    assert not index.finished("t/1")
    assert (index.snapshot().n_threads, index.snapshot().n_curated) == (2, 1)


async def test_a_thread_that_has_ended_is_not_curated_again(run, recipe):
    await problems(stage(run, recipe, curator()), THREAD, OTHER)
    engine = curator()
    assert await problems(stage(run, recipe, engine), THREAD, OTHER) == []
    assert not engine.requests


async def test_replies_to_a_worker_that_died_are_not_asked_for_again(run, recipe):
    first = await problems(stage(run, recipe, curator()), THREAD)
    assert {row.owner for row in journaled(run, ModelReply)} == {owner_key("t", "thread")}
    for kind in (CuratedThread, Reject):
        for entry in list(run.store.list(DIRECTORIES[kind])):
            run.store.delete(entry.key)  # as if the worker had died just before it wrote the ending
    engine = curator()
    assert await problems(stage(run, recipe, engine), THREAD) == first
    assert not engine.requests


async def test_a_thread_that_takes_workers_down_is_rejected_in_the_end(run, recipe):
    ledger = Ledger(run.uri)
    for _ in range(2):
        ledger.begin(owner_key("t", "thread"))  # two workers that never came back
    ledger.begin("t")  # a problem of the same name is another row
    engine = curator()
    assert await problems(stage(run, recipe, engine, ledger), THREAD) == []
    (reject,) = journaled(run, Reject)
    assert (reject.id, reject.kind, reject.stage, reject.reason) == ("t", "thread", "curate", "crashes_worker")
    assert not engine.requests
    assert not journaled(run, CuratedThread)


async def test_a_program_that_raises_is_the_thread_s_reject(run, recipe):
    def broken(prompt, sampling):
        raise ZeroDivisionError("in the script")

    assert await problems(stage(run, recipe, ScriptedEngine(broken)), THREAD) == []
    (reject,) = journaled(run, Reject)
    assert (reject.id, reject.kind, reject.reason) == ("t", "thread", "program_failed")
    assert "Find x" in reject.row


async def test_an_engine_that_stays_away_leaves_the_thread_unfinished(run, recipe, monkeypatch):
    def away(prompt, sampling):
        raise EngineUnavailable("nobody there")

    monkeypatch.setattr(Failover, "_pause", lambda self, failures: 0.0)
    assert await problems(stage(run, recipe, ScriptedEngine(away)), THREAD) == []
    assert not journaled(run, Reject)
    assert len(await problems(stage(run, recipe, curator()), THREAD)) == 1


async def test_a_curating_worker_records_its_vital_signs(run, recipe):
    recorder = Recorder()
    worker = Worker(run, recipe, connecting(Ledger(run.uri), recorder, curator=curator()), CURATE, in_flight=64)
    await problems(worker, THREAD, OTHER)
    assert recorder.last(metrics.PROGRAMS, "curate", "running") == 0
    assert recorder.last(metrics.SEQUENCES, "curator", "capacity") >= 0
    assert metrics.JOURNAL_HELD in {metric for metric, _ in recorder.values}
    assert sum(recorder.all(metrics.TOKENS_GENERATED).values()) > 0
