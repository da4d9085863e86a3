"""Where the runs live: a real S3 server that can be killed, behind a proxy that loses answers; or a directory."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3

from tests.s3.ceph import Ceph
from tests.s3.proxy import Fault, FaultyProxy

BUCKET = "chaos"
RATES: dict[Fault, float] = {
    "slow_down": 0.005, "error": 0.005, "delay": 0.01, "reset": 0.005, "lost": 0.005, "truncate": 0.005
}  # fmt: skip
OUTAGE_S = (0.5, 4.0)  # short of the 20 seconds that a driver's first look at its storage may take


@dataclass(slots=True)
class Place:
    """`root` is a URI to put runs below; `server` and `proxy` are None if it is a directory."""

    root: str
    server: Ceph | None = None
    proxy: FaultyProxy | None = None

    def make_trouble(self) -> None:
        """From now on a few requests of a hundred go wrong."""
        if self.proxy is not None:
            self.proxy.rates = dict(RATES)

    def outage(self, dice: random.Random) -> None:
        """SIGKILL the S3 server, and start it again on the same data a little later."""
        assert self.server is not None
        self.server.kill_gateway()
        time.sleep(dice.uniform(*OUTAGE_S))
        self.server.start_gateway()


@contextmanager
def s3(folder: Path, seed: int) -> Iterator[Place]:
    """A bucket of a Ceph gateway, with this process's environment set up to reach it through the proxy."""
    with Ceph(folder / "ceph") as server, FaultyProxy(server.endpoint, seed=seed).running() as proxy:
        os.environ |= server.environment
        boto3.session.Session().client("s3", endpoint_url=server.endpoint).create_bucket(Bucket=BUCKET)
        os.environ["AWS_ENDPOINT_URL"] = proxy.endpoint
        yield Place(f"s3://{BUCKET}", server, proxy)


@contextmanager
def directory(folder: Path) -> Iterator[Place]:
    """Plain files: what is left where no S3 server can be started."""
    yield Place(str(folder / "runs"))
