"""The journal: what goes in comes out, whole parts only, in an order that never shows a verdict before its traces."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from factory.arrow import from_table
from factory.errors import FactoryError
from factory.records import CuratedThread, FinishedTurn, Mode, ModelReply, Trace, Verdict
from factory.store.counts import CuratedCount
from factory.store.fs import Store
from factory.store.ids import contained, hashes_of, owner_key
from factory.store.index import FAR_EVERY_S, LISTING_SLACK_S, NEAR_SLACK_S, JournalIndex
from factory.store.journal import JournalWriter, stamp
from factory.store.kinds import DIRECTORIES
from factory.store.local import LocalStore
from factory.store.parts import encode_part, encode_row
from tests.store.rows import problem, reject, trace, verdict


def writer(
    store: Store, worker: str = "w1", part_mb: float = 32, part_age_s: float = 3600, fingerprint: str = "f00d"
) -> JournalWriter:
    return JournalWriter(store, worker, part_mb=part_mb, part_age_s=part_age_s, fingerprint=fingerprint)


def keys(store: Store, prefix: str = "journal/") -> list[str]:
    return [entry.key for entry in store.list(prefix)]


def rows(store: Store, kind: type, directory: str) -> list:
    tables = [pq.read_table(store.url(key), partitioning=None) for key in keys(store, directory)]
    return [row for table in tables for row in from_table(kind, table)]


def test_rows_come_back_as_they_went_in(tmp_path):
    store = Store.open(tmp_path)
    written = [trace("p1", Mode.HIGH, True, s) for s in range(3)] + [trace("p2", n_tokens=500)]
    turn = FinishedTurn(problem_id="p2", mode=Mode.LOW, tool=True, sample=1, turn=0, token_ids=[1, 2], mask=[0, 1])
    asked = ModelReply(owner="t1", key="extract", text="none")
    journal = writer(store)
    for row in [*written, turn, asked, verdict(problem("p1"), written[:3])]:
        journal.append(row)
    journal.close()
    assert sorted(rows(store, Trace, "journal/traces/"), key=lambda r: r.uid) == sorted(written, key=lambda r: r.uid)
    assert rows(store, FinishedTurn, "journal/turns/") == [turn]
    assert rows(store, ModelReply, "journal/asks/") == [asked]
    assert rows(store, Verdict, "journal/verdicts/") == [verdict(problem("p1"), written[:3])]


def test_a_part_carries_its_schema_version_and_fingerprint(tmp_path):
    store = Store.open(tmp_path)
    journal = writer(store)
    journal.append(trace("p1"))
    journal.close()
    (key,) = keys(store)
    metadata = pq.read_metadata(store.url(key)).metadata
    assert metadata[b"schema_version"] == b"1"
    assert b'"fingerprint": "f00d"' in metadata[b"factory"]


async def test_parts_are_written_by_size_and_by_age(tmp_path):
    store = Store.open(tmp_path)
    by_size = writer(store, "size", part_mb=0.001)
    await by_size.durable(by_size.append(trace("p1", n_tokens=1000)))
    by_age = writer(store, "age", part_age_s=0.05)
    await by_age.durable(by_age.append(trace("p2")))
    assert len(keys(store, "journal/traces/")) == 2
    waiting = writer(store, "idle")
    receipt = waiting.append(trace("p3"))
    await asyncio.sleep(0.2)
    assert not receipt.done()
    await waiting.durable(receipt, now=True)
    assert len(keys(store, "journal/traces/")) == 3
    for journal in (by_size, by_age, waiting):
        journal.close()


class Slow(LocalStore):
    """A store whose writes wait until they are let through."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.open_gate, self.entered = threading.Event(), threading.Event()

    def write(self, key: str, data: bytes) -> None:
        assert self.open_gate.wait(30)
        super().write(key, data)


async def test_put_waits_where_storage_does_not_keep_up(tmp_path):
    store = Slow(tmp_path)
    journal = writer(store, part_mb=0.01)
    accepted = 0

    async def produce() -> None:
        nonlocal accepted
        for sample in range(200):
            await journal.put(trace("p1", sample=sample, n_tokens=400))
            accepted += 1

    task = asyncio.create_task(produce())
    await asyncio.sleep(0.3)
    stuck_at, held = accepted, journal.held_bytes
    await asyncio.sleep(0.2)
    assert accepted == stuck_at < 200
    assert held < 6 * 0.01e6
    store.open_gate.set()
    await task
    await asyncio.to_thread(journal.close)
    assert len(rows(store, Trace, "journal/traces/")) == 200


