"""The same readers over a real S3 server: a path and a URI give the same rows, and a lost server is not bad data."""

from __future__ import annotations

import dataclasses

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from factory.errors import FactoryError
from factory.recipe import Source
from factory.sources import read, splits, table
from tests.sources.dumps import answer, document, question, row

pytestmark = pytest.mark.s3


def rows(path, **keys):
    return [item for split in splits(Source(path=str(path), **keys)) for item in read(split)]


def without_position(found):
    return [dataclasses.replace(item, position="") for item in found]


@pytest.fixture
def inputs(tmp_path, s3_bucket):
    """A folder of every kind of file, and its copy in a bucket."""
    (tmp_path / "a").mkdir()
    lines = b"".join(b'{"problem": "p%d"}\n' % n for n in range(500))
    (tmp_path / "a" / "t.jsonl").write_bytes(lines + b"not json\n")
    pq.write_table(pa.table({"problem": [f"q{n}" for n in range(50)]}), tmp_path / "a" / "u.parquet", row_group_size=10)
    (tmp_path / "b.org").mkdir()
    (tmp_path / "b.org" / "Posts.xml").write_bytes(document([question(1), answer(2, 1), question(3)]))
    (tmp_path / "b.org" / "Comments.xml").write_bytes(document([row(Id=1, PostId=2, Text="c")], "comments"))
    client = boto3.client("s3")
    for path in tmp_path.rglob("*.*"):
        if path.is_file():
            client.upload_file(str(path), s3_bucket.removeprefix("s3://"), str(path.relative_to(tmp_path)))
    return tmp_path, s3_bucket


def test_a_bucket_reads_like_a_folder(inputs, monkeypatch):
    folder, bucket = inputs
    monkeypatch.setattr(table, "SPLIT_BYTES", 1000)
    local = rows(folder / "a")
    assert len(local) == 551
    assert without_position(rows(f"{bucket}/a")) == without_position(local)
    assert len(rows(f"{bucket}/a/*.jsonl")) == 501
    keys = {"kind": "stackexchange", "splits": 2}
    assert without_position(rows(f"{bucket}/b.org", **keys)) == without_position(rows(folder / "b.org", **keys))
    assert rows(f"{bucket}/b.org/Posts.xml", **keys)[0].question.attribution.url == "https://b.org/questions/1"
    (thread,) = [item for item in rows(f"{bucket}/b.org/Posts.xml", **keys) if item.answers]
    assert thread.answers[0].comments == ["c"]


def test_nothing_there_is_a_clear_error(s3_bucket):
    with pytest.raises(FactoryError, match="nothing to read"):
        rows(f"{s3_bucket}/none.jsonl")


def test_a_lost_server_raises_so_that_the_split_is_read_again(inputs, monkeypatch):
    _, bucket = inputs
    (split, *_) = splits(Source(path=f"{bucket}/a/t.jsonl"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(OSError):
        list(read(split))
