"""Names of the hub: the `datasets` library resolves them; a folder of files takes the same road without a network."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from factory.errors import FactoryError
from factory.recipe import Source
from factory.sources import hub, table


def test_what_looks_like_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    assert hub.is_name("owner/name")
    assert hub.is_name("owner/name.v2:main")
    for path in ("data/none", "name", "a/b/c", "s3://a/b", "/abs/olute", "./a/b", str(tmp_path)):
        assert not hub.is_name(path)


def test_files_of_each_split_are_read_by_the_table_readers(tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    (tmp_path / "set").mkdir()
    pq.write_table(pa.table({"id": ["a", "b"], "problem": ["p", "q"]}), tmp_path / "set" / "train-00000.parquet")
    pq.write_table(pa.table({"id": ["c"], "problem": ["r"]}), tmp_path / "set" / "test-00000.parquet")
    monkeypatch.setattr(hub, "is_name", lambda path: True)

    def ids(**keys):
        source = Source(path=str(tmp_path / "set"), **keys)
        return [row.id for split in table.splits(source) for row in table.read(split)]

    assert ids(split="train") == ["a", "b"]
    assert sorted(ids()) == ["a", "b", "c"]
    with pytest.raises(FactoryError, match="has no split 'dev'"):
        ids(split="dev")


def test_a_name_that_resolves_to_nothing_is_a_clear_error(tmp_path):
    pytest.importorskip("datasets")
    with pytest.raises(FactoryError, match="nothing to read"):
        hub.files(Source(path=str(tmp_path / "none")))
