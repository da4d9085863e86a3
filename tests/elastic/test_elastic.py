"""Runs on an autoscaling cluster whose machines come and go: pools grow and shrink, nothing finished is lost.

Machines are Ray's fake nodes on this one, and the teacher is scripted (`light`); autoscaler, Serve, Ray Data, sandboxes
and storage are real. What real engines do when they are killed is shown in tests/engines/test_serve.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ray.autoscaler.v2.schema import NodeInfo

from factory.arrow import from_table
from factory.records import Trace
from factory.report.status import status
from factory.store.fs import Store
from factory.store.kinds import DIRECTORIES
from factory.store.tables import read_table
from tests.conftest import ROOT
from tests.elastic.cluster import NODE_TYPES, ElasticCluster, Look, elastic_cluster
from tests.elastic.light import HELD

pytestmark = [pytest.mark.long, pytest.mark.ray, pytest.mark.timeout(1800)]

PATIENCE_S = 600.0
RECIPE = ROOT / "tests" / "elastic" / "recipe.yaml"
LEAST = {"cpu": 2, "gpu": 1, "engines": 1, "programs": 1, "sandboxes": 1}
"""What a run of this recipe holds at least. Its sandbox fills a machine."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[ElasticCluster]:
    os.environ["RAY_AUTH_MODE"] = "disabled"
    with elastic_cluster() as running:
        yield running


