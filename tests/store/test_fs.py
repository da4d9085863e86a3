"""What every store promises, compared with a directory and against a real S3 server."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from factory.errors import FactoryError
from factory.store.fs import Store


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.s3)])
def store(request, tmp_path) -> Store:
    if request.param == "local":
        return Store.open(f"file://{tmp_path}/run")
    return Store.open(f"{request.getfixturevalue('s3_bucket')}/some/run")


def test_keys_and_bytes(store):
    store.write("a/b.bin", b"0123456789")
    store.write("a/b.bin", b"9876543210")
    assert store.read("a/b.bin") == b"9876543210"
    assert store.read("a/b.bin", 2, 3) == b"765"
    assert store.read("a/b.bin", 8) == b"10"
    assert store.size("a/b.bin") == 10
    assert store.exists("a/b.bin")
    assert not store.exists("a")
    assert not store.exists("a/b.bin/c")
    store.delete("a/b.bin")
    store.delete("a/b.bin")
    assert not store.exists("a/b.bin")
    for missing in (store.read, store.size):
        with pytest.raises(FileNotFoundError):
            missing("a/b.bin")


def test_listing_is_sorted_and_can_start_late(store):
    keys = ["x/1", "x/10", "x/2", "x-/1", "y"] + [f"many/{n:04d}" for n in range(30)]
    for key in keys:
        store.write(key, b"1")
    assert [e.key for e in store.list("x/")] == ["x/1", "x/10", "x/2"]
    assert [e.key for e in store.list("x/1")] == ["x/1", "x/10"]
    assert [e.key for e in store.list("many/", after="many/0027")] == ["many/0028", "many/0029"]
    assert [e.key for e in store.list("nothing/")] == []
    everything = [e.key for e in store.list()]
    assert everything == sorted(everything)
    assert {e.size for e in store.list()} == {1}


def test_create_has_one_winner(store):
    def claim(n: int) -> list[bool]:
        return [store.create(f"claims/{k}", f"writer {n}".encode()) for k in range(12)]

    with ThreadPoolExecutor(8) as writers:
        won = list(writers.map(claim, range(8)))
    for k in range(12):
        (winner,) = [n for n in range(8) if won[n][k]]
        assert store.read(f"claims/{k}") == f"writer {winner}".encode()
    assert store.create("claims/0", store.read("claims/0"))  # the same words again: ours
    store.probe()
    assert not list(store.list("_probe"))


def test_a_sink_that_fails_leaves_nothing(store):
    with pytest.raises(RuntimeError), store.sink("big") as file:  # noqa: PT012
        file.write(b"x" * 100_000)
        raise RuntimeError
    assert not store.exists("big")
    with store.sink("big") as file:
        file.write(b"x" * 100_000)
        assert not store.exists("big")
    assert store.size("big") == 100_000
    assert [e.key for e in store.list()] == ["big"]


def test_big_files_go_in_parts(store):
    block = os.urandom(1 << 20)
    with store.sink("big") as file:
        for _ in range(70):
            file.write(block)
    assert store.size("big") == 70 << 20
    assert store.read("big", 69 << 20) == block
    store.write("also-big", block * 65)
    assert store.read("also-big", 64 << 20) == block


def test_parquet_reads_only_what_it_needs(store, monkeypatch):
    table = pa.table({"a": range(100_000), "b": [os.urandom(8) for _ in range(100_000)]})
    with store.sink("t.parquet") as file:
        pq.write_table(table, file, row_group_size=10_000)
    taken = 0
    read = type(store).read

    def counted(self, key, start=0, length=None):
        nonlocal taken
        data = read(self, key, start, length)
        taken += len(data)
        return data

    monkeypatch.setattr(type(store), "read", counted)
    with store.parquet("t.parquet") as file:
        assert file.read_row_group(7, columns=["a"])["a"][0].as_py() == 70_000
    assert taken < store.size("t.parquet") / 4


def test_a_store_travels_to_other_processes(store):
    store.write("key", b"value")
    assert pickle.loads(pickle.dumps(store)).read("key") == b"value"


def test_keys_stay_below_the_root(store):
    for key in ("../x", "/etc/passwd", "a/../../x", ""):
        with pytest.raises(ValueError):
            store.write(key, b"")


@pytest.mark.parametrize("uri", ["ftp://host/x", "s3://", "s3:///x"])
def test_a_uri_that_names_no_store(uri):
    with pytest.raises(FactoryError):
        Store.open(uri)


def test_a_full_disk_is_an_error_that_says_so(tmp_path):
    script = """
import resource, signal, sys
from factory.errors import FactoryError
from factory.store.fs import Store

def spool(store):
    with store.sink("big") as file:
        file.write(b"x" * (2 << 20))

store = Store.open(sys.argv[1])
store.write("before", b"whole")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
for attempt in (lambda store: store.write("big", b"x" * (2 << 20)), spool):
    try:
        attempt(store)
    except FactoryError as error:
        print(error.what, "|", error.why)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.stdout.count("File too large") == 2, done.stdout + done.stderr
    assert [e.key for e in Store.open(tmp_path).list()] == ["before"]
    assert [p.name for p in tmp_path.iterdir()] == ["before"]  # no temporary files either
