"""Whole runs on a real Ray: threads and tables in, published rows out, with a model that follows a script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from inspect import isasyncgenfunction
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from factory import pipeline
from factory.arrow import from_table
from factory.inspection.audit import audit
from factory.inspection.why import history_of, render
from factory.recipe import Recipe
from factory.records import CuratedThread, ModelReply, Reject, Trace, Verdict
from factory.report.funnel import Stage
from factory.report.status import status
from factory.runs.build import Build
from factory.stages import near_duplicates
from factory.store.fs import Store
from factory.store.kinds import DIRECTORIES
from factory.store.manifest import load
from factory.store.tables import read_table
from tests.conftest import ROOT
from tests.forum import REFUSED, Forum, forum
from tests.model_server import ModelServer, model_server

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]


def settings(made: Forum, server: ModelServer, **sections: Any) -> dict[str, Any]:
    return {
        "name": "forum",
        "sources": made.sources,
        "teacher": server.teacher,
        "solve": {"modes": ["high", "medium"], "samples": 1, "sampling": {"max_tokens": 500, "wall_time_s": 60}},
        "curate": {"actors": [1, 1]},
        "sandbox": {"actors": [1, 1], "num_cpus": 0.25},
        "programs": {"workers": [1, 1], "num_cpus": 0.25},
        "journal": {"part_age_s": 0.3},
    } | sections


def journaled(uri: Any, kind: type) -> list[Any]:
    store = Store.open(str(uri))
    keys = [entry.key for entry in store.list(DIRECTORIES[kind])]
    return [row for key in keys for row in from_table(kind, read_table(store, key))]


def check_run(uri: Any, made: Forum, stages: list[Stage]) -> None:
    """What holds at the end of every run over a forum, whatever happened on the way."""
    curated = {row.thread_id: row for row in journaled(uri, CuratedThread)}
    rejects = journaled(uri, Reject)
    ended = [row.thread_id for row in journaled(uri, CuratedThread)] + [r.id for r in rejects if r.kind == "thread"]
    assert sorted(ended) == sorted(made.curated)  # no thread twice, none lost
    assert {p.id: p for row in curated.values() for p in row.problems} == made.problems
    of_problems = [v.problem.id for v in journaled(uri, Verdict)] + [r.id for r in rejects if r.kind == "problem"]
    found = [row.id for rows in made.curated.values() for row in rows if row.id not in made.curated]
    assert sorted(of_problems) == sorted(found + [f"t{n}" for n in range(1, made.n_table + 1)])
    assert all(stage.missing == 0 for stage in stages), stages
    for before, after in pairwise(stages):
        if (before.unit, after.unit) == ("problems", "problems"):
            assert after.rows_in == before.rows_out + (made.n_table if before.name == "curate" else 0)
    by_name = {stage.name: stage for stage in stages}
    assert by_name["extract"].rows_in == len(made.curated)
    assert by_name["curate"].rows_out == len(made.problems)
    assert by_name["solve"].rows_in == len(made.problems) + made.n_table


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Forum:
    return forum(tmp_path_factory.mktemp("forum"))


@pytest.fixture
def workers(ray_local):
    """Ends the workers of this session's cluster that run a stage; says how many there were."""
    session = ray_local._private.worker._global_node.get_session_dir_path()

    def kill(stage: str) -> int:
        killed = 0
        for process in psutil.process_iter(["cmdline", "ppid"]):
            words = " ".join(process.info["cmdline"] or ())
            if words.startswith("ray::") and f"({stage})" in words:
                raylet = " ".join(psutil.Process(process.info["ppid"]).cmdline())
                if session in raylet:
                    os.kill(process.pid, signal.SIGKILL)
                    killed += 1
        return killed

    return kill


class Attack:
    """The words of a forum's model, which kill the curating worker at the twelfth question about threads."""

    def __init__(self, made: Forum, out: Path, workers: Callable[[str], int]) -> None:
        self._made, self._out, self._workers = made, out, workers
        self._questions, self._lock = 0, threading.Lock()
        self.killed = 0
        self.before: set[str] = set()  # keys of the replies that were in the journal by then

    def script(self, words: str) -> str:
        with self._lock:
            self._questions += words in self._made.replies
            if self._questions == 12 and not self.killed:
                time.sleep(2)  # what was said before gets into storage
                self.before = {row.key for row in journaled(self._out, ModelReply)}
                self.killed = self._workers("Curate")
        return self._made.script(words)

    def check(self) -> None:
        """One worker died, and what was in the journal was not asked again."""
        assert self.killed == 1
        assert self.before
        asked = Counter(row.key for row in journaled(self._out, ModelReply))
        assert not [key for key in self.before if asked[key] > 1]


