"""Weights in a bucket: fetched once, whole, and checked; any store does here, S3 has tests of its own."""

from __future__ import annotations

import hashlib
import multiprocessing
import shutil

import pytest

from factory.engines import model_bucket, model_files
from factory.errors import FactoryError
from factory.store.fs import Store


@pytest.fixture
def bucket(tiny_model_dir, tmp_path, monkeypatch):
    monkeypatch.setenv(model_bucket.CACHE_VARIABLE, str(tmp_path / "cache"))
    return shutil.copytree(tiny_model_dir, tmp_path / "bucket")


def sums(bucket, **others):
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in bucket.iterdir()]
    (bucket / "SHA256SUMS").write_text("\n".join([*lines, *others.values()]) + "\n")


def test_a_model_of_a_bucket_is_the_same_as_the_directory(bucket, tiny_model_dir):
    sums(bucket)
    files = model_files.resolve(f"file://{bucket}")
    assert files.name == f"file://{bucket}"
    assert files.directory != bucket
    assert files.revision == model_files.content_hash(tiny_model_dir)
    assert model_files.revision_of(f"file://{bucket}") == files.revision, "also without fetching it"
    assert model_files.tokenizer_file(f"file://{bucket}").name == "tokenizer.json"


def test_what_was_fetched_is_not_fetched_again(bucket, monkeypatch):
    where = model_files.resolve(f"file://{bucket}").directory
    monkeypatch.setattr(model_bucket, "_get", None)
    assert model_files.resolve(f"file://{bucket}").directory == where
    (where / "config.json").unlink()
    with pytest.raises(TypeError):
        model_files.resolve(f"file://{bucket}")


def test_only_what_is_missing_is_fetched_after_a_kill(bucket, monkeypatch):
    where = model_files.resolve(f"file://{bucket}").directory
    (where / "config.json").unlink()
    (where / ".model.safetensors.tmp").write_bytes(b"half")
    fetched = []
    get = model_bucket._get
    monkeypatch.setattr(model_bucket, "_get", lambda *args: (fetched.append(args[1].key), get(*args)))
    model_files.resolve(f"file://{bucket}")
    assert fetched == ["config.json"]


def test_a_new_model_under_the_same_name_has_a_place_of_its_own(bucket):
    old = model_files.resolve(f"file://{bucket}").directory
    config = (bucket / "config.json").read_text()
    Store.open(bucket).write("config.json", config.replace("}", ', "extra": 1}', 1).encode())
    assert model_files.resolve(f"file://{bucket}").directory != old


def test_a_file_that_is_not_what_the_list_says_is_refused(bucket):
    sums(bucket)
    weights = bytearray((bucket / "model.safetensors").read_bytes())
    weights[-1] ^= 1  # outside of what `content_hash` reads of a large tensor, perhaps
    (bucket / "model.safetensors").write_bytes(weights)
    with pytest.raises(FactoryError, match="is not what SHA256SUMS says"):
        model_files.resolve(f"file://{bucket}")
    with pytest.raises(FactoryError, match="is not what SHA256SUMS says"):
        model_files.resolve(f"file://{bucket}")


def test_a_bucket_that_holds_no_model_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(model_bucket.CACHE_VARIABLE, str(tmp_path / "cache"))
    with pytest.raises(FactoryError, match="there is no model at"):
        model_files.resolve(f"file://{tmp_path}/nothing")


def test_a_disk_that_is_too_small_is_named_before_it_is_full(bucket, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 90, 10))
    with pytest.raises(FactoryError, match="does not fit onto") as error:
        model_files.resolve(f"file://{bucket}")
    assert "FACTORY_MODELS" in error.value.remedy


def test_processes_that_start_together_fetch_once(bucket):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.map(_resolve, [f"file://{bucket}"] * 3)
    assert len(set(found)) == 1


def _resolve(uri):
    return model_files.resolve(uri).directory
