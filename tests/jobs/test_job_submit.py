"""The job through Ray's real jobs API: submit from a working directory, read logs and status, stop, submit again."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from factory import metrics
from factory.report.status import status
from factory.store.run import Run
from tests.conftest import ROOT
from tests.jobs.cluster import JobCluster, job_cluster
from tests.jobs.scrape import Scrape

pytestmark = [pytest.mark.ray, pytest.mark.engine, pytest.mark.timeout(1500)]

PATIENCE_S = 600
ENDED = {"SUCCEEDED", "FAILED", "STOPPED"}
TABLE = ["sources=[{path: jobs/demo/problems.jsonl, limit: 4}]", "near_duplicates.enabled=false"]
RULES = ["decontaminate.benchmarks=[]", "decontaminate.judge=never", "verify.judge=never"]
SMALL = ["solve.modes=[low]", "solve.samples=2", *TABLE, *RULES]


@pytest.fixture(scope="module")
def cluster() -> Iterator[JobCluster]:
    with job_cluster() as running:
        yield running


def submit(cluster: JobCluster, name: str, *job: str) -> None:
    """`ray job submit` as the documentation has it, with a name, so that the test finds the job again."""
    done = cluster.cli("job", "submit", "--no-wait", "--submission-id", name, "--working-dir", str(ROOT), "--", *job)
    assert done.returncode == 0, done.stdout + done.stderr


def build(out: Path, *settings: str) -> list[str]:
    """The job's command line."""
    words = ["python", "jobs/build_dataset.py", "--recipe", "jobs/recipes/demo.yaml", "--out", str(out)]
    return words + [word for setting in settings for word in ("--set", setting)]


def wait_for(cluster: JobCluster, name: str, *, text: str = "", meanwhile: Callable[[], None] = lambda: None) -> str:
    """Wait until the job has ended, or has said `text`; its status. `meanwhile` is called every second."""
    deadline = time.monotonic() + PATIENCE_S
    now = "not known"
    while time.monotonic() < deadline:
        with suppress(httpx.TimeoutException):  # a busy machine answers late
            now = cluster.status(name)
            if now in ENDED or (text and text in cluster.logs(name)):
                return now
        meanwhile()
        time.sleep(1)
    raise TimeoutError(f"{name} is {now} after {PATIENCE_S} s:\n{cluster.logs(name)}")


def test_without_the_token_the_door_is_shut(cluster):
    assert httpx.get(f"{cluster.url}/api/jobs/", timeout=60).status_code == 401


def test_a_job_runs_the_code_that_came_with_it_and_a_wrong_input_fails_it_with_one_readable_error(cluster, tmp_path):
    whose = ["python", "-c", "import factory; print('from', factory.__file__)"]
    wrong = build(tmp_path / "run", "sources=[{path: nowhere.jsonl}]")
    submit(cluster, "wrong", "sh", "-c", f"{shlex.join(whose)} && exec {shlex.join(wrong)}")
    assert wait_for(cluster, "wrong") == "FAILED"
    logs = cluster.logs("wrong")
    (line,) = (line for line in logs.splitlines() if line.startswith("from "))
    assert "working_dir_files" in line  # Ray's copy of what was submitted, not what the machine has installed
    assert "build_dataset: " in logs
    assert "nowhere.jsonl" in logs
    assert "Traceback" not in logs


def test_a_stopped_job_goes_on_when_it_is_submitted_again(cluster, tmp_path):
    out = tmp_path / "run"
    submit(cluster, "first", *build(out, *SMALL))
    assert wait_for(cluster, "first", text="engines are starting") == "RUNNING", cluster.logs("first")
    assert cluster.cli("job", "stop", "first").returncode == 0
    assert wait_for(cluster, "first") == "STOPPED"

    submit(cluster, "again", *build(out, *SMALL))
    scrape = Scrape(cluster)
    assert wait_for(cluster, "again", meanwhile=scrape.look) == "SUCCEEDED", cluster.logs("again")
    assert "(continued)" in cluster.logs("again")
    now = status(str(out))
    assert (now.total, now.finished) == (4, 4)
    assert sum(now.samples.values()) == 4 * 2 * 2  # problems x samples, with Python and without
    assert set(now.samples) == {"low/python", "low/none"}
    assert_measured(scrape, Run.attach(str(out)).fingerprint)


def assert_measured(scrape: Scrape, run: str) -> None:
    """What Prometheus would have seen of the job, against what the job has done."""
    n_samples = 4 * 2 * 2
    generated = scrape.values(metrics.TOKENS_GENERATED.exported, run=run, role="teacher", mode="low")
    assert {labels["tool"] for labels, _ in generated} == {"python", "none"}
    assert sum(tokens for _, tokens in generated) > n_samples
    finished = sum(n for _, n in scrape.values(metrics.SAMPLES.exported, run=run))
    assert 0 < finished <= n_samples
    assert sum(n for _, n in scrape.values(f"{metrics.SAMPLE_TOKENS.exported}_count", run=run)) == finished
    assert [n for _, n in scrape.values(metrics.PROBLEMS.exported, run=run, state="total")] == [4]
    assert max(n for _, n in scrape.values(metrics.SEQUENCES.exported, run=run, state="capacity")) > 0
    assert sum(n for _, n in scrape.values(metrics.ENGINE_SECONDS.exported, run=run)) > 0
    for metric in metrics.TABLE:
        assert metric.kind != "gauge" or scrape.values(metric.exported, run=run), metric.name
    # what vLLM's replicas say themselves, through the same endpoint
    sent = sum(n for _, n in scrape.values("ray_vllm_prefix_cache_queries_total"))
    assert 0 <= sum(n for _, n in scrape.values("ray_vllm_prefix_cache_hits_total")) < sent