def test_threads_and_tables_become_a_dataset_although_a_curating_worker_dies(tmp_path, made, workers):
    out = tmp_path / "run"
    attack = Attack(made, out, workers)
    with model_server(attack.script) as server:
        recipe = Recipe.model_validate(settings(made, server))
        run = pipeline.prepare(recipe, str(out))
        said: list[str] = []
        done = pipeline.complete(run, recipe, emit=said.append)
    attack.check()
    assert not (out / "near_duplicates.parquet").exists()
    assert done.unfinished == 0
    check_run(out, made, done.stages)
    (read,) = (stage for stage in done.stages if stage.name == "read")
    assert read.rejects == {"licence_refused": 1}
    assert done.stages[1].rejects == {"no_problem": 2, "malformed_extraction": 2}
    assert done.stages[2].rejects == {"proof": 2}

    rows = [row for path in load(str(out)) for row in pq.read_table(path).to_pylist()]
    assert {row["problem_id"] for row in rows} == {*made.problems, "t1", "t2", "t3"}
    one = next(row for row in rows if row["problem_id"] == "forum.example:0/1")
    assert (one["license"], one["user_name"]) == ("CC BY-SA 3.0", "asker 0")
    assert one["url"] == "https://forum.example/questions/0"
    assert [(reply["license"], reply["user_name"]) for reply in one["contributors"]] == [("CC BY-SA 4.0", "helper 0")]
    assert next(row for row in rows if row["problem_id"] == "t1")["contributors"] == []
    card = (out / "dataset" / "README.md").read_text()
    assert REFUSED not in card
    assert (
        f"| CC BY-SA 4.0 | 0 | {sum(bool(row['contributors']) and row['license'] != 'AoPS terms' for row in rows)} |"
        in card
    )
    assert audit(str(out), answers=5, cells=0).sound

    now = status(str(out))
    assert (now.threads, now.threads_finished) == (13, 13)
    assert now.finished == now.total == 13 + 3 + len(made.problems) + 2
    life = render(history_of(str(out), "forum.example:20/2"))
    assert "entered    thread forum.example:20" in life
    assert "curated    classify_proof: Result" in life
    assert "ended      verdict" in life
    assert "curated    classify_proof: Proof" in render(history_of(str(out), "forum.example:20/1"))
    assert "found      1 of 2 problems go on: forum.example:20/2" in render(history_of(str(out), "forum.example:20"))

    again = pipeline.complete(run, recipe, emit=said.append)  # nothing is asked of a server that is gone
    assert again.manifest == done.manifest


def dies_once(stage: type, folder: Path) -> type:
    """A stage whose first worker to finish a batch dies by SIGKILL before it hands anything on."""

    def last_breath() -> None:
        with suppress(FileExistsError):
            (folder / f"{stage.__name__} died").touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)

    if isasyncgenfunction(stage.__call__):

        async def call(self: Any, batch: pa.Table) -> AsyncGenerator[pa.Table, None]:
            tables = [table async for table in super(mortal, self).__call__(batch)]
            last_breath()
            for table in tables:
                yield table
    else:

        def call(self: Any, batch: pa.Table) -> pa.Table:
            table = super(mortal, self).__call__(batch)
            last_breath()
            return table

    mortal = type(stage.__name__, (stage,), {"__call__": call})
    return mortal


