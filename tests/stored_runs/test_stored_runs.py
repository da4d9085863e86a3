"""Runs of earlier versions, stored whole: today's code opens them, tells of them, goes on with them, and publishes them
again byte for byte.

Each folder beside this file is one run: its recipe, inputs, journal and published dataset as that version's job left
them. README.md tells how they were made. They are never rewritten: a change that one of these tests does not survive
would strand the runs of users.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from factory.arrow import from_table, to_table
from factory.cli import app
from factory.dialects import dialect
from factory.dialects.tokenizer import HfTokenizer
from factory.engines import model_files
from factory.engines.connect import Model
from factory.engines.scripted import ScriptedEngine
from factory.metrics import SILENT
from factory.programs.solve import SOLVE
from factory.recipe import Recipe
from factory.records import (
    CuratedThread,
    FinishedTurn,
    Judgement,
    Origin,
    Problem,
    Reject,
    SampleKey,
    ToolCall,
    Trace,
    Verdict,
)
from factory.stages.ledger import Ledger
from factory.stages.services import Services
from factory.stages.worker import Worker
from factory.store.kinds import DIRECTORIES
from factory.store.manifest import Manifest, latest
from factory.store.publish import publish
from factory.store.run import Run
from factory.store.tables import read_table
from factory.views.nemotron import NemotronMath
from tests.conftest import ROOT

HERE = Path(__file__).parent
STORED = sorted(path.parent.name for path in HERE.glob("*/run.json"))


@pytest.fixture(params=STORED)
def stored(request, monkeypatch) -> Path:
    """A stored run, never to be written to. Its recipe names the demo's models by their paths in the repository."""
    monkeypatch.chdir(ROOT)
    return HERE / request.param


@pytest.fixture
def copy(stored, tmp_path) -> Run:
    shutil.copytree(stored, tmp_path / "run")
    return Run.attach(str(tmp_path / "run"))


def journaled(run: Run, kind: type) -> list:
    keys = [entry.key for entry in run.store.list(DIRECTORIES[kind])]
    return [row for key in keys for row in from_table(kind, read_table(run.store, key))]


def lose(run: Run, kind: type, share: float = 1.0) -> None:
    """Remove some parts of one kind, the same ones each time."""
    keys = [entry.key for entry in run.store.list(DIRECTORIES[kind])]
    for key in random.Random(1).sample(keys, round(share * len(keys))):
        run.store.delete(key)