class Full(LocalStore):
    """A store with room for nothing but traces."""

    def write(self, key: str, data: bytes) -> None:
        if "/traces/" not in key:
            raise FactoryError("disk full")
        super().write(key, data)


async def test_a_verdict_that_cannot_be_written_is_an_error_for_everyone_who_waits(tmp_path):
    store = Full(tmp_path)
    journal = writer(store)
    sample = trace("p1")
    receipts = [journal.append(sample), journal.append(verdict(problem("p1"), [sample]))]
    with pytest.raises(FactoryError, match="disk full"):
        await journal.durable(*receipts, now=True)
    with pytest.raises(FactoryError, match="disk full"):
        journal.append(trace("p2"))
    assert len(keys(store, "journal/traces/")) == 1  # written before its verdict


class Doomed(Slow):
    """A store that fails once it is let through."""

    def write(self, key: str, data: bytes) -> None:
        self.entered.set()
        assert self.open_gate.wait(30)
        raise FactoryError("disk full")


async def test_rows_that_come_while_a_flush_fails_are_not_waited_for_in_vain(tmp_path):
    store = Doomed(tmp_path)
    journal = writer(store)
    first = asyncio.create_task(journal.durable(journal.append(trace("p1")), now=True))
    await asyncio.sleep(0)  # lets it append and ask for a flush
    assert await asyncio.to_thread(store.entered.wait, 30)
    second = journal.append(trace("p2"))
    store.open_gate.set()
    for waiting in (first, journal.durable(second)):
        with pytest.raises(FactoryError, match="disk full"):
            await asyncio.wait_for(waiting, 120)
    with pytest.raises(FactoryError, match="disk full"):
        journal.close()


def test_index_answers_for_unfinished_and_finished_problems(tmp_path):
    store = Store.open(tmp_path)
    done, easy, half = ([trace(name, sample=s) for s in range(2)] for name in ("done", "easy", "half"))
    journal = writer(store)
    for row in [*done, *easy, *half, verdict(problem("done"), done), reject(problem("easy"))]:
        journal.append(row)
    journal.append(reject(problem("half"), kind="thread"))  # a thread of the same name is another row
    journal.append(ModelReply(owner="half", key="judge/0", text="equal"))
    journal.close()
    index = JournalIndex(store)
    assert [index.finished(name) for name in ("done", "easy", "half", "new")] == [True, True, False, False]
    assert index.finished("half", kind="thread")
    assert sorted(index.traces_of("half"), key=lambda t: t.sample) == half
    assert index.traces_of("new") == []
    assert index.asked_of("half") == {"judge/0": "equal"}
    assert len(index.snapshot().finished) == 3
    assert index.counts().samples["low/none"].rows == 6


def test_a_living_index_sees_new_parts_and_lets_go_of_finished_problems(tmp_path):
    store = Store.open(tmp_path)
    index = JournalIndex(store, max_age_s=0)
    journal = writer(store)
    first = trace("p1")
    journal.append(first)
    journal.flush()
    assert index.traces_of("p1") == [first]
    journal.append(second := trace("p1", sample=1))
    journal.flush()
    assert index.traces_of("p1") == [first, second]
    journal.append(verdict(problem("p1"), [first, second]))
    journal.close()
    assert index.finished("p1")
    assert index.traces_of("p1") == []