def test_of_near_duplicates_one_stays_and_is_chosen_once(tmp_path, made, workers, monkeypatch):
    """Whoever dies: the driver, the worker that curates, the one that embeds, and the one that lets copies go."""
    for stage in (near_duplicates.Embed, near_duplicates.NearDuplicatesWorker):
        monkeypatch.setattr(near_duplicates, stage.__name__, dies_once(stage, tmp_path))
    out, table = tmp_path / "run", tmp_path / "copies.jsonl"
    unanswered = made.problems["forum.example:50/1"]
    copies = [
        {"id": "copy-1", "problem": "WHAT is 1 * 4 / 1,  in row 1?"},  # leaves: t1 has an answer
        {"id": "copy-2", "problem": unanswered.text, "answer": "4"},  # stays: the thread's own problem has none
        {"id": "other", "problem": "What is 9 * 4 / 9, in row 9?", "answer": "4"},  # other numbers, another problem
    ]
    table.write_text("".join(json.dumps(copy) + "\n" for copy in copies))
    sources = [*made.sources, {"path": str(table)}]

    def died(self: Any, work: Any) -> Any:
        raise ConnectionError("the driver is gone")

    attack = Attack(made, out, workers)
    with model_server(attack.script) as server:
        sections = settings(made, server, sources=sources, near_duplicates={"enabled": True})
        recipe = Recipe.model_validate(sections)
        run = pipeline.prepare(recipe, str(out))
        with monkeypatch.context() as patch:
            patch.setattr(Build, "graph", died)  # after the duplicates were found, before any of them left
            with pytest.raises(ConnectionError):
                pipeline.complete(run, recipe, emit=lambda line: None)
        found = (out / "near_duplicates.parquet").stat().st_mtime_ns
        assert not journaled(out, Verdict)
        done = pipeline.complete(run, recipe, emit=lambda line: None)
    assert (out / "near_duplicates.parquet").stat().st_mtime_ns == found
    attack.check()
    assert {path.name for path in tmp_path.glob("* died")} == {"Embed died", "NearDuplicatesWorker died"}
    rejects = [row for row in journaled(out, Reject) if row.stage == "near_duplicates"]
    assert {row.id: row.detail.split(" stays: ")[0] for row in rejects} == {"copy-1": "t1", unanswered.id: "copy-2"}
    assert sorted(Counter(str(row.key) for row in journaled(out, Trace)).values())[-1] == 1  # nobody was drawn twice
    solved = {*made.problems, "t1", "t2", "t3", "copy-2", "other"} - {unanswered.id}
    assert {v.problem.id for v in journaled(out, Verdict)} == solved
    stages = {stage.name: stage for stage in done.stages}
    assert all(stage.missing == 0 for stage in stages.values())
    assert stages["near_duplicates"].rejects == {"near_duplicate": 2}
    assert stages["near_duplicates"].rows_in == len(made.problems) + 6
    assert "rejected   at near_duplicates, near_duplicate: t1 stays" in render(history_of(str(out), "copy-1"))


def test_a_driver_s_death_costs_no_thread(tmp_path, made, ray_local):
    out, file = tmp_path / "run", tmp_path / "recipe.yaml"
    environment = {**os.environ, "RAY_ADDRESS": ray_local.get_runtime_context().gcs_address}

    def start(log: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "jobs/build_dataset.py", "--recipe", str(file), "--out", str(out)]
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )

    def slow(words: str) -> str:
        time.sleep(0.3)
        return made.script(words)

    with model_server(slow) as server, (tmp_path / "log").open("w+b") as log:
        file.write_text(yaml.safe_dump(settings(made, server, curate={"actors": [1, 1], "threads_in_flight": 2})))
        process = start(log)
        while len(journaled(out, CuratedThread)) < 3:
            assert process.poll() is None, Path(log.name).read_text()[-4000:]
            time.sleep(0.3)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(3)  # for parts that were on their way
        before = {row.key for row in journaled(out, ModelReply)}
        threads = {row.thread_id for row in journaled(out, CuratedThread)}
        assert len(threads) < len(made.curated)
        assert start(log).wait() == 0, Path(log.name).read_text()[-4000:]
    asked = Counter(row.key for row in journaled(out, ModelReply))
    assert not [key for key in before if asked[key] > 1]
    assert Counter(row.thread_id for row in journaled(out, CuratedThread)).most_common(1)[0][1] == 1
    said = Path(log.name).read_text()
    assert "unaccounted" not in said
    assert "13/13 threads" in said
    assert {v.problem.id for v in journaled(out, Verdict)} == {*made.problems, "t1", "t2", "t3"}
