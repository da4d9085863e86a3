"""The main job, for real: engine, sandbox, checker and storage; killed half-way and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from factory import pipeline
from factory import recipe as recipes
from factory.arrow import from_table
from factory.errors import FactoryError
from factory.records import Reject, Trace, Verdict
from factory.store.fs import Store
from factory.store.kinds import DIRECTORIES
from factory.store.manifest import load
from factory.store.tables import read_table

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = ROOT / "jobs" / "recipes" / "demo.yaml"
TABLE = ["sources=[{path: jobs/demo/problems.jsonl, limit: 8}]", "verify.judge=never", "decontaminate.judge=never"]
SMALL = ["solve.samples=1", "near_duplicates.enabled=false", *TABLE]


def command(out, *overrides):
    options = [option for override in [*SMALL, *overrides] for option in ("--set", override)]
    return [sys.executable, "jobs/build_dataset.py", "--recipe", str(DEMO), "--out", str(out), *options]


def start(out, log):
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    environment.pop("RAY_ADDRESS", None)
    return subprocess.Popen(
        command(out), cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )


def journaled(out, kind):
    """Rows of one kind by the part that holds them."""
    store = Store.open(out)
    keys = [entry.key for entry in store.list(DIRECTORIES[kind])]
    return {key: from_table(kind, read_table(store, key)) for key in keys}


def wait_for(condition, process, log):
    while not condition():
        if process.poll() is not None:
            pytest.fail(f"the job ended with status {process.returncode}:\n{Path(log.name).read_text()[-4000:]}")
        time.sleep(0.5)


@pytest.mark.long
@pytest.mark.engine
@pytest.mark.ray
@pytest.mark.timeout(900)
def test_a_killed_job_goes_on_where_it_stopped(tmp_path):
    out = tmp_path / "run"
    with (tmp_path / "log").open("w+") as log:
        process = start(out, log)
        wait_for(lambda: sum(map(len, journaled(out, Trace).values())) >= 10, process, log)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(3)  # for parts that were on their way
        before = journaled(out, Trace)

        process = start(out, log)
        process.wait()
        said = (tmp_path / "log").read_text()
    assert process.returncode == 0, said[-4000:]

    parts = journaled(out, Trace)
    kept = {str(trace.key) for rows in before.values() for trace in rows}
    again = Counter(str(t.key) for key, rows in parts.items() if key not in before for t in rows if str(t.key) in kept)
    print(f"samples journaled before the kill: {len(kept)}; generated again: {again.total()}")
    assert not again

    verdicts = [row for rows in journaled(out, Verdict).values() for row in rows]
    rejects = [row for rows in journaled(out, Reject).values() for row in rows]
    inputs = json.loads((out / "inputs" / "manifest.json").read_text())
    ended = [verdict.problem.id for verdict in verdicts] + [reject.id for reject in rejects]
    assert len(ended) == len(set(ended)) == inputs["problems"]
    assert "unaccounted" not in said
    assert "generated tokens/s" in said
    published = sum(pq.read_metadata(path).num_rows for path in load(str(out)))
    judged = sum(judgement.equal is True for verdict in verdicts for judgement in verdict.judgements)
    assert published == judged > 0
    assert "rows in" in (out / "dataset" / "README.md").read_text()
    sandbox = json.loads((out / "sandbox.json").read_text())
    assert sandbox["effects"]["network"] is True
    assert sandbox["external_claim"] is None


@pytest.fixture
def problems(tmp_path):
    path = tmp_path / "problems.jsonl"
    path.write_text(json.dumps({"id": "a", "problem": "1 + 1?", "answer": "2"}) + "\n")
    return path


@pytest.fixture
def demo(problems):
    def load_with(*overrides):
        return recipes.load(DEMO, [f"sources=[{{path: {problems}}}]", *overrides])

    return load_with


def test_a_missing_source(demo, tmp_path):
    with pytest.raises(FactoryError, match=r"nowhere\.jsonl"):
        pipeline.prepare(demo("sources.0.path=nowhere.jsonl"), str(tmp_path / "out"))


def test_a_missing_benchmark(demo, tmp_path):
    with pytest.raises(FactoryError, match=r"nobench\.jsonl"):
        pipeline.prepare(demo("decontaminate.benchmarks=[nobench.jsonl]"), str(tmp_path / "out"))


def test_a_model_directory_without_a_chat_template(demo, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "tokenizer.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"")
    with pytest.raises(FactoryError, match="chat template"):
        pipeline.prepare(demo(f"teacher.model={model}"), str(tmp_path / "out"))


def test_an_output_that_cannot_be_written(demo, tmp_path):
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(FactoryError, match="file"):
        pipeline.prepare(demo(), str(tmp_path / "file" / "out"))


def test_an_output_that_holds_another_recipe_s_run(demo, tmp_path):
    pipeline.prepare(demo(), str(tmp_path / "out"))
    pipeline.prepare(demo("journal.part_mb=3"), str(tmp_path / "out"))  # an operational knob may change
    with pytest.raises(FactoryError, match=r"solve\.seed: 0 -> 1"):
        pipeline.prepare(demo("solve.seed=1"), str(tmp_path / "out"))


def test_an_error_is_a_few_lines_and_no_traceback(tmp_path):
    done = subprocess.run(
        [*command(tmp_path / "out"), "--set", "teacher.modell=x"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "did you mean 'model'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 5