class Clock:
    """The time of day as an index sees it, to be moved by hand."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("factory.store.index.time", clock)
    return clock


def put_part(store: Store, row: Trace, named: float) -> None:
    """A part that becomes visible now and is named by another moment."""
    key = f"{DIRECTORIES[Trace]}{stamp(named)}-w-000001-{row.uid}.parquet"
    store.write(key, encode_part(Trace, [encode_row(row)], "").to_pybytes())


def test_a_part_that_comes_late_is_seen_at_the_next_look_far_back(tmp_path, clock):
    store = Store.open(tmp_path)
    index = JournalIndex(store, max_age_s=0)
    put_part(store, trace("p0"), clock.now)
    assert len(index.traces_of("p0")) == 1
    for minutes, seen in ((1, True), (10, False), (59, False), (62, False)):
        put_part(store, trace(f"p{minutes}"), clock.now - 60 * minutes)
        assert bool(index.traces_of(f"p{minutes}")) == seen, minutes
    clock.now += FAR_EVERY_S
    assert [len(index.traces_of(f"p{minutes}")) for minutes in (0, 1, 10, 59, 62)] == [1, 1, 1, 1, 0]
    assert index.counts().samples["low/none"].rows == 4
    assert JournalIndex(store).counts().samples["low/none"].rows == 5  # a new index sees everything


def test_what_a_living_index_lists_does_not_grow_with_the_run(tmp_path, clock, monkeypatch):
    listed: list[int] = []
    every = LocalStore.list

    def counting(store, prefix="", after=""):
        entries = list(every(store, prefix, after))
        listed[-1] += len(entries)
        return iter(entries)

    monkeypatch.setattr(LocalStore, "list", counting)
    store = Store.open(tmp_path)
    index = JournalIndex(store)
    for half_minute in range(160):
        put_part(store, trace(f"p{half_minute}"), clock.now)
        listed.append(0)
        index.refresh()
        clock.now += 30
    near, far = sorted(listed[-10:])[:5], max(listed)
    assert max(near) <= NEAR_SLACK_S / 30 + 2
    assert far <= (LISTING_SLACK_S + FAR_EVERY_S) / 30 + 2
    assert index.counts().samples["low/none"].rows == 160


def test_parts_that_storage_would_not_give_are_taken_in_later(tmp_path, clock, monkeypatch):
    """Also those of the very first look, and each once."""
    store, read = LocalStore(tmp_path), LocalStore.read

    def curated(name: str) -> CuratedThread:
        return CuratedThread(thread_id=name, problems=[problem(f"{name}/1")], n_found=1)

    clock.now = time.time() + 2 * LISTING_SLACK_S  # the parts are so old that only a look at everything finds them
    journal = writer(store)
    for name in ("p1", "p2"):
        for row in (trace(name), verdict(problem(name), []), curated(name)):
            journal.append(row)
        journal.flush()
    index = JournalIndex(store, max_age_s=0)
    for kind in (Verdict, CuratedThread, Trace):

        def failing(store, key, *place, kind=kind):
            if key in keys(store, DIRECTORIES[kind])[1:]:
                raise FactoryError("the bucket cannot be reached")
            return read(store, key, *place)

        with monkeypatch.context() as patch:
            patch.setattr(LocalStore, "read", failing)
            for _ in range(2):
                with pytest.raises(FactoryError, match="cannot be reached"):
                    index.counts()
    counts = index.counts()
    assert (counts.finished, counts.finished_threads, counts.curated) == (4, 2, CuratedCount(2, passed=2, found=2))
    assert counts.verdicts == 2
    assert counts.samples["low/none"].rows == 2
    assert index.snapshot().n_curated == 2


def test_who_waited_for_a_look_that_failed_gets_its_error_at_once(tmp_path, monkeypatch):
    store, looks = LocalStore(tmp_path), []
    gate = threading.Event()

    def failing(store, prefix="", after=""):
        looks.append(prefix)
        assert gate.wait(30)
        raise FactoryError("the bucket cannot be reached")

    monkeypatch.setattr(LocalStore, "list", failing)
    index = JournalIndex(store, max_age_s=0)
    with ThreadPoolExecutor(8) as callers:
        calls = [callers.submit(index.counts) for _ in range(8)]
        time.sleep(0.5)  # all of them wait by now
        gate.set()
    assert all("cannot be reached" in str(call.exception()) for call in calls)
    assert len(looks) == 1


def test_one_slow_look_serves_all_who_came_to_wait_for_it(tmp_path, clock, monkeypatch):
    """Where a look takes longer than answers may be old, the callers would else make one each, one after the other."""
    looks, gate, every, arrived = [], threading.Event(), LocalStore.list, threading.Semaphore(0)

    def now() -> float:
        arrived.release()  # whoever asks an index looks at the clock first
        return clock.now

    def slow(store, prefix="", after=""):
        looks.append(prefix)
        assert gate.wait(30)
        return every(store, prefix, after)

    monkeypatch.setattr(LocalStore, "list", slow)
    monkeypatch.setattr(clock, "monotonic", now, raising=False)
    index = JournalIndex(LocalStore(tmp_path), max_age_s=2.0)
    with ThreadPoolExecutor(8) as callers:
        calls = [callers.submit(index.counts) for _ in range(8)]
        for _ in range(9):  # all of them, and the one look
            assert arrived.acquire(timeout=120)
        clock.now += 3  # the look is now older than answers may be
        gate.set()
    assert all(call.result().finished == 0 for call in calls)
    assert sorted(looks) == sorted(DIRECTORIES.values())


def test_a_curated_thread_has_ended_and_its_problems_wait(tmp_path):
    store = Store.open(tmp_path)
    index = JournalIndex(store, max_age_s=0)
    journal = writer(store)
    kept = [problem("t/1"), problem("t/3")]
    journal.append(ModelReply(owner=owner_key("t", "thread"), key="curator/x", text="yes"))
    journal.append(reject(problem("t/2"), "proof", "curate"))
    journal.append(CuratedThread(thread_id="t", problems=kept, n_found=3))
    journal.append(CuratedThread(thread_id="empty", problems=[], n_found=1))
    journal.append(reject(problem("none"), "no_problem", "curate", "thread"))
    journal.close()
    assert [index.finished(name, "thread") for name in ("t", "empty", "none", "t/1")] == [True, True, True, False]
    assert [index.finished(name) for name in ("t", "t/1", "t/2", "t/3")] == [False, False, True, False]
    assert index.asked_of(owner_key("t", "thread")) == {}  # an ended thread is forgotten
    snapshot = index.snapshot()
    assert (snapshot.n_threads, snapshot.n_curated, snapshot.curated) == (3, 2, keys(store, "journal/curated/"))
    assert contained(hashes_of(["t/2", owner_key("t", "thread")]), snapshot.finished).all()
    assert index.counts().curated == CuratedCount(2, passed=2, found=4)
    assert (index.counts().finished, index.counts().finished_threads) == (4, 3)
    later = writer(store)
    for of in kept:
        later.append(verdict(of, []))
    later.close()
    assert (index.snapshot().n_curated, index.snapshot().curated) == (0, [])
    assert JournalIndex(store).snapshot().n_curated == 0


def test_rows_journaled_twice_count_once(tmp_path):
    store = Store.open(tmp_path)
    turn = FinishedTurn(problem_id="p1", mode=Mode.LOW, tool=True, sample=1, turn=0, token_ids=[1], mask=[0])
    for worker, salt in (("a", 1), ("b", 2), ("c", 1)):
        journal = writer(store, worker)
        journal.append(trace("p1", salt=salt))
        journal.append(turn)
        journal.close()
    index = JournalIndex(store)
    (kept,) = index.traces_of("p1")
    assert kept.uid == min(trace("p1", salt=salt).uid for salt in (1, 2))
    assert index.turns_of("p1") == [turn]


def test_foreign_and_broken_parts_are_skipped_with_a_warning(tmp_path, caplog):
    store = Store.open(tmp_path)
    journal = writer(store)
    journal.append(trace("p1"))
    journal.close()
    whole = store.read(keys(store)[0])
    store.write("journal/traces/0-half.parquet", whole[: len(whole) // 2])
    store.write("journal/traces/0-empty.parquet", b"")
    store.write("journal/traces/0-text.parquet", b"not parquet at all, but long enough to look at")
    pq.write_table(
        pq.read_table(store.url(keys(store, "journal/traces/2")[0])).replace_schema_metadata(None),
        store.url("journal/traces/0-other.parquet"),
    )
    other = writer(store, fingerprint="beef")
    other.append(trace("p1", sample=5))
    other.close()
    index = JournalIndex(store, fingerprint="f00d")
    assert index.traces_of("p1") == [trace("p1")]
    skipped = [record.getMessage() for record in caplog.records if "skipping" in record.getMessage()]
    assert len(skipped) == 5
    assert any("another recipe" in line for line in skipped)


def test_a_damaged_page_is_a_lost_row_group_not_a_crash(tmp_path, caplog):
    store = Store.open(tmp_path)
    journal = writer(store)
    journal.append(trace("p1", n_tokens=20_000))
    journal.close()
    (key,) = keys(store)
    data = bytearray(store.read(key))
    for place in range(1000, 20_000, 100):
        data[place] ^= 0xFF
    store.write(key, bytes(data))
    assert JournalIndex(store).traces_of("p1") == []
    assert "skipping a row group" in caplog.text


KILLED = """
import sys
from factory.store.fs import Store
from factory.store.journal import JournalWriter
from tests.store.rows import problem, trace, verdict

journal = JournalWriter(Store.open(sys.argv[1]), "victim", part_mb=0.05, part_age_s=3600)
for n in range(100_000):
    samples = [trace(f"p{n}", sample=s, n_tokens=300) for s in range(4)]
    for row in [*samples, verdict(problem(f"p{n}"), samples)]:
        journal.append(row)
    if n == 20:
        print("running", flush=True)
"""


def test_a_killed_worker_leaves_whole_parts_and_no_verdict_without_its_traces(tmp_path):
    root = Path(__file__).parents[2]
    victim = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    try:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"running\n"
        time.sleep(0.7)
    finally:
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    store = Store.open(tmp_path)
    uids = {row.uid for row in rows(store, Trace, "journal/traces/")}  # raises on a broken part
    verdicts = rows(store, Verdict, "journal/verdicts/")
    assert verdicts
    assert all(judgement.uid in uids for row in verdicts for judgement in row.judgements)
