"""What `scale.py` measures a whole Ray cluster of one machine with: CPU and memory by part, and requests to storage."""

from __future__ import annotations

import functools
import json
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

REQUESTS = "FACTORY_BENCH_REQUESTS"
"""Environment variable: the directory where every process keeps its count of requests to storage."""
PARTS = {
    "Ledger": "ledger",
    "(Solve)": "program workers",
    "factory.verify.worker": "checkers",
    "raylet": "raylet",
    "gcs_server": "gcs",
    "dashboard": "dashboard",
    "publish_partition": "publish",
    "write_shard": "publish",
    "ray::": "other tasks",
}
"""What stands in the command line of a process, and the part that it belongs to; the first that fits counts."""
LIST_PAGE = 1000  # keys in one answer of S3


def count_requests() -> None:
    """Count what this process asks of stores, in a file of its own. Ray calls it at the start of every worker."""
    from factory.store.local import LocalStore
    from factory.store.s3 import S3Store

    counts: Counter[str] = Counter()
    for store in (LocalStore, S3Store):
        for method, request in (("read", "GET"), ("write", "PUT"), ("create", "PUT"), ("_upload", "PUT"),
                                ("size", "HEAD"), ("delete", "DELETE")):  # fmt: skip
            setattr(store, method, _counting(getattr(store, method), counts, request))
        store.list = _counting_list(store.list, counts)
    target = Path(os.environ[REQUESTS]) / f"{os.getpid()}.json"
    threading.Thread(target=_keep, args=(counts, target), daemon=True).start()


def requests(directory: Path) -> Counter[str]:
    """The sum over all processes so far."""
    total: Counter[str] = Counter()
    for file in directory.glob("*.json"):
        with suppress(ValueError):
            total.update(json.loads(file.read_text()))
    return total


def _counting(method: Callable[..., Any], counts: Counter[str], request: str) -> Callable[..., Any]:
    @functools.wraps(method)
    def counted(*args: Any, **options: Any) -> Any:
        counts[request] += 1
        return method(*args, **options)

    return counted


def _counting_list(method: Callable[..., Any], counts: Counter[str]) -> Callable[..., Any]:
    @functools.wraps(method)
    def counted(*args: Any, **options: Any) -> Any:
        counts["LIST"] += 1
        for number, entry in enumerate(method(*args, **options), start=1):
            counts["LIST"] += number % LIST_PAGE == 0
            counts["listed names"] += 1
            yield entry

    return counted


def _keep(counts: Counter[str], target: Path) -> None:
    written: dict[str, int] = {}
    while True:
        time.sleep(0.5)
        if (now := dict(counts)) != written:
            partial = target.with_suffix(".part")
            try:
                partial.write_text(json.dumps(now))
                partial.replace(target)
            except FileNotFoundError:
                return  # the bench is over, and its folder gone
            written = now


class Meter:
    """Follows every process of this one's cluster: CPU seconds and resident memory by part, the object store, counts.

    `progress` gives what one row of the series is to be compared with, such as samples so far.
    """

    def __init__(self, temp_dir: Path, progress: Callable[[], int], every_s: float) -> None:
        self.cpu: dict[str, float] = defaultdict(float)  # seconds by part
        self.series: list[dict[str, float]] = []
        self._temp_dir, self._progress, self._every_s = str(temp_dir), progress, every_s
        self._before: dict[psutil.Process, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._started = time.monotonic()

    def __enter__(self) -> Meter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        """One look at everything; a row of the series."""
        row: dict[str, float] = defaultdict(float, seconds=time.monotonic() - self._started, samples=self._progress())
        for process in self._processes():
            with suppress(psutil.Error):
                part = self._part(process)
                times = process.cpu_times()
                used = times.user + times.system
                self.cpu[part] += used - self._before.get(process, 0.0)
                self._before[process] = used
                memory = process.memory_info()
                row[part] += (memory.rss - memory.shared) / 2**20
        row.update({f"cpu {part}": seconds for part, seconds in self.cpu.items()})
        row["object store"] = object_store_bytes() / 2**20
        self.series.append(row)

    def _run(self) -> None:
        next_row = 0.0
        while not self._stop.wait(2.0):
            if time.monotonic() >= next_row:
                next_row = time.monotonic() + self._every_s
                self.look()

    def _processes(self) -> list[psutil.Process]:
        return [psutil.Process(), *psutil.Process().children(recursive=True)]

    def _part(self, process: psutil.Process) -> str:
        """Ray names a worker by its actor, and an idle one by nothing; the name that says more is kept."""
        if process.pid == os.getpid():
            return "driver"
        title = " ".join(process.cmdline())
        return next((part for sign, part in PARTS.items() if sign in title), "other")


def object_store_bytes() -> int:
    """Bytes of objects in the store of the cluster that this process is connected to."""
    import ray
    from ray._private.internal_api import get_memory_info_reply, get_state_from_address

    with suppress(Exception):
        state = get_state_from_address(ray.get_runtime_context().gcs_address)
        return int(get_memory_info_reply(state).store_stats.object_store_bytes_used)
    return 0


def slope(series: list[dict[str, float]], column: str, over: str) -> float:
    """Least-squares slope of `column` over 100,000 of `over`, in the second half of the series."""
    rows = series[len(series) // 2 :]
    if len(rows) < 3:
        return float("nan")
    xs, ys = [row[over] / 1e5 for row in rows], [row.get(column, 0.0) for row in rows]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - mean_x) ** 2 for x in xs)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / spread if spread else float("nan")
