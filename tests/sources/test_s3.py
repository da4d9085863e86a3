"""The same readers over a real S3 server: a path and a URI give the same rows, and a lost server is not bad data."""

from __future__ import annotations

import dataclasses
import json

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


@pytest.fixture(scope="module")
def guest(s3_server):
    """A second user of the server, who may do nothing until a bucket says so: name, key, secret."""
    if s3_server.ceph is None:
        pytest.skip("needs a second user on the server")
    found = ("guest", "GUEST", "guests-secret")
    s3_server.ceph.add_user(*found)
    return found


@pytest.fixture
def as_guest(s3_server, guest, inputs, monkeypatch):
    """Give the second user these rights in the bucket of `inputs`, and act as that user from then on."""
    _, uri = inputs
    name, key, secret = guest

    def act(*actions: str) -> str:
        bucket = uri.removeprefix("s3://")
        rights = {
            "Effect": "Allow",
            "Principal": {"AWS": [f"arn:aws:iam:::user/{name}"]},
            "Action": [f"s3:{action}" for action in actions],
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        }
        if actions:
            policy = {"Version": "2012-10-17", "Statement": [rights]}
            s3_server.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
        return uri

    return act


def test_a_bucket_that_is_not_there_is_named(s3_bucket):
    with pytest.raises(FactoryError, match="no-such-bucket-here"):
        rows("s3://no-such-bucket-here/a")


@pytest.mark.parametrize("path", ["a", "a/t.jsonl", "a/*.jsonl"])
def test_a_bucket_that_denies_us_is_an_error_in_words(as_guest, path):
    bucket = as_guest()
    with pytest.raises(FactoryError, match=r"cannot list|nothing to read") as caught:
        rows(f"{bucket}/{path}")
    assert "credentials" in str(caught.value)


@pytest.mark.parametrize("path", ["a", "b.org"])
def test_files_that_may_be_listed_but_not_read_are_an_error_before_the_run(as_guest, path):
    bucket = as_guest("ListBucket")
    with pytest.raises(FactoryError, match="may not be read") as caught:
        splits(Source(path=f"{bucket}/{path}", kind="stackexchange" if path == "b.org" else "table"))
    assert "credentials" in str(caught.value)