@dataclass
class Job:
    """A job under way, and what the cluster looked like meanwhile."""

    process: subprocess.Popen[bytes]
    cluster: ElasticCluster
    out: Path
    log: Path
    started: float = field(default_factory=time.monotonic)
    looks: list[Look] = field(default_factory=list)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def until(self, condition: Callable[[], bool]) -> None:
        """Watch the cluster until something holds; fail where the job ends before, or nothing comes of it."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, f"the job ended with status {self.process.returncode}:\n{self.said}"
            assert time.monotonic() < deadline, f"nothing after {PATIENCE_S} s:\n{self.said}"
            self._look()

    def finish(self) -> None:
        self.until(lambda: self.process.poll() == 0)

    def most(self, name: str) -> int:
        return max(look.count(name) for look in self.looks)

    def ebbed(self) -> bool:
        """Whether every pool and every type of machine has grown, and is down to its least again."""
        return all(self.most(name) > least == self.looks[-1].count(name) for name, least in LEAST.items())

    def _look(self) -> None:
        look = self.cluster.look()
        if not self.looks or look != self.looks[-1]:
            print(f"[{time.monotonic() - self.started:5.1f} s] {look}")
        self.looks.append(look)
        time.sleep(0.5)


@contextmanager
def job(cluster: ElasticCluster, folder: Path, texts: list[str], *settings: str) -> Iterator[Job]:
    """The main job on problems of these texts, whose answer is 4."""
    problems = folder / "problems.jsonl"
    rows = [{"id": f"p{n:03}", "problem": text, "answer": "4"} for n, text in enumerate(texts)]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    out, log = folder / "run", folder / "log"
    overrides = [f"sources=[{{path: {problems}}}]", *settings]
    options = [word for override in overrides for word in ("--set", override)]
    command = [sys.executable, "-m", "tests.elastic.job", "--recipe", str(RECIPE), "--out", str(out), *options]
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=cluster.env, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield Job(process, cluster, out, log)
    finally:
        process.kill()
        process.wait()


def test_pools_that_ask_for_every_cpu_leave_each_other_room(cluster, tmp_path):
    """Each pool alone would hold all CPUs of the one machine that the market has, and the job would stand still."""
    greedy = ["sandbox.actors=[4,8]", "sandbox.num_cpus=1", "programs.workers=[4,8]", "teacher.engine.replicas=[1,1]"]
    cluster.stock("cpu", 1)
    try:
        with job(cluster, tmp_path, [f"What is 2 + 2? ({n})" for n in range(12)], *greedy) as run:
            run.finish()
    finally:
        cluster.restock("cpu")
    assert "sandbox.actors 4 -> 1, programs.workers 4 -> 2" in run.said
    assert run.most("cpu") == 1
    assert (status(str(run.out)).finished, status(str(run.out)).total) == (12, 12)


def test_machines_that_are_taken_away_cost_no_finished_work(cluster, tmp_path):
    texts = [f"What is 2 + 2? ({n})" for n in range(32)]
    with job(cluster, tmp_path, texts, "teacher.engine.replicas=[2,2]", "programs.workers=[2,3]") as run:
        run.until(lambda: len(samples(run.out)) >= 12 and cluster.look().count("engines") == 2)
        finished = set(samples(run.out))
        cluster.kill(home(cluster, "programs"))
        run.until(lambda: len(samples(run.out)) >= len(finished) + 12)
        finished |= set(samples(run.out))
        leaving = home(cluster, "engines")
        cluster.drain(leaving, deadline_s=8)
        time.sleep(8)
        cluster.kill(leaving)
        run.finish()
    drawn = samples(run.out)
    print(f"{len(finished)} samples were in storage when machines left; {len(drawn)} in the end")
    assert all(drawn[key] == 1 for key in finished)
    assert set(drawn.values()) == {1}
    assert len(drawn) == 32 * 2  # with Python and without
    assert (status(str(run.out)).finished, status(str(run.out)).total) == (32, 32)


def test_a_stopped_job_gives_its_machines_back(cluster, tmp_path):
    hold = tmp_path / "hold"
    hold.touch()
    with job(cluster, tmp_path, [held(hold)]) as run:
        run.until(lambda: cluster.look().count("engines") == 1)
        run.process.terminate()  # as `ray job stop` does
        run.process.wait()
    gone(cluster)


def test_pools_and_machines_come_with_the_work_and_go_with_it(cluster, tmp_path):
    """Most of the work is soon done. One problem stays, and with it one actor of each pool on as few machines."""
    cluster.stock("gpu", 0)
    hold = tmp_path / "hold"
    hold.touch()
    with job(cluster, tmp_path, [*(f"What is 2 + 2? ({n})" for n in range(40)), held(hold)]) as run:
        run.until(lambda: "1 x 1 GPU (engine): the cluster has no GPU" in run.said)
        assert run.most("engines") == 0
        cluster.restock("gpu")
        run.until(lambda: run.ebbed() and len(samples(run.out)) == 80)
        hold.unlink()
        run.finish()
    print(run.said)
    assert not any(run.looks[0].count(name) for name in LEAST)
    drawn = samples(run.out)
    assert (len(drawn), set(drawn.values())) == (82, {1})
    assert (status(str(run.out)).finished, status(str(run.out)).total) == (41, 41)


def held(place: Path) -> str:
    """A problem that is not solved while a file is there."""
    text = f"What is 2 + 2, while {place} is there?"
    assert HELD.search(text)
    return text


def samples(out: Path) -> Counter[str]:
    """How often each sample is in the journal of a run."""
    store = Store.open(str(out))
    tables = [read_table(store, entry.key) for entry in store.list(DIRECTORIES[Trace])]
    return Counter(str(trace.key) for table in tables for trace in from_table(Trace, table))


def home(cluster: ElasticCluster, pool: str) -> NodeInfo:
    """A machine with an actor of a pool."""
    ids = {actor["Address"]["NodeID"] for actor in cluster.actors(pool)}
    return next(node for kind in NODE_TYPES for node in cluster.nodes(kind) if node.node_id in ids)


def gone(cluster: ElasticCluster) -> None:
    """Wait until nothing but the head is left."""
    deadline = time.monotonic() + PATIENCE_S
    while any((look := cluster.look()).nodes.values()):
        assert time.monotonic() < deadline, look
        time.sleep(0.5)
    print(f"in the end: {look}")
