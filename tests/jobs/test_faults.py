"""The place where a run lives fails under it: it ends in words that help, and the same command goes on from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from factory import pipeline, runs
from factory.arrow import from_table
from factory.inspection.audit import audit
from factory.launch import user_error
from factory.recipe import Recipe
from factory.records import Trace, Verdict
from factory.store.fs import Store
from factory.store.kinds import DIRECTORIES
from factory.store.manifest import latest, load
from factory.store.publish import publish
from factory.store.tables import read_table
from tests.conftest import ROOT
from tests.jobs.impatient import PATIENCE_S
from tests.model_server import ModelServer, model_server
from tests.s3.proxy import FaultyProxy

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

N = 40
SMALL = 4 << 20
SAMPLES = {(f"p{n:02}", tool) for n in range(N) for tool in (True, False)}


def settings(folder: Path, server: ModelServer) -> dict[str, Any]:
    """A run of `N` problems, few at once, whose journal is written several times a second."""
    table = folder / "problems.jsonl"
    rows = [{"id": f"p{n:02}", "problem": f"What is 2 + 2? ({n})", "answer": "4"} for n in range(N)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "name": "faults",
        "sources": [{"path": str(table)}],
        "teacher": server.teacher,
        "solve": {"modes": ["high"], "samples": 1, "sampling": {"max_tokens": 500}},
        "sandbox": {"actors": [1, 1], "num_cpus": 0.25},
        "programs": {"workers": [1, 1], "num_cpus": 0.25, "problems_in_flight": 4},
        "journal": {"part_age_s": 0.2},
    }


def journaled(uri: str, kind: type) -> list[Any]:
    """Every row of a kind; raises for a part that is torn."""
    store = Store.open(uri)
    return [row for e in store.list(DIRECTORIES[kind]) for row in from_table(kind, read_table(store, e.key))]


def drawn(uri: str) -> Counter[tuple[str, bool]]:
    """How often each sample is in the journal."""
    return Counter((trace.problem_id, trace.tool) for trace in journaled(uri, Trace))


def check_finished(uri: str, before: Counter[tuple[str, bool]], published: list[dict[str, Any]]) -> None:
    """The run is what it would have been, and what was in the journal `before` was not drawn again."""
    assert before
    assert len(before) < len(SAMPLES)
    after = drawn(uri)
    assert after.keys() == SAMPLES
    assert not [sample for sample in before if after[sample] != 1]
    assert sorted(verdict.problem.id for verdict in journaled(uri, Verdict)) == sorted({name for name, _ in SAMPLES})
    assert Counter((row["problem_id"], row["with_tool"]) for row in published) == Counter(SAMPLES)
    assert {row["messages"][-1]["content"] for row in published} == {"\\boxed{4}"}
    assert audit(uri, answers=5, cells=0).sound


class Answers:
    """The model's words, which come one after the other; something happens each time so many were given."""

    def __init__(self, events: dict[int, Callable[[], None]]) -> None:
        self._events, self._lock, self._given = dict(events), threading.Lock(), 0

    def __call__(self, words: str) -> str:
        with self._lock:
            self._given += 1
            event = self._events.pop(self._given, None)
            if event:
                event()
            time.sleep(0.03)
        return "\\boxed{4}"


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of `SMALL` bytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk(tmp_path, small_disk, ray_local, monkeypatch):
    """It fills while samples are drawn, and once more while the dataset is published."""
    ballast, out = small_disk / "ballast", str(small_disk / "run")

    def fill() -> None:
        with ballast.open("wb", buffering=0) as file, suppress(OSError):  # there is no space left
            while True:
                file.write(bytes(1 << 12))

    def publish_on_a_full_disk(*arguments: Any, **options: Any) -> Any:
        fill()
        return publish(*arguments, **options)

    def build() -> pipeline.RunResult:
        return pipeline.complete(pipeline.prepare(recipe, out), recipe, emit=lambda line: None)

    def fails() -> None:
        with pytest.raises(Exception) as caught:
            build()
        error = user_error(caught.value)
        assert error is not None, caught.value
        assert str(small_disk) in str(error)
        assert "No space left on device" in error.why
        assert "make room on that file system" in error.remedy
        ballast.unlink()

    with model_server(Answers({N: fill})) as server:
        recipe = Recipe.model_validate(settings(tmp_path, server))
        fails()
        before = drawn(out)
        with monkeypatch.context() as patch:
            patch.setattr(runs.kind, "publish", publish_on_a_full_disk)
            fails()
        assert latest(Store.open(out)) is None
    assert build().unfinished == 0
    check_finished(out, before, [row for path in load(out) for row in pq.read_table(path).to_pylist()])


@pytest.mark.s3
def test_a_bucket_that_cannot_be_reached(tmp_path, ray_local, s3_server, s3_bucket, monkeypatch):
    """For a moment, which nobody notices; then for longer than the run's patience."""
    out, file = f"{s3_bucket}/run", tmp_path / "recipe.yaml"

    def cut(seconds: float | None = None) -> None:
        proxy.rates = {"reset": 1.0}
        if seconds:
            threading.Timer(seconds, restore).start()

    def restore() -> None:
        proxy.rates = {}

    def start() -> tuple[int, str]:
        command = [sys.executable, "-m", "tests.jobs.impatient", "--recipe", str(file), "--out", out]
        environment = {**os.environ, "RAY_ADDRESS": ray_local.get_runtime_context().gcs_address}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    with FaultyProxy(s3_server.endpoint).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        with model_server(Answers({N // 2: lambda: cut(PATIENCE_S / 4), N + N // 2: cut})) as server:
            file.write_text(yaml.safe_dump(settings(tmp_path, server)))
            status, said = start()
            assert status == 1, said
            assert f"build_dataset: cannot use {out}" in said
            assert f"{proxy.endpoint} cannot be reached" in said
            assert "what is finished is kept, the same command goes on" in said
            restore()
            before = drawn(out)
            assert len(before) > N // 2  # more than there was at the first cut
            status, said = start()
            assert status == 0, said
            assert "(continued)" in said
        store = Store.open(out)
        shards = [store.parquet(entry.key) for entry in store.list("dataset/mode=")]
        check_finished(out, before, [row for shard in shards for row in shard.read().to_pylist()])
