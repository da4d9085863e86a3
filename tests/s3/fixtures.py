"""The S3 server that tests share, and an empty bucket of it for each test.

A server that runs already is taken from FACTORY_TEST_S3_ENDPOINT, with credentials from the usual AWS variables.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from tests.s3.ceph import REGION, Ceph, missing_programs
from tests.s3.install import ENDPOINT_VARIABLE


@dataclass(frozen=True)
class S3Server:
    """Where the server is, what a client's environment must hold, and the server itself if it is ours."""

    endpoint: str
    environment: dict[str, str]
    ceph: Ceph | None = None

    def client(self):
        environment = self.environment
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=environment["AWS_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory) -> Iterator[S3Server]:
    """A real S3 server; the test skips if there is none and none can be started."""
    if endpoint := os.environ.get(ENDPOINT_VARIABLE):
        taken = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        region = os.environ.get("AWS_REGION", REGION)
        yield S3Server(
            endpoint, {**taken, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
        )
        return
    if missing := missing_programs():
        pytest.skip(f"no S3 server: {', '.join(missing)} not installed and {ENDPOINT_VARIABLE} not set")
    directory: Path = tmp_path_factory.mktemp("ceph") / "server"
    with Ceph(directory) as server:
        yield S3Server(server.endpoint, server.environment, server)


@pytest.fixture
def s3_bucket(s3_server: S3Server, monkeypatch) -> str:
    """URI of an empty bucket, with this process's environment set up to reach it."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    name = f"factory-test-{uuid.uuid4().hex[:12]}"
    s3_server.client().create_bucket(Bucket=name)
    return f"s3://{name}"
