"""The decontamination stage: what is too close leaves with the pair that decided, the rest keeps its neighbours."""

from __future__ import annotations

import json

import pytest

from factory.arrow import from_table, to_table
from factory.decontaminate.embedder import Embedder
from factory.decontaminate.index import BenchmarkIndex
from factory.engines.scripted import ScriptedEngine, by_text
from factory.recipe import Recipe
from factory.records import ModelReply, Problem, Reject
from factory.stages.decontaminate import DecontaminateWorker
from factory.stages.ledger import Ledger
from factory.store.run import Run
from tests.programs.rollouts import TOKENIZER
from tests.stages.support import SETTINGS, connecting, journaled

APPLES = "Tom has 12 apples and buys 5 more. How many apples does Tom have now?"
BENCHMARK = [
    {"id": "b1", "problem": APPLES},
    {"id": "b2", "problem": "Find the number of primes below 50."},
]
FAR = Problem(id="far", text="Evaluate the integral of sin(x) from 0 to pi.", source="s")
COPY = Problem(id="copy", text=APPLES.upper(), source="s", position="f:2")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "grade.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in BENCHMARK))
    return BenchmarkIndex.build([path], Embedder())


def recipe(**decontaminate):
    return Recipe.model_validate({**SETTINGS, "decontaminate": decontaminate})


async def no_services():
    raise AssertionError("rules alone must not connect")


async def passed(stage, *problems):
    tables = [table async for table in stage(to_table(Problem, list(problems)))]
    return [row for table in tables for row in from_table(Problem, table)]


async def test_a_copy_leaves_and_says_what_it_copies(tmp_path, index):
    settings = recipe()
    run = Run.open(str(tmp_path / "run"), settings)
    (kept,) = await passed(DecontaminateWorker(run, settings, lambda: index, no_services), FAR, COPY)
    assert kept.id == "far"
    assert {n.id for n in kept.neighbours} == {"b1", "b2"}
    assert all(n.benchmark == "grade" and "score" in n.signals for n in kept.neighbours)
    (reject,) = journaled(run, Reject)
    assert (reject.id, reject.stage, reject.reason, reject.position) == ("copy", "decontaminate", "contaminated", "f:2")
    assert reject.detail.startswith("grade/b1: ")
    assert "cosine" in reject.detail
    assert json.loads(reject.row)["text"] == COPY.text


@pytest.mark.parametrize(("reply", "leaves"), [("Same problem: yes", True), ("Same problem: no", False)])
async def test_the_judge_settles_close_calls(tmp_path, index, reply, leaves):
    settings = recipe(judge="undecided", band=[0.0, 1.0])
    run = Run.open(str(tmp_path / "run"), settings)
    reworded = Problem(id="close", text="Tom owned 12 apples. He bought 5. How many apples has he?", source="s")
    engine = ScriptedEngine(by_text(TOKENIZER, [(".*", f"<|channel|>final<|message|>{reply}<|return|>")]))

    connect = connecting(Ledger(run.uri), judge=engine)
    stage = DecontaminateWorker(run, settings, lambda: index, connect)
    kept = await passed(stage, reworded)
    stage._host.journal.flush()  # what was asked follows by age; here at once
    assert [problem.id for problem in kept] == ([] if leaves else ["close"])
    assert {row.owner for row in journaled(run, ModelReply)} == {"close"}
    assert len(journaled(run, Reject)) == leaves
