"""A real S3 server for tests: Ceph's RADOS Gateway over one monitor and one object store daemon, on loopback ports.

Needs the Debian packages radosgw, ceph-mon and ceph-osd (`tests/s3/install.py`). Everything lives in one directory and
in child processes that the kernel kills when their parent dies. By hand, until Ctrl-C:

    python -m tests.s3.ceph DIRECTORY [--store bluestore]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path

PROGRAMS = ("radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool")
GATEWAY = "client.rgw.test"
REGION = "us-east-1"


def missing_programs() -> list[str]:
    """What is not installed of the programs that a server needs."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


class Ceph:
    """One server. `environment` is what an S3 client needs to know.

    `store` is "memstore" (up in two seconds, data in memory) or "bluestore" (a sparse file of `gib` GiB).
    """

    def __init__(self, directory: Path, store: str = "memstore", gib: int = 8) -> None:
        self.directory = directory.resolve()
        self._store, self._bytes = store, gib << 30
        self.port, self._monitor_port = free_port(), free_port()
        self.access_key, self.secret_key = secrets.token_hex(10).upper(), secrets.token_hex(20)
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._config = self.directory / "ceph.conf"
        self._keys = self.directory / "keyring"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
        }

    def start(self) -> Ceph:
        """Make an empty cluster and wait until it answers S3 requests."""
        for name in ("mon", "osd", "run", "log"):
            (self.directory / name).mkdir(parents=True)
        self._config.write_text(self._configuration())
        try:
            self._start_monitor()
            self._start_osd()
            self.start_gateway()
            self.add_user("test", self.access_key, self.secret_key)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        for name in (GATEWAY, "osd", "mon"):
            self._kill(name)

    def start_gateway(self) -> None:
        self._daemon(GATEWAY, "radosgw", "--name", GATEWAY)
        _wait_for_port(self.port, self._daemons[GATEWAY])

    def kill_gateway(self) -> None:
        """An outage: the server is gone at once, the data stays."""
        self._kill(GATEWAY)

    def add_user(self, name: str, access_key: str, secret_key: str) -> None:
        keys = (f"--access-key={access_key}", f"--secret-key={secret_key}")
        self._run(
            "radosgw-admin", "--name", GATEWAY, "user", "create", f"--uid={name}", f"--display-name={name}", *keys
        )

    def __enter__(self) -> Ceph:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start_monitor(self) -> None:
        everything = ("--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *")
        of_osd = ("--cap", "mon", "allow profile osd", "--cap", "osd", "allow *")
        of_gateway = ("--cap", "mon", "allow rw", "--cap", "osd", "allow rwx")
        self._run("ceph-authtool", "--create-keyring", str(self._keys), "--gen-key", "--name", "mon.", *everything[:3])
        for name, caps in (("client.admin", everything), ("osd.0", of_osd), (GATEWAY, of_gateway)):
            self._run("ceph-authtool", str(self._keys), "--gen-key", "--name", name, *caps)
        monmap = str(self.directory / "monmap")
        address = f"[v2:127.0.0.1:{self._monitor_port}]"
        cluster = self._option("fsid")
        self._run("monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, monmap)
        self._run("ceph-mon", "--mkfs", "--id", "a", "--monmap", monmap, "--keyring", str(self._keys))
        self._daemon("mon", "ceph-mon", "--id", "a")

    def _start_osd(self) -> None:
        identity = str(uuid.uuid4())
        self._run("ceph", "osd", "create", identity)
        self._run("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=localhost")
        self._run("ceph-osd", "--mkfs", "--id", "0", "--osd-uuid", identity)
        self._daemon("osd", "ceph-osd", "--id", "0")

    def _configuration(self) -> str:
        """One copy of everything, on one host, and no warnings about it."""
        return f"""
[global]
fsid = {uuid.uuid4()}
keyring = {self._keys}
mon_host = v2:127.0.0.1:{self._monitor_port}
mon_initial_members = a
public_network = 127.0.0.0/8
ms_bind_ipv6 = false
run_dir = {self.directory}/run
admin_socket = {self.directory}/run/$name.asok
log_file = {self.directory}/log/$name.log
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 500
mon_data_avail_warn = 2
mon_data_avail_crit = 1
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
[mon.a]
mon_data = {self.directory}/mon
[osd.0]
osd_data = {self.directory}/osd
osd_objectstore = {self._store}
osd_memory_target = 939524096
osd_crush_update_on_start = false
osd_class_update_on_start = false
bluestore_block_size = {self._bytes}
memstore_device_bytes = {self._bytes}
[{GATEWAY}]
rgw_frontends = beast endpoint=127.0.0.1:{self.port} tcp_nodelay=1
rgw_thread_pool_size = 64
rgw_enable_ops_log = false
rgw_run_sync_thread = false
"""

    def _option(self, name: str) -> str:
        lines = (line.partition(" = ") for line in self._config.read_text().splitlines())
        return next(value for key, _, value in lines if key == name)

    def _run(self, *command: str) -> None:
        offline = command[0] in ("ceph-authtool", "monmaptool")
        done = subprocess.run(
            command if offline else [*command, "--conf", str(self._config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}")

    def _daemon(self, name: str, *command: str) -> None:
        """In the foreground as a child of ours, which the kernel kills when we die."""
        leash = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with (self.directory / "log" / f"{name}.out").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                [*leash, *command, "--foreground", "--conf", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES": str(32 << 20)},
            )

    def _kill(self, name: str) -> None:
        if daemon := self._daemons.pop(name, None):
            daemon.kill()
            daemon.wait()


def free_port() -> int:
    """A port that nobody has, below those that the kernel hands out: it must still be free when the daemon is up."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.randint(12_000, 32_000)))
            return int(probe.getsockname()[1])


def _wait_for_port(port: int, daemon: subprocess.Popen[bytes], patience_s: float = 90) -> None:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if daemon.poll() is not None:
            raise RuntimeError(f"radosgw ended with status {daemon.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError("radosgw did not open its port")


def main() -> None:
    parser = argparse.ArgumentParser(description="Run an S3 server until Ctrl-C.")
    parser.add_argument("directory", type=Path, nargs="?")
    parser.add_argument("--store", choices=["memstore", "bluestore"], default="bluestore")
    options = parser.parse_args()
    with Ceph(options.directory or Path(tempfile.mkdtemp(prefix="ceph-")), options.store) as server:
        print(json.dumps(server.environment), flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
