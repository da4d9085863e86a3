"""A real S3 server behind a network that breaks: nothing is lost, nothing is half there, errors say what to do."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import botocore.auth
import pytest
from botocore.compat import get_current_datetime

from factory.errors import FactoryError
from factory.store.fs import Store
from factory.store.index import JournalIndex
from factory.store.manifest import latest, load
from factory.store.publish import publish
from factory.store.run import Run
from factory.store.s3 import S3Store
from tests.s3.proxy import FaultyProxy
from tests.store.rows import problem, trace, verdict
from tests.store.test_publish import SETTINGS, VIEW, a_run, tree
from tests.store.test_run import recipe

pytestmark = pytest.mark.s3
ROOT = Path(__file__).parents[2]


@pytest.fixture
def proxy(s3_server, s3_bucket, monkeypatch):
    """A proxy in front of the server; this process's S3 clients go through it."""
    with FaultyProxy(s3_server.endpoint, seed=7).running() as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.endpoint)
        yield running


def impatient(uri: str) -> S3Store:
    return S3Store(uri, patience_s=2)


@pytest.mark.parametrize("fault", ["slow_down", "error", "reset", "lost", "delay"])
def test_calls_outlast_passing_faults(proxy, s3_bucket, fault):
    store = Store.open(s3_bucket)
    for method in ("PUT", "GET", "HEAD", "DELETE"):
        proxy.plan(fault, method, times=4)  # one more than the client library tries by itself
    store.write("key", b"value")
    assert store.read("key") == b"value"
    assert store.size("key") == 5
    assert [entry.key for entry in store.list()] == ["key"]
    store.delete("key")
    assert not store.exists("key")
    assert proxy.happened[fault] == (6 if fault == "delay" else 16)  # a delayed call works at its first try


def test_a_body_that_is_cut_short_is_read_again(proxy, s3_bucket):
    store = Store.open(s3_bucket)
    data = os.urandom(300_000)
    store.write("key", data)
    proxy.plan("truncate", "GET", "/key", times=3)
    assert store.read("key") == data
    proxy.plan("truncate", "GET", "/key", times=1)
    assert store.read("key", 1000, 100_000) == data[1000:101_000]
    assert proxy.happened["truncate"] == 4


def test_a_lost_answer_to_a_conditional_write_is_not_a_lost_race(proxy, s3_bucket):
    store = Store.open(s3_bucket)
    proxy.plan("lost", "PUT", "/marker", times=1)
    assert store.create("marker", b"attempt 1")
    assert [status for method, path, status in proxy.seen if method == "PUT" and "/marker" in path] == [200, 412]
    assert not store.create("marker", b"attempt 2")
    assert store.read("marker") == b"attempt 1"


def test_a_multipart_upload_survives_faults_and_leaves_nothing_when_it_fails(proxy, s3_bucket):
    data = os.urandom(1 << 20) * 70
    proxy.plan("reset", "PUT", "partNumber", times=2)
    proxy.plan("lost", "PUT", "partNumber", times=1)
    store = Store.open(s3_bucket)
    with store.sink("big") as file:
        file.write(data)
    assert store.read("big") == data
    proxy.plan("slow_down", "PUT", "partNumber", times=1000)
    with pytest.raises(FactoryError), impatient(s3_bucket).sink("never") as file:
        file.write(data)
    assert not store.exists("never")


def test_a_store_that_ignores_conditions_is_refused(s3_server, proxy, s3_bucket):
    def forget(method: str, path: str) -> None:
        bucket, _, key = path.lstrip("/").partition("/")
        if method == "PUT":  # so that no condition ever fails, as with a server that does not know it
            s3_server.client().delete_object(Bucket=bucket, Key=key)

    proxy.before = forget
    with pytest.raises(FactoryError, match="cannot hold a run") as caught:
        Run.open(f"{s3_bucket}/run", recipe())
    assert "honours conditional writes" in caught.value.remedy


def test_google_storage_gets_its_own_condition(proxy, s3_bucket, monkeypatch):
    store = S3Store(s3_bucket)
    monkeypatch.setattr(store, "_google", True)
    store.create("marker", b"1")
    (headers,) = [headers for method, path, headers in proxy.headers if method == "PUT"]
    assert headers["x-goog-if-generation-match"] == "0"
    assert "If-None-Match" not in headers


def remedy(store: S3Store) -> str:
    with pytest.raises(FactoryError) as caught:
        store.write("key", b"")
    return str(caught.value)


