"""The job as a user runs it: one command, started again with the same words whenever it has died."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import ROOT

# The demo's recipe on its table of problems, sized so that a run lasts as long as its kills need and that equal work
# gives equal samples: greedy decoding in float32 (see `verdict`), budgets of time that no stall can use up, and few
# samples at once.
SETTINGS = {
    "verify.judge": "never",
    "decontaminate.judge": "never",
    "near_duplicates.enabled": "false",
    "teacher.engine.max_num_seqs": "4",
    "teacher.engine.chunk_tokens": "16",
    "teacher.engine.extra": "{distributed_executor_backend: uni}",
    "teacher.engine.drain_s": "5",
    "solve.sampling": "{temperature: 0, max_tokens: 500, max_calls: 4, wall_time_s: 7200}",
    "sandbox.timeout_s": "120",
    "sandbox.actors": "[1, 2]",
    "programs.workers": "[2, 2]",
    "programs.problems_in_flight": "2",
    "programs.max_attempts": "1000",  # chaos takes workers down, not the problems that they hold
    "journal.part_age_s": "1",
    "journal.turn_tokens": "50",
}


def command(uri: str, problems: int, samples: int) -> list[str]:
    """What a user would type."""
    settings = SETTINGS | {
        "sources": f"[{{path: jobs/demo/problems.jsonl, limit: {problems}}}]",
        "solve.samples": str(samples),
    }
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
        with self._log.open("ab") as log:
            log.write(f"\n===== start {self.starts + 1}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.starts += 1

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