def command(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.output


def manifest_of(run: Run) -> Manifest:
    manifest = latest(run.store)
    assert manifest is not None
    return manifest


def test_the_commands_tell_what_the_run_holds(stored, tmp_path):
    run = Run.attach(str(stored))
    manifest = manifest_of(run)
    before = {path: path.read_bytes() for path in stored.rglob("*") if path.is_file()}
    now = json.loads(command("status", str(stored), "--json"))
    assert now["finished"] == now["total"]
    assert now["verdicts"] == manifest.report.problems["verdict"]
    assert sum(now["samples"].values()) == len(journaled(run, Trace))
    assert now["published"]["rows"] == manifest.report.published > 0
    assert command("audit", str(stored)).splitlines()[-1] == "sound"
    command("report", str(stored), "--out", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    assert f"published as version {manifest.version}" in page
    assert {path: path.read_bytes() for path in stored.rglob("*") if path.is_file()} == before


def test_why_tells_the_life_of_every_row(stored):
    run = Run.attach(str(stored))
    manifest = manifest_of(run)
    withdrawn = {reject.id for reject in journaled(run, Reject) if reject.stage == "withdraw"}
    published = 0
    for verdict in journaled(run, Verdict):
        life = json.loads(command("why", str(stored), verdict.problem.id, "--json"))
        assert life["entered"]
        assert {sample["uid"] for sample in life["samples"]} == {judged.uid for judged in verdict.judgements}
        assert (life["verdict"] is None) == (verdict.problem.id in withdrawn)
        published += sum(sample["file"] is not None for sample in life["samples"])
    assert published == manifest.report.published
    for reject in journaled(run, Reject):
        assert f"rejected   at {reject.stage}, {reject.reason}" in command("why", str(stored), reject.id)
    for thread in journaled(run, CuratedThread):
        assert "go on: " in command("why", str(stored), thread.thread_id)


def test_published_again_its_bytes_are_the_same(copy):
    before = manifest_of(copy)
    files = {file.key: copy.store.read(file.key) for file in before.files}
    for key in [*files, before.key]:
        copy.store.delete(key)
    after = publish(copy, Recipe.model_fields["publish"].get_default(), NemotronMath())
    assert after.report == before.report
    if copy.manifest["versions"]["pyarrow"] == pa.__version__:
        assert after.to_bytes() == before.to_bytes()
        assert {file.key: copy.store.read(file.key) for file in after.files} == files
    else:  # another pyarrow writes other bytes, of the same rows
        assert sorted(_content(copy.store.read(file.key)) for file in after.files) == sorted(
            map(_content, files.values())
        )


def _content(data: bytes) -> str:
    return str(pq.read_table(pa.BufferReader(data)).to_pylist())


def test_an_unfinished_row_finds_what_is_journaled_of_it(copy):
    lose(copy, Verdict)
    ledger = Ledger(copy.uri)
    traces, turns = journaled(copy, Trace), [turn for turn in journaled(copy, FinishedTurn) if turn.attempt == 0]
    withdrawn = {reject.id for reject in journaled(copy, Reject) if reject.kind == "problem"}
    for name in {trace.problem_id for trace in traces} - withdrawn:
        recorded = ledger.recorded(name)
        assert recorded.traces == {str(trace.key): trace for trace in traces if trace.problem_id == name}
        mine = sorted((turn for turn in turns if turn.problem_id == name), key=lambda turn: (str(turn.key), turn.turn))
        assert [turn for key in sorted(recorded.turns) for turn in recorded.turns[key]] == mine


async def test_a_start_that_goes_on_draws_only_what_is_not_there(copy):
    """Half of the parts of samples are lost and all verdicts: the rest of the samples is drawn, and nothing else."""
    whole = {trace.key: trace for trace in journaled(copy, Trace)}
    judged = {verdict.problem.id: verdict for verdict in journaled(copy, Verdict)}
    lose(copy, Trace, 0.5)
    lose(copy, Verdict)
    lose(copy, FinishedTurn)  # or a sample would be told that its interpreter is gone, and continue differently
    there = {trace.key: trace for trace in journaled(copy, Trace)}
    assert 0 < len(there) < len(whole)

    recipe = _recipe(copy)
    run = Run.open(copy.uri, recipe)
    assert not run.created
    engine = ScriptedEngine(_replay(list(whole.values())), name="replay")
    solve = Worker(run, recipe, _connecting(recipe, engine, _Python(whole), Ledger(run.uri)), SOLVE, in_flight=64)
    problems = to_table(Problem, [verdict.problem for verdict in judged.values()])
    outcomes = [row async for table in solve(problems) for row in table.to_pylist()]

    withdrawn = {reject.id for reject in journaled(copy, Reject)} & judged.keys()
    assert {row["id"]: row["outcome"] for row in outcomes} == {
        id: "finished before" if id in withdrawn else "verdict" for id in judged
    }
    lost = {key for key in whole.keys() - there.keys() if key.problem_id not in withdrawn}
    assert {request.affinity for request in engine.requests} == {str(key) for key in lost}
    now = Counter(trace.key for trace in journaled(copy, Trace))
    assert now == Counter(there.keys() | lost)
    again = {verdict.problem.id: verdict for verdict in journaled(copy, Verdict)}
    for name in judged.keys() - withdrawn:
        assert again[name].regimes == judged[name].regimes
        assert list(map(essence, again[name].judgements)) == list(map(essence, judged[name].judgements))


def essence(judgement: Judgement) -> tuple:
    """What a judgement has always said; later versions say more."""
    return judgement.key(""), judgement.uid, judgement.answer, judgement.equal, judgement.majority


def _recipe(run: Run) -> Recipe:
    """The recipe of a stored run: what results depend on as it was, and a journal that is flushed at once."""
    return Recipe.model_validate(run.recipe | {"journal": {"part_age_s": 0.1}})


def _connecting(recipe: Recipe, engine: ScriptedEngine, python: _Python, ledger: Ledger):
    """What the stage connects with: the run's own dialect and tokenizer around an engine that repeats its samples."""

    async def begin(row_id):
        return ledger.begin(row_id)

    async def recorded(row_id):
        return ledger.recorded(row_id)

    async def connect():
        tokenizer = HfTokenizer(model_files.tokenizer_file(recipe.teacher.model, recipe.teacher.revision))
        models = {"teacher": Model(engine, dialect(recipe.teacher.dialect, tokenizer))}
        return Services(models, python, begin, recorded, SILENT)

    return connect


def _replay(traces: list[Trace]):
    """A script that writes what the run's teacher wrote after the same tokens: it decoded greedily."""

    def script(prompt, sampling):
        start = len(prompt)
        trace = next(trace for trace in traces if trace.token_ids[:start] == prompt and len(trace.token_ids) > start)
        end = next((n for n in range(start, len(trace.mask)) if trace.mask[n] != Origin.GENERATED), len(trace.mask))
        return trace.token_ids[start:end]

    return script


class _Python:
    """A sandbox that answers each sample's calls as they were answered when it was drawn first."""

    def __init__(self, traces: dict[SampleKey, Trace]) -> None:
        self._calls = {str(key): trace.tool_calls for key, trace in traces.items()}

    async def open(self, *, seed: int = 0, trace: str = "") -> _Session:
        return _Session(self._calls[trace])

    async def close(self) -> None:
        pass


class _Session:
    def __init__(self, calls: list[ToolCall]) -> None:
        self._calls = calls

    async def run(self, code: str, timeout_s: float | None = None) -> ToolCall:
        return next(call for call in self._calls if call.code == code)

    async def close(self) -> None:
        pass
