"""A Ray cluster of several nodes on this machine, made to lose some of them.

The head runs no work, so that killing a worker node always takes programs, sandboxes or engines with it. The nodes get
no AWS variables: what workers need of the driver's credentials, the job has to bring.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.s3.ceph import free_port

OBJECT_STORE_BYTES = 150 << 20
NODE_START_S = 180.0


class Machines:
    """A head and `nodes` worker nodes of `cpus` logical CPUs each, for a block; then their logs are in `logs`."""

    def __init__(self, logs: Path, nodes: int = 2, cpus: int = 2) -> None:
        self._logs, self._nodes, self._cpus = logs, nodes, cpus
        self._folder = Path(tempfile.mkdtemp(prefix="rc-", dir="/tmp"))  # short: socket paths have 107 bytes at most

    def __enter__(self) -> Machines:
        os.environ |= {
            "RAY_AUTH_MODE": "disabled",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": str(self._folder),  # or `ray.init()` elsewhere on this machine would find this cluster
            "RAY_health_check_period_ms": "2000",  # a dead node is found out in ten seconds
        }
        from ray.cluster_utils import Cluster  # reads the environment

        with _without_credentials():
            self._cluster = Cluster(
                initialize_head=True,
                head_node_args={
                    "num_cpus": 0,
                    "include_dashboard": False,
                    "dashboard_port": free_port(),  # a server for its health listens all the same
                    "object_store_memory": OBJECT_STORE_BYTES,
                },
            )
        for _ in range(self._nodes):
            self._add()
        return self

    def __exit__(self, *_: object) -> None:
        self._cluster.shutdown()
        for session in self._folder.glob("**/session_2*/logs"):
            shutil.copytree(session, self._logs / session.parent.name, dirs_exist_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def lose_a_node(self, dice: random.Random) -> None:
        """SIGKILL the raylet of one worker node; its other processes find out for themselves. Another node joins."""
        node = dice.choice(sorted(self._cluster.worker_nodes, key=lambda node: node.unique_id))
        for info in node.all_processes["raylet"]:
            info.process.kill()
        self._add()
        self._cluster.worker_nodes.remove(node)
        node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)

    def _add(self) -> None:
        with _without_credentials():
            node: Any = self._cluster.add_node(wait=False, num_cpus=self._cpus, object_store_memory=OBJECT_STORE_BYTES)
            self._cluster._wait_for_node(node, timeout=NODE_START_S)
        signal.signal(signal.SIGTERM, _ended)  # Ray has put a handler there that exits without a word


def _ended(number: int, _frame: object) -> None:
    raise SystemExit(f"chaos was ended by {signal.Signals(number).name}")


@contextmanager
def _without_credentials() -> Iterator[None]:
    """The environment without AWS variables, for processes that are started inside the block."""
    held = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
    try:
        yield
    finally:
        os.environ |= held