def test_errors_say_what_to_do(s3_server, s3_bucket, monkeypatch):
    assert "make the bucket first" in remedy(impatient("s3://no-such-bucket-here/x"))
    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        assert "check AWS_ACCESS_KEY_ID" in remedy(impatient(s3_bucket))
        patch.setenv("AWS_ACCESS_KEY_ID", "nobody")
        assert "check AWS_ACCESS_KEY_ID" in remedy(impatient(s3_bucket))
    with monkeypatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.delenv(name)
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            patch.setenv(name, "/nowhere")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        assert "give the machine a role" in remedy(impatient(s3_bucket))
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        assert "check AWS_ENDPOINT_URL" in remedy(impatient(s3_bucket))
    with monkeypatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda: get_current_datetime() + timedelta(hours=2))
        assert "clock" in remedy(impatient(s3_bucket))


def test_a_place_that_may_only_be_read(s3_server, s3_bucket, monkeypatch):
    if s3_server.ceph is None:
        pytest.skip("needs a second user on the server")
    s3_server.ceph.add_user("reader", "READER", "readers-secret")
    bucket = s3_bucket.removeprefix("s3://")
    may_read = {
        "Effect": "Allow",
        "Principal": {"AWS": ["arn:aws:iam:::user/reader"]},
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    policy = {"Version": "2012-10-17", "Statement": [may_read]}
    s3_server.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    Store.open(s3_bucket).write("key", b"value")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "READER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "readers-secret")
    assert Store.open(s3_bucket).read("key") == b"value"
    assert "these credentials may not do this here" in remedy(impatient(s3_bucket))


async def test_the_journal_outlasts_an_outage_of_the_server(s3_server, s3_bucket):
    if s3_server.ceph is None:
        pytest.skip("only our own server may be killed")
    run = Run.open(f"{s3_bucket}/run", recipe())
    journal = run.writer("w1", recipe().journal)
    rows = [trace("p1", sample=s) for s in range(4)]
    await journal.durable(journal.append(rows[0]), now=True)
    s3_server.ceph.kill_gateway()
    receipts = [journal.append(row) for row in [*rows[1:], verdict(problem("p2"), rows)]]
    waiting = asyncio.create_task(journal.durable(*receipts, now=True))
    await asyncio.sleep(1.5)
    assert not waiting.done()
    s3_server.ceph.start_gateway()
    await waiting
    await asyncio.to_thread(journal.close)
    index = JournalIndex(run.store)
    assert index.traces_of("p1") == rows
    assert index.finished("p2")


def test_a_run_through_a_bad_network_loses_nothing(proxy, s3_bucket, tmp_path):
    expected = a_run(tmp_path, 10)
    publish(expected, SETTINGS, VIEW)
    proxy.rates = {"slow_down": 0.04, "error": 0.04, "reset": 0.04, "lost": 0.06, "truncate": 0.04}
    run = a_run(f"{s3_bucket}/run", 10)
    manifest = publish(run, SETTINGS, VIEW)
    assert min(proxy.happened[fault] for fault in ("slow_down", "error", "reset", "lost")) > 0
    proxy.rates = {}
    assert manifest.report == latest(expected.store).report
    assert tree(run) == tree(expected)
    assert load(run.uri) == [f"{run.uri}/{shard.key}" for shard in manifest.shards]


COMMITTER = """
import os, sys, time
from factory.store.commit import commit, committed, new_attempt
from factory.store.fs import Store

store, tasks = Store.open(sys.argv[1]), int(sys.argv[2])
for task in range(tasks):
    marker = f"commit/{task:03d}.json"
    if committed(store, marker) is not None:
        continue
    attempt = new_attempt()
    time.sleep(0.05)
    key = f"data/{task:03d}-{attempt}.bin"
    store.write(key, os.urandom(2000))
    if commit(store, marker, {"key": key}, attempt)["attempt"] != attempt:
        store.delete(key)
"""


def test_racing_and_dying_writers_commit_each_task_once(proxy, s3_bucket):
    """Pairs of writers race over the same tasks while their answers get lost and they are killed at random."""
    tasks, dice = 25, random.Random(5)
    proxy.rates = {"lost": 0.12, "reset": 0.03, "slow_down": 0.03}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def writer() -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", COMMITTER, s3_bucket, str(tasks)], env=environment)

    killed, deadline = 0, time.monotonic() + 120
    writers = [writer(), writer()]
    store = Store.open(s3_bucket)
    while len(list(store.list("commit/"))) < tasks and time.monotonic() < deadline:
        time.sleep(dice.uniform(0.05, 0.5))
        if killed < 5 and list(store.list("data/")):
            writers[dice.randrange(2)].kill()
            killed += 1
        writers = [each if each.poll() is None else writer() for each in writers]
    for each in writers:
        each.wait()
    assert killed >= 3
    proxy.rates = {}
    records = [json.loads(store.read(entry.key)) for entry in store.list("commit/")]
    assert len(records) == tasks
    assert all(store.size(record["key"]) == 2000 for record in records)  # the committed file is there
    conflicts = [
        status for method, path, status in proxy.seen if method == "PUT" and "/commit/" in path and status == 412
    ]
    assert conflicts
