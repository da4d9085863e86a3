"""The job as a user runs it: one command, started again with the same words whenever it has died."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from factory.store.driver_lease import EXIT_STATUS
from tests.conftest import ROOT

REFUSES_S = 300.0  # on a machine that is very busy; it takes some heartbeats

# The demo's recipe on a part of its rows, sized so that a run lasts as long as its kills need and that equal work
# gives equal samples: greedy decoding in float32 (see `verdict`), budgets of time that no stall can use up, and few
# samples at once.
SETTINGS = {
    "verify.judge": "never",
    "decontaminate.judge": "never",
    "curator.engine.max_num_seqs": "4",
    "curator.engine.extra": "{distributed_executor_backend: uni}",
    "curator.engine.drain_s": "5",
    "curator.engine.silence_s": "30",
    "curate.threads_in_flight": "2",
    "teacher.engine.max_num_seqs": "4",
    "teacher.engine.chunk_tokens": "16",
    "teacher.engine.extra": "{distributed_executor_backend: uni}",
    "teacher.engine.drain_s": "5",
    "teacher.engine.silence_s": "30",
    "solve.sampling": "{temperature: 0, max_tokens: 500, max_calls: 4, wall_time_s: 7200}",
    "sandbox.timeout_s": "120",
    "sandbox.actors": "[1, 2]",
    "programs.workers": "[2, 2]",
    "programs.problems_in_flight": "2",
    "programs.max_attempts": "1000",  # chaos takes workers down, not the problems that they hold
    "journal.part_age_s": "1",
    "journal.turn_tokens": "50",
}


@dataclass(frozen=True, slots=True)
class Size:
    """Rows of the demo's table, threads of its forum, and samples per problem, mode and tool."""

    problems: int
    threads: int
    samples: int


def command(uri: str, size: Size) -> list[str]:
    """What a user would type."""
    sources = [f"{{path: jobs/demo/problems.jsonl, limit: {size.problems}}}"]
    if of_aops := size.threads // 4:
        sources.append(f"{{kind: aops, path: jobs/demo/forum/data/aops.jsonl, name: aops, limit: {of_aops}}}")
    if of_dump := size.threads - of_aops:
        sources.append(f"{{kind: stackexchange, path: jobs/demo/forum/data, name: forum, limit: {of_dump}}}")
    settings = SETTINGS | {"sources": f"[{', '.join(sources)}]", "solve.samples": str(size.samples)}
    words = [sys.executable, "jobs/build_dataset.py", "--recipe", "jobs/recipes/demo.yaml", "--out", uri]
    return words + [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


class Driver:
    """The job's process. `restarts` counts starts after the first one, `gave_up` the ends that nobody asked for."""

    def __init__(self, command: list[str], address: str, log: Path) -> None:
        self._command, self._log = command, log
        self._environment = {**os.environ, "RAY_ADDRESS": address}
        self._process: subprocess.Popen[bytes] | None = None
        self._started = time.monotonic()
        self.starts = 0
        self.gave_up: list[str] = []

    def start(self) -> None:
        self._process = self._popen(f"start {self.starts + 1}")
        self.starts += 1

    def meet_another(self) -> None:
        """The same command once more beside the first. It has to refuse, or to find nothing left to do."""
        second = self._popen("a second driver")
        try:
            status = second.wait(REFUSES_S)
        except subprocess.TimeoutExpired:
            second.kill()
            status = second.wait()
        if status not in {0, EXIT_STATUS}:
            self.gave_up.append(f"a second driver ended with status {status}")

    def _popen(self, title: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            log.write(f"\n===== {title}\n".encode())
            log.flush()
            return subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """SIGKILL, and the same command again."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self.start()

    def done(self) -> bool:
        """Whether the job has ended well. Started again where it ended otherwise, as its own last line asks for."""
        assert self._process is not None
        status = self._process.poll()
        if status is None:
            return False
        if status != 0:
            self.gave_up.append(f"status {status}: {self.last_words()}")
            self.start()
        return status == 0

    def last_words(self, lines: int = 1) -> str:
        said = self._log.read_text(errors="replace").split("=====")[-1].strip().splitlines()
        return "\n".join(said[-lines:])

    @property
    def seconds(self) -> float:
        """Since the first start."""
        return time.monotonic() - self._started

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
