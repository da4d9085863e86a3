"""An autoscaling Ray cluster on one machine: a head, and fake nodes that Ray's own autoscaler starts and ends.

Ray's helper for this (`ray.cluster_utils.AutoscalingCluster`) runs `ray stop`, which ends every Ray of the machine.
This one has ports, a folder and processes of its own, and ends exactly those.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from ray._private.state import GlobalState
from ray._raylet import GcsClient, GcsClientOptions
from ray.autoscaler.v2.schema import ClusterStatus, NodeInfo
from ray.autoscaler.v2.sdk import get_cluster_status
from ray.core.generated.autoscaler_pb2 import DrainNodeReason

from tests.conftest import ROOT
from tests.jobs.cluster import end, free_ports, ray_command, short_folder

HEAD = "f" * 51 + "00000"  # the id that the fake provider expects
IDLE_S = 15.0
START_S = 120.0
ATTEMPTS = 3
NODE_TYPES = {"cpu": ({"CPU": 2}, 3), "gpu": ({"CPU": 0, "GPU": 1}, 2)}
"""Resources of one node, and most nodes, by type."""
POOLS = {"ServeReplica:": "engines", "MapWorker(MapBatches(Solve": "programs", "_SandboxActor": "sandboxes"}
"""Actor classes of the factory's pools."""


@dataclass(frozen=True, slots=True)
class Look:
    """The cluster at one moment: live nodes by type, and live actors by pool."""

    nodes: Mapping[str, int]
    actors: Mapping[str, int]

    def count(self, name: str) -> int:
        return {**self.nodes, **self.actors}[name]

    def __str__(self) -> str:
        return ", ".join(f"{n} {name}" for name, n in {**self.nodes, **self.actors}.items())


class ElasticCluster:
    """A running cluster, seen through its own tables: this process does not join it."""

    def __init__(self, address: str, folder: Path, env: dict[str, str]) -> None:
        self.address, self.env, self._folder = address, env, folder
        self._market = folder / "market"
        self._market.mkdir()
        self._state = GlobalState()
        self._state._initialize_global_state(GcsClientOptions.create(address, None, True, False))

    def status(self) -> ClusterStatus:
        return get_cluster_status(self.address)

    def nodes(self, node_type: str) -> list[NodeInfo]:
        status = self.status()
        return [n for n in [*status.active_nodes, *status.idle_nodes] if n.ray_node_type_name == node_type]

    def actors(self, pool: str) -> list[dict[str, Any]]:
        """Live actors of a pool, as Ray's actor table has them."""
        table = self._state.actor_table(None, actor_state_name="ALIVE").values()
        return [actor for actor in table if _pool(actor["ActorClassName"]) == pool]

    def look(self) -> Look:
        status = self.status()
        nodes = Counter(node.ray_node_type_name for node in [*status.active_nodes, *status.idle_nodes])
        classes = [a["ActorClassName"] for a in self._state.actor_table(None, actor_state_name="ALIVE").values()]
        actors = Counter(map(_pool, classes))
        return Look({t: nodes[t] for t in NODE_TYPES}, {pool: actors[pool] for pool in POOLS.values()})

    def stock(self, node_type: str, count: int) -> None:
        """From now on the market has so many machines of a type."""
        (self._market / node_type).write_text(str(count))

    def restock(self, node_type: str) -> None:
        (self._market / node_type).unlink(missing_ok=True)

    def kill(self, node: NodeInfo) -> None:
        """What a preemption without warning does: the node's raylet is gone, and with it all of its workers.

        Nothing happens to a node that has left.
        """
        for raylet in [p for p in psutil.process_iter(["name"]) if p.info["name"] == "raylet" and self._runs(p, node)]:
            raylet.send_signal(signal.SIGKILL)

    def drain(self, node: NodeInfo, deadline_s: float) -> None:
        """What a preemption with a notice does: nothing new is placed there, and at the deadline the node leaves."""
        deadline_ms = int((time.time() + deadline_s) * 1000)
        reason = DrainNodeReason.DRAIN_NODE_REASON_PREEMPTION
        accepted, why = GcsClient(self.address).drain_node(node.node_id, reason, "spot notice", deadline_ms)
        assert accepted, why

    def _runs(self, process: psutil.Process, node: NodeInfo) -> bool:
        try:
            ours = any(str(self._folder) in word for word in process.cmdline())
            return ours and process.environ().get("RAY_CLOUD_INSTANCE_ID") == node.instance_id
        except psutil.Error:  # it has just ended
            return False


