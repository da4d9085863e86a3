"""A real Ray cluster of one machine for tests of the job API: `ray start --head`, ports, token and folder its own."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

START_S = 180


@dataclass(frozen=True, slots=True)
class JobCluster:
    """Where the jobs API listens, and the environment in which the command line finds it."""

    url: str
    env: dict[str, str]

    def cli(self, *words: str, timeout_s: float = 240) -> subprocess.CompletedProcess[str]:
        """`ray ...` as a user types it, with the cluster's address and token in the environment."""
        command = [ray_command(), *words]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=timeout_s, check=False)

    def get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.env['RAY_AUTH_TOKEN']}"}
        return httpx.get(f"{self.url}/api/jobs/{path}", headers=headers, timeout=60).raise_for_status().json()

    def status(self, job: str) -> str:
        return str(self.get(job)["status"])

    def logs(self, job: str) -> str:
        return str(self.get(f"{job}/logs")["logs"])


@contextmanager
def job_cluster(cpus: int = 4) -> Iterator[JobCluster]:
    """A cluster for the length of a block. Ends exactly the processes that it started."""
    folder = short_folder()
    ports = free_ports(6)
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_metrics_report_interval_ms": "1000",
    }
    command = [
        ray_command(), "start", "--head", "--block", f"--temp-dir={folder}", "--node-ip-address=127.0.0.1",
        f"--port={ports[0]}", f"--dashboard-port={ports[1]}", f"--dashboard-agent-listen-port={ports[2]}",
        f"--dashboard-agent-grpc-port={ports[3]}", f"--ray-client-server-port={ports[4]}",
        f"--metrics-export-port={ports[5]}", "--min-worker-port=0", "--max-worker-port=0",
        f"--num-cpus={cpus}", "--object-store-memory=150000000",
    ]  # fmt: skip
    log = folder / "start.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    url = f"http://127.0.0.1:{ports[1]}"
    cluster = JobCluster(url, {**env, "RAY_ADDRESS": url})
    try:
        _wait_until_up(cluster, process, log)
        yield cluster
    finally:
        end(process, folder)


def ray_command() -> str:
    return str(Path(sys.executable).parent / "ray")


def short_folder() -> Path:
    """A new folder for a cluster's files: socket paths below it have 107 bytes at most."""
    return Path(tempfile.mkdtemp(prefix="rj-", dir="/tmp"))


def _wait_until_up(cluster: JobCluster, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"ray start ended with status {process.returncode}:\n{log.read_text()}")
        try:
            cluster.get("")
        except httpx.HTTPError:
            time.sleep(1)
        else:
            return
    raise TimeoutError(f"no jobs API after {START_S} s:\n{log.read_text()}")


def end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Kill what this cluster has started, each by its id: SIGTERM would drain the node first, for half a minute."""
    started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.kill()
    process.wait()
    named = [p for p in psutil.process_iter(["cmdline"]) if any(str(folder) in w for w in p.info["cmdline"] or ())]
    for left in {*started, *named}:  # psutil knows a process from a later one with its number
        with suppress(psutil.NoSuchProcess):
            left.kill()
    shutil.rmtree(folder, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now. Another process may be quicker; then `ray start` says so."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
