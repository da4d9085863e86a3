"""A bucket in another region is told of, and nothing else is: the metadata service is a fake on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from factory.cluster import region
from tests.web import serving


class Metadata(BaseHTTPRequestHandler):
    """Names the zone of the machine, as AWS's metadata service does."""

    def do_PUT(self) -> None:
        self._send(b"a-token")

    def do_GET(self) -> None:
        self._send(b"us-west-2b" if self.path.endswith("/availability-zone/") else b"")

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def on_aws(monkeypatch) -> Iterator[None]:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    server = HTTPServer(("127.0.0.1", 0), Metadata)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
    with serving(server):
        yield


def test_a_bucket_elsewhere_is_told_of_with_both_regions(on_aws, monkeypatch):
    monkeypatch.setattr(region, "bucket_region", {"far": "eu-north-1", "near": "us-west-2"}.get)
    told = region.warning("s3://far/run-1")
    assert "eu-north-1" in told
    assert "us-west-2" in told
    assert region.warning("s3://near/run-1") is None
    assert region.warning("s3://unknown/run-1") is None


@pytest.mark.parametrize("uri", ["/tmp/run", "out/run", "gs://bucket/run"])
def test_other_places_are_not_asked(on_aws, uri):
    assert region.warning(uri) is None


def test_a_server_of_its_own_has_no_region(on_aws, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(region, "bucket_region", lambda _: "eu-north-1")
    assert region.warning("s3://far/run") is None


def test_no_machine_of_aws_is_no_word(on_aws, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1/")
    monkeypatch.setattr(region, "bucket_region", lambda _: "eu-north-1")
    assert region.warning("s3://far/run") is None


def test_a_bucket_that_refuses_says_where_it_is(monkeypatch, on_aws):
    """S3 names the region in a header of its refusal too."""

    class Refusing(Metadata):
        def do_HEAD(self) -> None:
            self.send_response(403)
            self.send_header("x-amz-bucket-region", "ap-south-1")
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Refusing)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with serving(server):
        assert region.bucket_region("some-bucket") == "ap-south-1"
    assert region.bucket_region("some-bucket") is None  # nobody answers any more