@contextmanager
def elastic_cluster() -> Iterator[ElasticCluster]:
    """A head without CPUs, and an autoscaler with `NODE_TYPES`, for the length of a block."""
    for _ in range(ATTEMPTS):
        folder = short_folder()
        address, env, process = _start(folder)
        try:
            if _is_up(address, process):
                yield ElasticCluster(address, folder, env)
                return
        finally:
            end(process, folder)
    # a raylet gives its helpers 15 seconds to start, which are too few on a machine that is very busy
    raise RuntimeError(f"`ray start` came to nothing {ATTEMPTS} times")


def _start(folder: Path) -> tuple[str, dict[str, str], subprocess.Popen[bytes]]:
    """Address, environment of clients, and the process of `ray start`."""
    ports = free_ports(6)
    address = f"127.0.0.1:{ports[0]}"
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        "PYTHONPATH": str(ROOT),
        "RAY_ADDRESS": address,
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        # or a pool of engines learns of its load every ten seconds only
        "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "2",
        "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "2",
    }
    head_env = {
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "RAY_FAKE_CLUSTER": "1",
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": HEAD,
        "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD,
        "RAY_NODE_TYPE_NAME": "ray.head.default",
    }
    (folder / "autoscaling.json").write_text(json.dumps(_config(address, folder)))
    command = [
        ray_command(), "start", "--head", "--block", f"--temp-dir={folder}", "--node-ip-address=127.0.0.1",
        f"--port={ports[0]}", f"--dashboard-port={ports[1]}", f"--dashboard-agent-listen-port={ports[2]}",
        f"--dashboard-agent-grpc-port={ports[3]}", f"--ray-client-server-port={ports[4]}",
        f"--metrics-export-port={ports[5]}", "--min-worker-port=0", "--max-worker-port=0", "--include-dashboard=false",
        "--num-cpus=0", "--object-store-memory=150000000", f"--autoscaling-config={folder / 'autoscaling.json'}",
    ]  # fmt: skip
    with (folder / "start.log").open("w") as out:
        process = subprocess.Popen(
            command, env=env | head_env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    return address, env, process


def _is_up(address: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait for the head; False if it came to nothing."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), 1).close()
            if get_cluster_status(address, timeout=5).idle_nodes:
                return True
        except Exception:  # whatever a client of a server that is not there yet says
            pass
        time.sleep(0.5)
    return False


def _config(address: str, folder: Path) -> dict[str, Any]:
    """What `ray up` would give the head."""
    workers = {
        name: {"resources": resources, "node_config": {}, "min_workers": 0, "max_workers": most}
        for name, (resources, most) in NODE_TYPES.items()
    }
    head = {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0}
    return {
        "cluster_name": "elastic",
        "max_workers": 8,
        "idle_timeout_minutes": IDLE_S / 60,
        "upscaling_speed": 10,
        "provider": {
            "type": "external",
            "module": "tests.elastic.provider.MarketProvider",
            "head_node_id": HEAD,
            "gcs_address": address,
            "market": str(folder / "market"),
            "launch_multiple": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "auth": {},
        "available_node_types": {**workers, "ray.head.default": head},
        "head_node_type": "ray.head.default",
        "file_mounts": {},
        "cluster_synced_files": [],
        "file_mounts_sync_continuously": False,
        "initialization_commands": [], "setup_commands": [],
        "head_setup_commands": [], "worker_setup_commands": [],
        "head_start_ray_commands": [], "worker_start_ray_commands": [],
    }  # fmt: skip


def _pool(actor_class: str) -> str | None:
    return next((pool for start, pool in POOLS.items() if actor_class.startswith(start)), None)
